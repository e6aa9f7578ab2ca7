//! What a recording says that the document must be: the checker's own reading of
//! `docs/design.md` §4, which shares no code with the converter that it checks.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::recording::{RecordingError, Request, RequestKind};

/// Why nothing can be expected of a recording.
#[derive(Debug, thiserror::Error)]
pub enum ExpectedError {
    /// It can't be read.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// An item names no key.
    #[error("line {line} of the recording: item {index}, a `{kind}`, names no key")]
    NoKey {
        /// Where.
        line: u64,
        /// Which of the sync's items, from 0.
        index: usize,
        /// Its type.
        kind: String,
    },
}

/// The document that the requests lead to: of each identity the last item, of models all that were
/// ever named.
///
/// # Errors
///
/// If a request can't be read, or an item names no key.
pub fn expected(
    requests: impl IntoIterator<Item = Result<Request, RecordingError>>,
) -> Result<BTreeMap<String, Value>, ExpectedError> {
    let mut document = BTreeMap::new();
    for request in requests {
        let Request { line, kind, .. } = request?;
        let RequestKind::Sync { items } = kind else {
            continue;
        };
        for (index, item) in items.into_iter().enumerate() {
            let kind = item.kind.clone();
            let values = match item.data {
                Value::Array(models) if kind == "model" => models,
                data => vec![data],
            };
            for value in values {
                let Some(key) = key(&kind, &value) else {
                    return Err(ExpectedError::NoKey { line, index, kind });
                };
                document.insert(key, value);
            }
        }
    }
    Ok(document)
}

fn key(kind: &str, value: &Value) -> Option<String> {
    let text = |member: &str| Some(escape(value.get(member)?.as_str()?));
    match kind {
        "" => None,
        "session" | "session_diff" => Some(kind.to_owned()),
        "message" => Some(format!("message/{}", text("id")?)),
        "part" => Some(format!("part/{}/{}", text("messageID")?, text("id")?)),
        "model" => Some(format!("model/{}/{}", text("providerID")?, text("id")?)),
        other => Some(match text("id") {
            Some(id) => format!("{}/{id}", escape(other)),
            None => escape(other),
        }),
    }
}

fn escape(segment: &str) -> String {
    let mut escaped = String::new();
    for letter in segment.chars() {
        match letter {
            '%' => escaped += "%25",
            '/' => escaped += "%2F",
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::item::Item;

    #[test]
    fn the_last_item_of_an_identity_wins_and_models_add_up() {
        let sync = |items: Value| {
            let items = items.as_array().unwrap().iter().map(|item| Item {
                kind: item[0].as_str().unwrap().into(),
                data: item[1].clone(),
            });
            Ok(Request {
                line: 1,
                t_ms: 0,
                kind: RequestKind::Sync {
                    items: items.collect(),
                },
            })
        };
        let first = sync(json!([
            ["model", [{"providerID": "p", "id": "a"}]],
            ["part", {"messageID": "m/1", "id": "p%", "text": "hello"}],
            ["session_diff", [1]],
            ["todo", {"id": "t"}],
        ]));
        let second = sync(json!([
            ["model", [{"providerID": "p", "id": "b"}]],
            ["part", {"messageID": "m/1", "id": "p%", "text": ""}],
            ["session_diff", []],
            ["model", []],
        ]));
        let document = expected([first, second]).unwrap();
        let entries: Vec<_> = document.iter().map(|(k, v)| (k.as_str(), v)).collect();
        assert_eq!(
            entries,
            [
                ("model/p/a", &json!({"providerID": "p", "id": "a"})),
                ("model/p/b", &json!({"providerID": "p", "id": "b"})),
                (
                    "part/m%2F1/p%25",
                    &json!({"messageID": "m/1", "id": "p%", "text": ""})
                ),
                ("session_diff", &json!([])),
                ("todo/t", &json!({"id": "t"})),
            ]
        );
        let nameless = expected([sync(json!([["session", {}], ["message", {}]]))]).unwrap_err();
        assert_eq!(
            nameless.to_string(),
            "line 1 of the recording: item 1, a `message`, names no key"
        );
    }
}
