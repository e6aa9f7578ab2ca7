//! The document of a share and the algebra of its mutations (`docs/design.md` §4).

mod stored;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::json::{JsonLook, Look, json_bytes, json_depth};
use crate::limits::Limits;
use crate::op::Mutation;
use crate::planted;

use stored::Content;
pub use stored::StoredValue;

/// An ordered map from key to JSON value.
///
/// Values are shared between clones, and copied only when one of them changes: a clone is a
/// snapshot that costs its keys, not its contents.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Document {
    values: BTreeMap<Arc<str>, StoredValue>,
    /// Sum over all entries of the key's and the value's bytes; at most `document_bytes_max`.
    bytes: u64,
}

/// The rule of `docs/design.md` §4 that a mutation breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum MutationError {
    // The order of the variants is persisted: keep stable.
    /// The value is not JSON, or JSON that is nested too deeply to be read.
    #[error("the value is not JSON that can be read")]
    NotJson,
    /// The key is empty.
    #[error("the key is empty")]
    KeyEmpty,
    /// The key is too long.
    #[error("keyTooLong: the key has {bytes} bytes, limit is {max}")]
    KeyTooLong {
        /// How long it is.
        bytes: u64,
        /// How long it may be.
        max: u64,
    },
    /// The key is not in the document.
    #[error("the key is not in the document")]
    KeyAbsent,
    /// The pointer is no JSON Pointer, or names nothing.
    #[error("the pointer names nothing in the value")]
    PointerAbsent,
    /// The pointer names something that is not a string.
    #[error("the pointer does not name a string")]
    NotAString,
    /// The pointer names something that is not an array.
    #[error("the pointer does not name an array")]
    NotAnArray,
    /// The value would be too large.
    #[error("valueTooLarge: the value would have {bytes} bytes, limit is {max}")]
    ValueTooLarge {
        /// How large it would be.
        bytes: u64,
        /// How large it may be.
        max: u64,
    },
    /// The document would be too large.
    #[error("documentTooLarge: the document would have {bytes} bytes, limit is {max}")]
    DocumentTooLarge {
        /// How large it would be.
        bytes: u64,
        /// How large it may be.
        max: u64,
    },
    /// The value would be nested too deeply.
    #[error("tooDeep: the value would have {levels} levels, limit is {max}")]
    TooDeep {
        /// How deep it would be.
        levels: u64,
        /// How deep it may be.
        max: u64,
    },
}

impl Document {
    /// The value at `key`.
    pub fn get(&self, key: &str) -> Option<&StoredValue> {
        self.values.get(key)
    }

