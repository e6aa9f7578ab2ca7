//! opencode's items and the document keys under which they stand (`docs/design.md` §4).
//!
//! | item | key |
//! | --- | --- |
//! | `session` | `session` |
//! | `session_diff` | `session_diff` |
//! | `message` | `message/<id>` |
//! | `part` | `part/<messageID>/<id>` |
//! | `model`, a list | `model/<providerID>/<id>` for each element |
//! | any other type, `data.id` a string | `<type>/<id>` |
//! | any other type | `<type>` |
//!
//! In every `<…>`, `%` is written `%25` and `/` is written `%2F`. So no id reaches into another
//! key, and no unknown type falls on a known one: its first segment is its own name.

use serde_json::Value;

use share_model::Limits;

/// One item of a sync: opaque but for what its key is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What opencode calls `type`.
    pub kind: String,
    /// What opencode calls `data`.
    pub data: Value,
}

/// Why an item has no place in a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ItemError {
    /// The type is the empty string, so that it names no key.
    #[error("the item's type is empty")]
    TypeEmpty,
    /// What the key is made of is missing.
    #[error("`{member}` of a `{kind}` item is not a string")]
    Identity {
        /// The item's type.
        kind: &'static str,
        /// The member of `data` that should name it.
        member: &'static str,
    },
    /// A `model` item is not a list.
    #[error("`data` of a `model` item is not an array")]
    ModelNotAList,
    /// The key would be too long.
    #[error("keyTooLong: the key of the item would have {bytes} bytes, limit is {max}")]
    KeyTooLong {
        /// How long it would be.
        bytes: u64,
        /// How long it may be.
        max: u64,
    },
    /// The value is too large.
    #[error("valueTooLarge: the value of `{key}` has {bytes} bytes, limit is {max}")]
    ValueTooLarge {
        /// Where it should stand.
        key: String,
        /// How large it is.
        bytes: u64,
        /// How large it may be.
        max: u64,
    },
    /// A member has a name that no document takes.
    #[error("a member in the value of `{key}` has a name that JSON readers keep for themselves")]
    ReservedName {
        /// Where it should stand.
        key: String,
    },
    /// The value is nested too deeply.
    #[error("tooDeep: the value of `{key}` has {levels} levels, limit is {max}")]
    TooDeep {
        /// Where it should stand.
        key: String,
        /// How deep it is.
        levels: u64,
        /// How deep it may be.
        max: u64,
    },
}

impl Item {
    /// The document's entries that the item is about: one, or one for each model of its list.
    ///
    /// # Errors
    ///
    /// If one of its keys can't be made, or is longer than `limits` allow.
    pub fn into_entries(self, limits: &Limits) -> Result<Vec<(String, Value)>, ItemError> {
        let keys = self.keys(limits)?;
        let values = match (self.kind.as_str(), self.data) {
            ("model", Value::Array(models)) => models,
            (_, data) => vec![data],
        };
        Ok(keys.into_iter().zip(values).collect())
    }

    /// The keys of those entries, in the same order.
    ///
    /// # Errors
    ///
    /// If one of them can't be made, or is longer than `limits` allow.
    pub fn keys(&self, limits: &Limits) -> Result<Vec<String>, ItemError> {
        let Self { kind, data } = self;
        let keys = match (kind.as_str(), data) {
            ("model", Value::Array(models)) => models
                .iter()
                .map(|model| key_of("model", model))
                .collect::<Result<_, _>>()?,
            ("model", _) => return Err(ItemError::ModelNotAList),
            (kind, data) => vec![key_of(kind, data)?],
        };
        let max = u64::from(limits.key_bytes_max);
        match keys.iter().map(|key| key.len() as u64).max() {
            Some(bytes) if bytes > max => Err(ItemError::KeyTooLong { bytes, max }),
            _ => Ok(keys),
        }
    }

