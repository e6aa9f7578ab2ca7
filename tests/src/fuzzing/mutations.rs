//! Mutations of a document, against a document of the checker's own that is slow and obvious.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use share_model::{Document, Limits, Mutation, MutationError, json_depth};

/// Between two ops, and between the fields of one: bytes that are in no text.
const OP_END: u8 = 0xfe;
const FIELD_END: u8 = 0xff;

/// Small enough that a few bytes reach each.
const SMALL: Limits = Limits {
    key_bytes_max: 4,
    value_bytes_max: 96,
    document_bytes_max: 192,
    depth_max: 6,
    ..Limits::DEFAULT
};

/// Applies ops to a document under small limits, or under the default ones if the first byte is odd.
/// What is refused changes nothing, no limit is ever passed, what can be saved comes back, and the
/// values are those of the rules of `docs/design.md` §4.
///
/// # Panics
///
/// If that does not hold.
pub fn mutations(data: &[u8]) {
    let Some((first, ops)) = data.split_first() else {
        return;
    };
    let limits = match first % 2 {
        0 => SMALL,
        _ => Limits::DEFAULT,
    };
    let mut document = Document::default();
    let mut naive = Naive::default();
    for op in ops.split(|byte| *byte == OP_END).take(64) {
        if let Some(mutation) = read(op) {
            step(&mut document, &mut naive, &mutation, &limits);
        }
    }
    check_loading(&document);
}

/// An op of the input: its kind, then its fields.
fn read(op: &[u8]) -> Option<Mutation> {
    let (kind, rest) = op.split_first()?;
    let mut fields = rest.split(|byte| *byte == FIELD_END);
    let mut text = || {
        let field = fields.next().unwrap_or_default();
        str::from_utf8(field).ok().map(Arc::from)
    };
    let key = text()?;
    Some(match kind % 5 {
        0 => Mutation::Put { key, json: text()? },
        1 => Mutation::Merge { key, json: text()? },
        2 => Mutation::AppendText {
            key,
            pointer: text()?,
            text: text()?,
        },
        3 => Mutation::AppendItem {
            key,
            pointer: text()?,
            json: text()?,
        },
        _ => Mutation::Remove { key },
    })
}

fn step(document: &mut Document, naive: &mut Naive, mutation: &Mutation, limits: &Limits) {
    let before = document.clone();
    let saved = document.save(mutation.key());
    let applied = document.apply(mutation, limits);
    match &applied {
        Err(why) => {
            assert_eq!(*document, before, "a refused mutation changed the document");
            assert!(
                naive.agrees(mutation, why),
                "{mutation:?} is refused: {why}"
            );
        }
        Ok(()) => {
            naive.apply(mutation);
            naive.check(document);
            check_limits(document, mutation.key(), limits);
            let mut undone = document.clone();
            undone.restore(mutation.key(), saved);
            assert_eq!(
                undone, before,
                "a change that was taken back left something"
            );
        }
    }
}

fn check_limits(document: &Document, key: &str, limits: &Limits) {
    let bytes = document
        .iter()
        .map(|(key, value)| key.len() as u64 + value.bytes());
    assert_eq!(
        document.bytes(),
        bytes.sum::<u64>(),
        "bytes of the document drifted"
    );
    assert!(document.bytes() <= limits.document_bytes_max);
    assert!(!key.is_empty() && key.len() as u64 <= u64::from(limits.key_bytes_max));
    if let Some(stored) = document.get(key) {
        assert!(stored.bytes() <= limits.value_bytes_max);
        let levels = json_depth(stored.value());
        assert!(levels <= u64::from(limits.depth_max), "{levels} levels");
    }
}

/// Every value is read again as the same one from the text that it is stored as.
fn check_loading(document: &Document) {
    let mut loaded = Document::default();
    for (key, stored) in document.iter() {
        let json = stored.value().to_string();
        let read = loaded.load(key, &json, stored.bytes());
        read.expect("a stored value is read again");
    }
    assert_eq!(loaded, *document);
}

/// The document by the rules alone, without a limit.
#[derive(Default)]
struct Naive(BTreeMap<String, Value>);

