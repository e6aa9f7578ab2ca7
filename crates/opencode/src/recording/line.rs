//! One line of a recording.
//!
//! Nothing here repeats what a line says, only where and what kind of thing it should be: lines
//! carry secrets.

use serde_json::{Map, Value};

use super::RequestKind;
use crate::item::Item;

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformation {
    /// It is not JSON, or not JSON that can be kept: a lone surrogate is no text.
    #[error("not JSON that can be read, at byte {column}: {why}")]
    NotJson {
        /// Where in the line, from 1.
        column: usize,
        /// In the JSON reader's words.
        why: String,
    },
    /// It is JSON, but no object.
    #[error("not a JSON object")]
    NotAnObject,
    /// A member is missing or is of another type.
    #[error("`{member}` is not {expected}")]
    Member {
        /// Which.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// An item of a sync is no item.
    #[error("item {index} of `body.data` is not an object with a string `type` and with `data`")]
    Item {
        /// Which, from 0.
        index: usize,
    },
}

/// A request, and the share that a sync goes to.
pub(super) struct Line {
    pub(super) t_ms: u64,
    pub(super) kind: RequestKind,
    pub(super) share: Option<String>,
}

pub(super) fn read(line: &[u8]) -> Result<Line, Malformation> {
    let line = serde_json::from_slice(line).map_err(|error| {
        let why = error.to_string();
        // The reader's own "at line 1" would be taken for a line of the recording.
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        Malformation::NotJson {
            column: error.column(),
            why,
        }
    })?;
    let Value::Object(mut line) = line else {
        return Err(Malformation::NotAnObject);
    };
    let t_ms = line.get("t_ms").and_then(Value::as_u64);
    let t_ms = t_ms.ok_or(member("t_ms", "a whole number of milliseconds"))?;
    let method = string(&mut line, "method", "method")?;
    let path = string(&mut line, "path", "path")?;
    let body = match line.remove("body") {
        Some(Value::Object(body)) => body,
        _ => Map::new(),
    };
    let (kind, share) = request(&method, &path, body)?;
    Ok(Line { t_ms, kind, share })
}

fn request(
    method: &str,
    path: &str,
    mut body: Map<String, Value>,
) -> Result<(RequestKind, Option<String>), Malformation> {
    let path = path.split('?').next().unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    Ok(match (method, &segments[..]) {
        ("POST", ["", "api", "share" | "shares"]) => {
            let session = string(&mut body, "sessionID", "body.sessionID")?;
            (RequestKind::Create { session }, None)
        }
        ("POST", ["", "api", "share" | "shares", share, "sync"]) => {
            let Some(Value::Array(data)) = body.remove("data") else {
                return Err(member("body.data", "an array of items"));
            };
            let items = data.into_iter().enumerate();
            let items = items
                .map(|(index, data)| item(data).ok_or(Malformation::Item { index }))
                .collect::<Result<_, _>>()?;
            (RequestKind::Sync { items }, Some((*share).to_owned()))
        }
        ("DELETE", ["", "api", "share" | "shares", _]) => (RequestKind::Delete, None),
        _ => (RequestKind::Other, None),
    })
}

fn item(item: Value) -> Option<Item> {
    let Value::Object(mut item) = item else {
        return None;
    };
    let Some(Value::String(kind)) = item.remove("type") else {
        return None;
    };
    let data = item.remove("data")?;
    Some(Item { kind, data })
}

fn string(
    of: &mut Map<String, Value>,
    name: &str,
    place: &'static str,
) -> Result<String, Malformation> {
    match of.remove(name) {
        Some(Value::String(text)) => Ok(text),
        _ => Err(member(place, "a string")),
    }
}

fn member(member: &'static str, expected: &'static str) -> Malformation {
    Malformation::Member { member, expected }
}