    /// The item that stands at `key`; `None` if no item would stand there with that value.
    pub fn of_entry(key: &str, value: &Value) -> Option<Self> {
        let kind = kind_at(key, value)?;
        let data = match kind.as_str() {
            "model" => Value::Array(vec![value.clone()]),
            _ => value.clone(),
        };
        Some(Self { kind, data })
    }
}

/// The type of the item that stands at `key`, alone or, as a model, with others; `None` if no item
/// would stand there with that value.
pub fn kind_at(key: &str, value: &Value) -> Option<String> {
    let first = key.split('/').next().unwrap_or(key);
    let kind = first.replace("%2F", "/").replace("%25", "%");
    // Making the key again is the whole check: ids of the value must be those of the key.
    let is_same = key_of(&kind, value).is_ok_and(|again| again == key);
    (is_same && key.len() <= Limits::DEFAULT.key_bytes_max as usize).then_some(kind)
}

/// A document's entries as opencode's items, in the same order; all models make one item.
///
/// Entries that no item stands for (made by others than opencode) are left out.
pub fn items<'a>(entries: impl IntoIterator<Item = (&'a str, &'a Value)>) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    for (key, value) in entries {
        let Some(item) = Item::of_entry(key, value) else {
            continue;
        };
        match (items.last_mut(), item) {
            (Some(last), Item { kind, data }) if kind == "model" && last.kind == "model" => {
                if let (Value::Array(models), Value::Array(more)) = (&mut last.data, data) {
                    models.extend(more);
                }
            }
            (_, item) => items.push(item),
        }
    }
    items
}

/// The key of the message with this id.
pub(crate) fn message_key(message: &str) -> String {
    key(["message", message])
}

/// The key of the part with this id in that message.
pub(crate) fn part_key(message: &str, part: &str) -> String {
    key(["part", message, part])
}

/// The key of a value; of a model of its list.
fn key_of(kind: &str, data: &Value) -> Result<String, ItemError> {
    match kind {
        "" => Err(ItemError::TypeEmpty),
        "session" | "session_diff" => Ok(kind.into()),
        "message" => Ok(message_key(id(data, "message", "id")?)),
        "part" => {
            let message = id(data, "part", "messageID")?;
            Ok(part_key(message, id(data, "part", "id")?))
        }
        "model" => {
            let provider = id(data, "model", "providerID")?;
            Ok(key(["model", provider, id(data, "model", "id")?]))
        }
        unknown => Ok(match data.get("id").and_then(Value::as_str) {
            Some(id) => key([unknown, id]),
            None => key([unknown]),
        }),
    }
}

fn id<'a>(data: &'a Value, kind: &'static str, member: &'static str) -> Result<&'a str, ItemError> {
    data.get(member)
        .and_then(Value::as_str)
        .ok_or(ItemError::Identity { kind, member })
}

