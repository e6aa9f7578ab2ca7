//! What changed between two values, as appends and one merge patch.
//!
//! RFC 7386 has no word for a member that *is* null (null means "remove"), nor for a part of an
//! array. Where a difference needs either, an array is replaced whole, and a null makes the whole
//! value be put.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use share_model::Mutation;

/// Appends that one item may become; more than this are better put or merged.
const APPENDS_MAX: usize = 64;

/// How serde_json begins the names that it reads as something else than a member when they come
/// first in an object. A value that came whole has them elsewhere, but a patch could begin with one.
const RESERVED: &str = "$serde_json::private::";

/// First the appends, then the patch, bring the old value to the new one.
///
/// The appends come first so that a part says that it is complete only when its text is.
#[derive(Debug)]
pub(super) struct Edits {
    appends: Vec<Append>,
    /// A merge patch that leaves alone what the appends change.
    patch: Option<Value>,
}

#[derive(Debug)]
struct Append {
    pointer: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Text(String),
    Item(Value),
}

/// A merge patch can't say this, or would not be read as it is meant.
struct Inexpressible;

impl Edits {
    /// What changed, growth as appends; `None` if only a put can say it.
    pub(super) fn with_appends(old: &Value, new: &Value) -> Option<Self> {
        Self::new(old, new, APPENDS_MAX)
    }

    /// What changed, all in the patch; `None` if only a put can say it.
    pub(super) fn without_appends(old: &Value, new: &Value) -> Option<Self> {
        Self::new(old, new, 0)
    }

    fn new(old: &Value, new: &Value, appends_max: usize) -> Option<Self> {
        let mut search = Search {
            appends: Vec::new(),
            appends_max,
            pointer: String::new(),
        };
        let patch = search.compare(old, new).ok()?;
        // A patch that is no object replaces the value: that is a put by another name.
        if let Some(patch) = &patch
            && !(patch.is_object() && old.is_object())
        {
            return None;
        }
        Some(Self {
            appends: search.appends,
            patch,
        })
    }

    /// As mutations of `key`; none if nothing changed.
    pub(super) fn into_mutations(self, key: &str) -> Vec<Mutation> {
        let key = || key.to_owned();
        let appends = self.appends.into_iter().map(|Append { pointer, what }| {
            let key = key();
            match what {
                What::Text(text) => Mutation::AppendText {
                    key: key.into(),
                    pointer: pointer.into(),
                    text: text.into(),
                },
                What::Item(item) => Mutation::AppendItem {
                    key: key.into(),
                    pointer: pointer.into(),
                    json: item.to_string().into(),
                },
            }
        });
        let patch = self.patch.iter().map(|patch| Mutation::Merge {
            key: key().into(),
            json: patch.to_string().into(),
        });
        appends.chain(patch).collect()
    }
}

struct Search {
    appends: Vec<Append>,
    appends_max: usize,
    /// RFC 6901, to the value that is being compared.
    pointer: String,
}

impl Search {
    /// The patch that is still needed at this place beside the appends noted; `None` if none.
    fn compare(&mut self, old: &Value, new: &Value) -> Result<Option<Value>, Inexpressible> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => self.compare_members(old, new),
            (Value::Array(old), Value::Array(grown)) => {
                let mark = self.appends.len();
                if self.grew(old, grown) {
                    return Ok(None);
                }
                self.appends.truncate(mark);
                replacement(new)
            }
            (Value::String(old), Value::String(grown)) => match grown.strip_prefix(old.as_str()) {
                Some("") => Ok(None),
                Some(text) if self.append(What::Text(text.to_owned())) => Ok(None),
                _ => replacement(new),
            },
            _ if old == new => Ok(None),
            _ => replacement(new),
        }
    }

    fn compare_members(
        &mut self,
        old: &Map<String, Value>,
        new: &Map<String, Value>,
    ) -> Result<Option<Value>, Inexpressible> {
        let mut names = old.keys().chain(new.keys());
        if names.any(|name| name.starts_with(RESERVED)) {
            return Err(Inexpressible);
        }
        let mut patch = Map::new();
        for name in old.keys().filter(|name| !new.contains_key(*name)) {
            patch.insert(name.clone(), Value::Null);
        }
        for (name, new) in new {
            let change = match old.get(name) {
                None => replacement(new)?,
                Some(old) => {
                    let escaped = name.replace('~', "~0").replace('/', "~1");
                    self.below(&escaped, |search| search.compare(old, new))?
                }
            };
            if let Some(change) = change {
                patch.insert(name.clone(), change);
            }
        }
        Ok((!patch.is_empty()).then_some(Value::Object(patch)))
    }

    /// Whether appends alone lead from `old` to `new`; notes them.
    fn grew(&mut self, old: &[Value], new: &[Value]) -> bool {
        let Some(more) = new.get(old.len()..) else {
            return false;
        };
        let mut token = String::new();
        for (index, (old, new)) in old.iter().zip(new).enumerate() {
            token.clear();
            write!(token, "{index}").expect("a string takes text");
            if !matches!(
                self.below(&token, |search| search.compare(old, new)),
                Ok(None)
            ) {
                return false;
            }
        }
        more.iter()
            .all(|item| self.append(What::Item(item.clone())))
    }

    fn below<T>(&mut self, token: &str, look: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(token);
        let found = look(self);
        self.pointer.truncate(length);
        found
    }

    /// Notes an append at this place, if there is room for one.
    fn append(&mut self, what: What) -> bool {
        let room = self.appends.len() < self.appends_max;
        if room {
            self.appends.push(Append {
                pointer: self.pointer.clone(),
                what,
            });
        }
        room
    }
}

/// `value` as a patch that puts it in the place of something else.
fn replacement(value: &Value) -> Result<Option<Value>, Inexpressible> {
    fn is_lost(value: &Value) -> bool {
        match value {
            Value::Null => true,
            Value::Object(members) => members.values().any(is_lost),
            // An array is taken as it is, with every null in it.
            Value::Array(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        }
    }
    if is_lost(value) {
        return Err(Inexpressible);
    }
    Ok(Some(value.clone()))
}