impl Naive {
    /// Whether the rules refuse the mutation too; limits are not its own.
    fn agrees(&self, mutation: &Mutation, why: &MutationError) -> bool {
        let value = self.0.get(mutation.key());
        let target = match mutation {
            Mutation::AppendText { pointer, .. } | Mutation::AppendItem { pointer, .. } => {
                value.and_then(|value| find(value, pointer))
            }
            Mutation::Put { .. } | Mutation::Merge { .. } | Mutation::Remove { .. } => value,
        };
        match why {
            MutationError::KeyEmpty => mutation.key().is_empty(),
            MutationError::KeyAbsent => value.is_none(),
            MutationError::PointerAbsent => value.is_some() && target.is_none(),
            MutationError::NotAString => target.is_some_and(|target| !target.is_string()),
            MutationError::NotAnArray => target.is_some_and(|target| !target.is_array()),
            MutationError::NotJson
            | MutationError::KeyTooLong { .. }
            | MutationError::ValueTooLarge { .. }
            | MutationError::DocumentTooLarge { .. }
            | MutationError::TooDeep { .. } => true,
        }
    }

    fn apply(&mut self, mutation: &Mutation) {
        let key = mutation.key();
        match mutation {
            Mutation::Put { json, .. } => {
                self.0.insert(key.to_owned(), value_of(json));
            }
            Mutation::Merge { json, .. } => {
                let old = self.0.remove(key).expect("what is merged is there");
                self.0.insert(key.to_owned(), merged(old, value_of(json)));
            }
            Mutation::AppendText { pointer, text, .. } => {
                let Some(Value::String(string)) = self.find(key, pointer) else {
                    panic!("text was appended where no string is");
                };
                string.push_str(text);
            }
            Mutation::AppendItem { pointer, json, .. } => {
                let item = value_of(json);
                let Some(Value::Array(items)) = self.find(key, pointer) else {
                    panic!("an item was appended where no array is");
                };
                items.push(item);
            }
            Mutation::Remove { .. } => {
                self.0.remove(key).expect("what is removed was there");
            }
        }
    }

    fn find(&mut self, key: &str, pointer: &str) -> Option<&mut Value> {
        let mut value = self.0.get_mut(key)?;
        for token in tokens(pointer)? {
            value = match value {
                Value::Object(members) => members.get_mut(&token)?,
                Value::Array(items) => items.get_mut(place(&token)?)?,
                _ => return None,
            };
        }
        Some(value)
    }

    fn check(&self, document: &Document) {
        let found = document.iter().map(|(key, stored)| (key, stored.value()));
        let expected = self.0.iter().map(|(key, value)| (key.as_str(), value));
        assert!(found.eq(expected), "the document is not what the rules say");
    }
}

/// The value of a text that the document took; its levels are those that the text shows.
fn value_of(json: &str) -> Value {
    let value = serde_json::from_str(json).expect("what was applied is JSON");
    assert_eq!(json_depth(&value), levels(json), "{json}");
    value
}

/// The levels of arrays and objects in a text that is JSON.
fn levels(json: &str) -> u64 {
    let (mut now, mut most) = (0_u64, 0);
    let mut is_in_string = false;
    let mut is_escaped = false;
    for byte in json.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_in_string = !is_in_string,
            b'[' | b'{' if !is_in_string => now += 1,
            b']' | b'}' if !is_in_string => now -= 1,
            _ => {}
        }
        most = most.max(now);
    }
    most
}

/// RFC 7386, in its own words.
fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    let mut members = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            let old = members.remove(&name).unwrap_or(Value::Null);
            members.insert(name, merged(old, value));
        }
    }
    Value::Object(members)
}

/// RFC 6901: nothing, or tokens that each begin with a slash.
fn tokens(pointer: &str) -> Option<Vec<String>> {
    let mut parts = pointer.split('/');
    if !parts.next()?.is_empty() {
        return None;
    }
    let unescaped = |part: &str| part.replace("~1", "/").replace("~0", "~");
    Some(parts.map(unescaped).collect())
}

/// A place in an array: digits, without a zero before others.
fn place(token: &str) -> Option<usize> {
    let is_number = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_digit());
    let has_zero = token.len() > 1 && token.starts_with('0');
    (is_number && !has_zero).then(|| token.parse().ok())?
}

fn find<'a>(value: &'a Value, pointer: &str) -> Option<&'a Value> {
    let mut value = value;
    for token in tokens(pointer)? {
        value = match value {
            Value::Object(members) => members.get(&token)?,
            Value::Array(items) => items.get(place(&token)?)?,
            _ => return None,
        };
    }
    Some(value)
}