    /// All entries, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &StoredValue)> {
        self.values.iter().map(|(key, value)| (&**key, value))
    }

    /// The entries whose keys come after `key`, in order.
    pub fn iter_after(&self, key: &str) -> impl Iterator<Item = (&str, &StoredValue)> {
        use std::ops::Bound::{Excluded, Unbounded};
        self.values
            .range::<str, _>((Excluded(key), Unbounded))
            .map(|(key, value)| (&**key, value))
    }

    /// The entries from the key `key` on, in order.
    pub fn iter_from<'d>(
        &'d self,
        key: &str,
    ) -> impl Iterator<Item = (&'d str, &'d StoredValue)> + use<'d> {
        use std::ops::Bound::{Included, Unbounded};
        self.values
            .range::<str, _>((Included(key), Unbounded))
            .map(|(key, value)| (&**key, value))
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// What the document counts against its limit.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Changes the document by `mutation`, or leaves it as it was.
    ///
    /// # Errors
    ///
    /// The rule that the mutation breaks.
    pub fn apply(&mut self, mutation: &Mutation, limits: &Limits) -> Result<(), MutationError> {
        self.apply_looked(mutation, mutation.look(), limits)
    }

    /// As [`Document::apply`], for a mutation that was looked at before, by whoever had the time.
    ///
    /// # Errors
    ///
    /// The rule that the mutation breaks.
    pub fn apply_looked(
        &mut self,
        mutation: &Mutation,
        look: JsonLook,
        limits: &Limits,
    ) -> Result<(), MutationError> {
        if look.0 == Look::Reserved {
            return Err(MutationError::NotJson);
        }
        self.change(mutation, look.0, limits)
    }

    /// As [`Document::apply`], for what was applied before, maybe by an earlier version: it is read as
    /// it was read then.
    ///
    /// # Errors
    ///
    /// The rule that the mutation breaks.
    pub fn apply_again(
        &mut self,
        mutation: &Mutation,
        limits: &Limits,
    ) -> Result<(), MutationError> {
        let look = match mutation.look().0 {
            Look::Reserved => Look::Unread,
            look => look,
        };
        self.change(mutation, look, limits)
    }

    fn change(
        &mut self,
        mutation: &Mutation,
        look: Look,
        limits: &Limits,
    ) -> Result<(), MutationError> {
        let key = mutation.shared_key();
        check_key(key, limits)?;
        if let Mutation::Remove { .. } = mutation {
            let old = self.values.remove(&**key).ok_or(MutationError::KeyAbsent)?;
            self.bytes -= key.len() as u64 + old.bytes;
            return Ok(());
        }
        let old_bytes = self.values.get(&**key).map(|old| old.bytes);
        if old_bytes.is_none() && !matches!(mutation, Mutation::Put { .. }) {
            return Err(MutationError::KeyAbsent);
        }
        let change = Change::read(mutation, look, limits)?;
        let key_bytes = if old_bytes.is_none() {
            key.len() as u64
        } else {
            0
        };
        let room = Room {
            limits,
            // What the rest of the document leaves for this value.
            others: self.bytes - old_bytes.unwrap_or(0) + key_bytes,
        };
        let bytes = match (self.values.get_mut(&**key), change) {
            (old, Change::Put(content, bytes)) => {
                room.check(bytes)?;
                let stored = StoredValue { content, bytes };
                match old {
                    Some(old) => *old = stored,
                    None => drop(self.values.insert(Arc::clone(key), stored)),
                }
                bytes
            }
            (Some(old), change) => {
                old.change(change, &room)?;
                old.bytes
            }
            (None, _) => return Err(MutationError::KeyAbsent),
        };
        self.bytes = room.others + bytes;
        Ok(())
    }

    /// What stands at `key` now, to be given to [`Document::restore`] if the change is taken back.
    pub fn save(&self, key: &str) -> Option<StoredValue> {
        self.values.get(key).cloned()
    }

    /// Puts back what [`Document::save`] returned.
    pub fn restore(&mut self, key: &str, saved: Option<StoredValue>) {
        let key_bytes = key.len() as u64;
        let now = match saved {
            Some(saved) => {
                self.bytes += key_bytes + saved.bytes;
                self.values.insert(key.into(), saved)
            }
            None => self.values.remove(key),
        };
        if let Some(now) = now {
            self.bytes -= key_bytes + now.bytes;
        }
    }

    /// Puts in an entry that was stored before, with what it counted then.
    ///
    /// # Errors
    ///
    /// If `json` can't be read.
    pub fn load(&mut self, key: &str, json: &str, bytes: u64) -> Result<(), serde_json::Error> {
        let content = match Look::at(json) {
            Look::Levels(_) => Content::text(json.into()),
            // What an earlier version took for a value is one; an error says where it is.
            Look::Reserved | Look::Malformed | Look::Unread => {
                Content::Value(Arc::new(serde_json::from_str(json)?))
            }
        };
        self.restore(key, Some(StoredValue { content, bytes }));
        Ok(())
    }
}

/// A mutation whose JSON was read.
enum Change<'a> {
    Put(Content, u64),
    Merge(Value),
    AppendText {
        pointer: &'a str,
        text: &'a str,
    },
    AppendItem {
        pointer: &'a str,
        item: Value,
        bytes: u64,
    },
}

impl<'a> Change<'a> {
    fn read(mutation: &'a Mutation, look: Look, limits: &Limits) -> Result<Self, MutationError> {
        Ok(match mutation {
            Mutation::Put { json, .. } => {
                Self::Put(put_content(json, look, limits)?, json.len() as u64)
            }
            Mutation::Merge { json, .. } => Self::Merge(read_json(json, limits)?),
            Mutation::AppendText { pointer, text, .. } => Self::AppendText { pointer, text },
            Mutation::AppendItem { pointer, json, .. } => Self::AppendItem {
                pointer,
                item: read_json(json, limits)?,
                // The comma before it counts.
                bytes: json.len() as u64 + 1,
            },
            Mutation::Remove { .. } => unreachable!("`change` removes before it reads one"),
        })
    }
}

/// How much a value may grow.
struct Room<'a> {
    limits: &'a Limits,
    /// Bytes of the document without the value.
    others: u64,
}

