//! What events say beside items: text that grew, and what is gone.

use serde_json::Value;

use share_model::Mutation;

use super::Converter;
use crate::check::check_value;
use crate::event::{Delta, keys_of_message};
use crate::item::{ItemError, part_key};

/// What came of text that grew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Growth {
    /// It is to be appended.
    Appended(Mutation),
    /// It is there already.
    Known,
    /// What stands there is not known, or is something else than what grew: the whole part is
    /// wanted.
    Unknown,
}

impl Converter {
    /// Appends what is new of `delta`, if what stands there is what grew.
    ///
    /// # Errors
    ///
    /// If the value would have no place in a document; the converter is then as before.
    pub fn grow(&mut self, delta: &Delta) -> Result<Growth, ItemError> {
        let key = delta.key();
        let Some(part) = self.values.get_mut(&key) else {
            return Ok(Growth::Unknown);
        };
        let has_ended = part.pointer("/time/end").is_some_and(|end| !end.is_null());
        let Some(Value::String(stands)) = part.get_mut(&delta.field) else {
            return Ok(Growth::Unknown);
        };
        let behind = usize::try_from(delta.at)
            .ok()
            .and_then(|at| stands.get(at..));
        let new = match behind {
            // The text of an ended part is final.
            _ if has_ended => return Ok(Growth::Known),
            Some(behind) if behind.starts_with(delta.text.as_str()) => return Ok(Growth::Known),
            Some(behind) => delta.text.strip_prefix(behind),
            None => None,
        };
        let Some(new) = new else {
            return Ok(Growth::Unknown);
        };
        let before = stands.len();
        stands.push_str(new);
        if let Err(error) = check_value(&key, part, &self.limits) {
            if let Some(Value::String(stands)) = part.get_mut(&delta.field) {
                stands.truncate(before);
            }
            return Err(error);
        }
        Ok(Growth::Appended(Mutation::AppendText {
            key: key.into(),
            pointer: pointer(&delta.field).into(),
            text: new.into(),
        }))
    }

    /// The mutations after which a message is gone, with those of its parts that the converter knows.
    pub fn remove_message(&mut self, message: &str) -> Vec<Mutation> {
        let (key, parts) = keys_of_message(message);
        let known = self.values.range(parts.clone()..);
        let mut keys: Vec<String> = known
            .map(|(key, _)| key.clone())
            .take_while(|key| key.starts_with(&parts))
            .collect();
        keys.push(key);
        keys.into_iter().flat_map(|key| self.remove(key)).collect()
    }

    /// The mutations after which a part is gone.
    pub fn remove_part(&mut self, message: &str, part: &str) -> Vec<Mutation> {
        self.remove(part_key(message, part))
    }

    /// What is not known may stand there all the same. Only what stands there can be removed, so it
    /// is put first.
    fn remove(&mut self, key: String) -> Vec<Mutation> {
        let put = match self.values.remove(&key) {
            Some(_) => None,
            None => Some(super::put(&key, &Value::Null)),
        };
        let remove = Mutation::Remove { key: key.into() };
        put.into_iter().chain([remove]).collect()
    }
}

/// RFC 6901, to a member.
fn pointer(member: &str) -> String {
    format!("/{}", member.replace('~', "~0").replace('/', "~1"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use share_model::Limits;

    use super::*;

    const KEY: &str = "part/m/p";

    fn delta(at: u64, text: &str) -> Delta {
        Delta {
            message: "m".into(),
            part: "p".into(),
            field: "text".into(),
            at,
            text: text.into(),
        }
    }

    fn at(value: Value) -> Converter {
        Converter::from_values([(KEY.to_owned(), value)], Limits::DEFAULT)
    }

    fn append(text: &str) -> Growth {
        Growth::Appended(Mutation::AppendText {
            key: KEY.into(),
            pointer: "/text".into(),
            text: text.into(),
        })
    }

    #[test]
    fn what_is_new_of_a_delta_is_appended_and_nothing_twice() {
        let mut converter = at(json!({"text": "ü", "time": {"start": 1}}));
        for (delta, expected) in [
            (delta(2, "ab"), append("ab")),
            (delta(2, "ab"), Growth::Known),
            (delta(0, "üa"), Growth::Known),
            (delta(3, "bc"), append("c")),
            (delta(9, "x"), Growth::Unknown),
            (delta(1, "x"), Growth::Unknown),
            (delta(2, "x"), Growth::Unknown),
        ] {
            assert_eq!(converter.grow(&delta).unwrap(), expected, "{delta:?}");
        }
        assert_eq!(converter.value(KEY).unwrap()["text"], "üabc");
    }

    #[test]
    fn an_ended_text_does_not_grow_and_what_is_no_text_is_wanted_whole() {
        let ended = json!({"text": "a", "time": {"end": 2}});
        assert_eq!(at(ended).grow(&delta(1, "b")).unwrap(), Growth::Known);
        for value in [json!({}), json!({"text": 1}), json!([])] {
            assert_eq!(at(value).grow(&delta(0, "b")).unwrap(), Growth::Unknown);
        }
        let mut nothing = Converter::default();
        assert_eq!(nothing.grow(&delta(0, "b")).unwrap(), Growth::Unknown);
    }

    #[test]
    fn a_value_that_would_grow_past_its_limit_stays_as_it_is() {
        let limits = Limits {
            value_bytes_max: 14,
            ..Limits::DEFAULT
        };
        let value = json!({"text": "ab"});
        let mut converter = Converter::from_values([(KEY.to_owned(), value)], limits);
        assert_eq!(converter.grow(&delta(2, "c")).unwrap(), append("c"));
        let error = converter.grow(&delta(3, "d")).unwrap_err();
        assert!(
            matches!(error, ItemError::ValueTooLarge { bytes: 15, .. }),
            "{error}"
        );
        assert_eq!(converter.value(KEY).unwrap()["text"], "abc");
    }

    #[test]
    fn a_removed_message_takes_its_parts_along_and_no_other_ones() {
        let keys = [
            "message/m",
            "message/n",
            "part/m/a",
            "part/m/b",
            "part/mm/a",
            "part/n/a",
        ];
        let values = keys.map(|key| (key.to_owned(), json!({})));
        let mut converter = Converter::from_values(values, Limits::DEFAULT);
        let remove = |key: &str| Mutation::Remove { key: key.into() };
        let gone = ["part/m/a", "part/m/b", "message/m"].map(remove);
        assert_eq!(converter.remove_message("m"), gone);
        // It may stand there, as far as anybody knows here.
        let put = Mutation::Put {
            key: "message/m".into(),
            json: "null".into(),
        };
        assert_eq!(converter.remove_message("m"), [put, remove("message/m")]);
        assert_eq!(converter.remove_part("n", "a"), [remove("part/n/a")]);
        assert_eq!(converter.into_values().len(), 2);
    }
}
