//! The document, slow and obvious: shares no code with the one that is checked.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use share_model::{Limits, Mutation, MutationError};

/// Values with the bytes that they count.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct NaiveDocument {
    values: BTreeMap<String, (Value, u64)>,
}

impl NaiveDocument {
    pub(crate) fn values(&self) -> impl Iterator<Item = (&str, &Value, u64)> {
        self.values
            .iter()
            .map(|(key, (value, bytes))| (key.as_str(), value, *bytes))
    }

    /// A new document with the mutation in it, or the rule that it breaks.
    pub(crate) fn with(&self, mutation: &Mutation, limits: &Limits) -> Result<Self, MutationError> {
        let key = mutation.key();
        let (bytes, max) = (key.len() as u64, u64::from(limits.key_bytes_max));
        if bytes > max {
            return Err(MutationError::KeyTooLong { bytes, max });
        }
        let mut next = self.clone();
        let old = next.values.remove(key);
        let new = match mutation {
            Mutation::Put { json, .. } => Some((read(json, limits)?, json.len() as u64)),
            Mutation::Remove { .. } => {
                old.ok_or(MutationError::KeyAbsent)?;
                None
            }
            Mutation::Merge { json, .. } => {
                let (value, _) = old.ok_or(MutationError::KeyAbsent)?;
                let merged = merged(value, read(json, limits)?);
                let bytes = merged.to_string().len() as u64;
                Some((merged, bytes))
            }
            Mutation::AppendText { pointer, text, .. } => {
                let (mut value, bytes) = old.ok_or(MutationError::KeyAbsent)?;
                match at(&mut value, pointer) {
                    Some(Value::String(string)) => *string += text,
                    Some(_) => return Err(MutationError::NotAString),
                    None => return Err(MutationError::PointerAbsent),
                }
                Some((value, bytes + text.len() as u64))
            }
            Mutation::AppendItem { pointer, json, .. } => {
                let (mut value, bytes) = old.ok_or(MutationError::KeyAbsent)?;
                let item = read(json, limits)?;
                match at(&mut value, pointer) {
                    Some(Value::Array(items)) => items.push(item),
                    Some(_) => return Err(MutationError::NotAnArray),
                    None => return Err(MutationError::PointerAbsent),
                }
                Some((value, bytes + json.len() as u64 + 1))
            }
        };
        if let Some((value, bytes)) = new {
            next.values.insert(key.to_owned(), (value, bytes));
            next.check(bytes, limits)?;
        }
        Ok(next)
    }

    fn check(&self, bytes: u64, limits: &Limits) -> Result<(), MutationError> {
        let max = limits.value_bytes_max;
        if bytes > max {
            return Err(MutationError::ValueTooLarge { bytes, max });
        }
        let sum = |(key, (_, bytes)): (&String, &(Value, u64))| key.len() as u64 + bytes;
        let (bytes, max) = (self.values.iter().map(sum).sum(), limits.document_bytes_max);
        if bytes > max {
            return Err(MutationError::DocumentTooLarge { bytes, max });
        }
        Ok(())
    }
}

fn read(json: &str, limits: &Limits) -> Result<Value, MutationError> {
    let (bytes, max) = (json.len() as u64, limits.value_bytes_max);
    if bytes > max {
        return Err(MutationError::ValueTooLarge { bytes, max });
    }
    serde_json::from_str(json).map_err(|_| MutationError::NotJson)
}

/// RFC 7386.
fn merged(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    let mut object = match target {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            object.shift_remove(&name);
        } else {
            let old = object.get(&name).cloned().unwrap_or(Value::Null);
            object.insert(name, merged(old, value));
        }
    }
    Value::Object(object)
}

/// RFC 6901.
fn at<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Value> {
    let mut at = value;
    for token in pointer.split('/').skip(1) {
        let name = token.replace("~1", "/").replace("~0", "~");
        at = match at {
            Value::Object(object) => object.get_mut(&name)?,
            Value::Array(items) => items.get_mut(name.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(at)
}