impl Room<'_> {
    fn check(&self, bytes: u64) -> Result<(), MutationError> {
        let max = self.limits.value_bytes_max;
        if bytes > max {
            return Err(MutationError::ValueTooLarge { bytes, max });
        }
        let (bytes, max) = (
            self.others.saturating_add(bytes),
            self.limits.document_bytes_max,
        );
        if bytes > max {
            return Err(MutationError::DocumentTooLarge { bytes, max });
        }
        Ok(())
    }
}

impl StoredValue {
    fn change(&mut self, change: Change<'_>, room: &Room<'_>) -> Result<(), MutationError> {
        match change {
            Change::Put(..) => unreachable!("`Document::change` replaces values itself"),
            Change::Merge(patch) => {
                let mut merged = self.value().clone();
                match (&mut merged, &patch) {
                    (Value::Object(old), Value::Object(new)) if planted!("merge-shallow") => {
                        old.extend(new.clone());
                    }
                    _ => json_patch::merge(&mut merged, &patch),
                }
                let bytes = json_bytes(&merged);
                room.check(bytes)?;
                *self = Self {
                    content: Content::Value(Arc::new(merged)),
                    bytes,
                };
            }
            Change::AppendText { pointer, text } => {
                let bytes = self.bytes.saturating_add(text.len() as u64);
                match self.value().pointer(pointer) {
                    None => return Err(MutationError::PointerAbsent),
                    Some(Value::String(_)) => room.check(bytes)?,
                    Some(_) => return Err(MutationError::NotAString),
                }
                if let Some(Value::String(string)) = self.value_mut().pointer_mut(pointer) {
                    string.push_str(text);
                }
                self.bytes = bytes;
            }
            Change::AppendItem {
                pointer,
                item,
                bytes,
            } => {
                let bytes = self.bytes.saturating_add(bytes);
                match self.value().pointer(pointer) {
                    None => return Err(MutationError::PointerAbsent),
                    Some(Value::Array(_)) => room.check(bytes)?,
                    Some(_) => return Err(MutationError::NotAnArray),
                }
                // The array itself is one level, and stands one level below each token.
                let above = pointer.matches('/').count() as u64 + 1;
                check_depth(above + json_depth(&item), room.limits)?;
                if let Some(Value::Array(items)) = self.value_mut().pointer_mut(pointer) {
                    items.push(item);
                }
                self.bytes = bytes;
            }
        }
        Ok(())
    }
}

fn check_key(key: &str, limits: &Limits) -> Result<(), MutationError> {
    if key.is_empty() {
        return Err(MutationError::KeyEmpty);
    }
    let (bytes, max) = (key.len() as u64, u64::from(limits.key_bytes_max));
    if bytes > max {
        return Err(MutationError::KeyTooLong { bytes, max });
    }
    Ok(())
}

/// What a put stores: the text, if a look has told that it can be read whenever somebody wants to.
fn put_content(json: &Arc<str>, look: Look, limits: &Limits) -> Result<Content, MutationError> {
    check_json_bytes(json, limits)?;
    match look {
        Look::Levels(levels) if check_depth(levels, limits).is_ok() => {
            Ok(Content::text(Arc::clone(json)))
        }
        Look::Malformed => Err(MutationError::NotJson),
        // A look may count a level too many.
        Look::Levels(_) | Look::Unread | Look::Reserved => {
            read_json(json, limits).map(|value| Content::Value(Arc::new(value)))
        }
    }
}

fn check_json_bytes(json: &str, limits: &Limits) -> Result<(), MutationError> {
    let (bytes, max) = (json.len() as u64, limits.value_bytes_max);
    match bytes > max {
        true => Err(MutationError::ValueTooLarge { bytes, max }),
        false => Ok(()),
    }
}

fn read_json(json: &str, limits: &Limits) -> Result<Value, MutationError> {
    check_json_bytes(json, limits)?;
    // Reading refuses more than 127 levels, so that measuring does not run deep.
    let value = serde_json::from_str(json).map_err(|_| MutationError::NotJson)?;
    check_depth(json_depth(&value), limits)?;
    Ok(value)
}

fn check_depth(levels: u64, limits: &Limits) -> Result<(), MutationError> {
    let max = u64::from(limits.depth_max);
    if levels > max {
        return Err(MutationError::TooDeep { levels, max });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