fn key<const N: usize>(segments: [&str; N]) -> String {
    segments
        .map(|segment| segment.replace('%', "%25").replace('/', "%2F"))
        .join("/")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn keys(kind: &str, data: Value) -> Result<Vec<String>, ItemError> {
        let item = Item {
            kind: kind.into(),
            data,
        };
        let entries = item.into_entries(&Limits::DEFAULT)?;
        Ok(entries.into_iter().map(|(key, _)| key).collect())
    }

    #[test]
    fn each_type_has_the_key_of_the_contract() {
        let part = json!({"id": "prt_1", "messageID": "msg_1"});
        let models = json!([{"providerID": "p", "id": "a"}, {"providerID": "p", "id": "b"}]);
        for (kind, data, expected) in [
            ("session", json!({"id": "ses_1"}), vec!["session"]),
            ("session_diff", json!([]), vec!["session_diff"]),
            ("message", json!({"id": "msg_1"}), vec!["message/msg_1"]),
            ("part", part, vec!["part/msg_1/prt_1"]),
            ("model", models, vec!["model/p/a", "model/p/b"]),
            ("model", json!([]), vec![]),
            ("messages", json!([1]), vec!["messages"]),
            ("todo", json!({"id": "t1"}), vec!["todo/t1"]),
            ("todo", json!({"id": 1}), vec!["todo"]),
            ("todo", json!(null), vec!["todo"]),
        ] {
            assert_eq!(keys(kind, data).unwrap(), expected, "{kind}");
        }
    }

    #[test]
    fn no_id_or_type_reaches_into_another_key() {
        let part = |message: &str, id: &str| json!({"messageID": message, "id": id});
        for (kind, data, expected) in [
            ("part", part("a/b", "c"), "part/a%2Fb/c"),
            ("part", part("a", "b/c"), "part/a/b%2Fc"),
            ("part", part("a%2Fb", "c"), "part/a%252Fb/c"),
            ("message", json!({"id": ""}), "message/"),
            ("message", json!({"id": "../ü\u{0}"}), "message/..%2Fü\u{0}"),
            ("message/a", json!(1), "message%2Fa"),
            ("message/a", json!({"id": "b"}), "message%2Fa/b"),
            ("part/a/b", json!(1), "part%2Fa%2Fb"),
            ("%", json!(1), "%25"),
            ("/", json!({"id": ""}), "%2F/"),
        ] {
            assert_eq!(keys(kind, data).unwrap(), [expected], "{kind}");
        }
    }

    #[test]
    fn an_item_without_its_identity_is_refused_by_name() {
        let identity = |kind, member| Err(ItemError::Identity { kind, member });
        for (kind, data, expected) in [
            ("message", json!({}), identity("message", "id")),
            ("message", json!({"id": 1}), identity("message", "id")),
            ("part", json!({"id": "a"}), identity("part", "messageID")),
            ("part", json!({"messageID": "a"}), identity("part", "id")),
            (
                "model",
                json!([{"id": "a"}]),
                identity("model", "providerID"),
            ),
            ("model", json!([null]), identity("model", "providerID")),
            ("model", json!({"id": "a"}), Err(ItemError::ModelNotAList)),
            ("", json!({"id": "a"}), Err(ItemError::TypeEmpty)),
        ] {
            assert_eq!(keys(kind, data), expected, "{kind}");
        }
    }

    #[test]
    fn a_key_at_the_limit_is_taken_and_one_past_it_refused() {
        // `message/` has 8 bytes; a `/` in the id costs three.
        let id = |bytes: usize| json!({"id": "x".repeat(bytes)});
        assert_eq!(keys("message", id(504)).unwrap()[0].len(), 512);
        let (bytes, max) = (513, 512);
        let too_long = Err(ItemError::KeyTooLong { bytes, max });
        assert_eq!(keys("message", id(505)), too_long);
        let escaped = json!({"id": format!("{}/", "x".repeat(502))});
        assert_eq!(keys("message", escaped), too_long);
    }

    #[test]
    fn items_of_a_document_are_those_that_made_it() {
        let entries = [
            ("message%2Fa", json!("u")),
            ("message/a%2Fb", json!({"id": "a/b"})),
            ("message/other", json!({"id": "a"})),
            ("model/p/a", json!({"providerID": "p", "id": "a"})),
            ("model/p/b", json!({"providerID": "p", "id": "b"})),
            ("notes/by/hand", json!(1)),
            ("session", json!({"id": "s"})),
        ];
        let made = items(entries.iter().map(|(key, value)| (*key, value)));
        let item = |kind: &str, data| Item {
            kind: kind.into(),
            data,
        };
        let models = json!([{"providerID": "p", "id": "a"}, {"providerID": "p", "id": "b"}]);
        assert_eq!(
            made,
            [
                item("message/a", json!("u")),
                item("message", json!({"id": "a/b"})),
                item("model", models),
                item("session", json!({"id": "s"})),
            ]
        );
    }
}
