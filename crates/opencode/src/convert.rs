//! Items as the smallest mutations that bring a document to say the same.

mod edits;
mod growth;

use std::collections::BTreeMap;

use serde_json::Value;

use share_model::{Document, Limits, Mutation};

use crate::check::check_value;
use crate::guard::is_older;
use crate::item::{Item, ItemError};
use edits::Edits;

pub use growth::Growth;

/// What an op costs beside its mutation: ids, fingerprint, framing, its part of the ack. Many small
/// items are not better appended one by one than merged together.
const OP_BYTES: usize = 64;

/// How much smaller than a put a plan with a merge must be: a put carries its whole meaning, a
/// merge only together with what stood there.
const MERGE_GAIN: usize = 2;

/// Turns items into mutations. Holds the last value of each key, which is what the document says
/// once all mutations returned so far are applied.
///
/// ```
/// use share_opencode::{Converter, Item};
/// use share_model::Mutation;
///
/// let mut converter = Converter::default();
/// let part = |text: &str| Item {
///     kind: "part".into(),
///     data: serde_json::json!({"id": "prt_1", "messageID": "msg_1", "text": text}),
/// };
/// converter.convert(part("hel"))?;
/// assert_eq!(
///     converter.convert(part("hello"))?,
///     [Mutation::AppendText {
///         key: "part/msg_1/prt_1".into(),
///         pointer: "/text".into(),
///         text: "lo".into(),
///     }]
/// );
/// # Ok::<(), share_opencode::ItemError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Converter {
    /// What stands at each key that an item named, or the document had.
    values: BTreeMap<String, Value>,
    limits: Limits,
}

impl Converter {
    /// For an empty document, under a share's limits.
    pub fn new(limits: Limits) -> Self {
        Self {
            values: BTreeMap::new(),
            limits,
        }
    }

    /// Goes on from `document`, as it will be once every op already enqueued is applied.
    pub fn from_document(document: &Document, limits: Limits) -> Self {
        let values = document
            .iter()
            .map(|(key, stored)| (key.to_owned(), stored.value().clone()))
            .collect();
        Self { values, limits }
    }

    /// Goes on from what stands at some keys, all else being absent: for whoever converts items
    /// of which it knows the keys ([`Item::keys`]).
    pub fn from_values(values: impl IntoIterator<Item = (String, Value)>, limits: Limits) -> Self {
        let values = values.into_iter().collect();
        Self { values, limits }
    }

    /// What stands at `key`, once every mutation returned so far is applied.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.values.get(key)
    }

    /// What stands at each key, in the order of the keys.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.values.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// What stands at each key, once every mutation returned so far is applied.
    pub fn into_values(self) -> BTreeMap<String, Value> {
        self.values
    }

    /// The mutations, in order, after which the document says what `item` says; none if it does
    /// already. Their JSON is compact.
    ///
    /// Text that grew is appended, as are items at the end of an array; a few changed members are
    /// merged; all else is put whole. Nothing is ever removed: `model` lists add to the models
    /// known, and opencode does not say when messages or parts go.
    ///
    /// # Errors
    ///
    /// If the item has no place in a document; the converter is then as before.
    pub fn convert(&mut self, item: Item) -> Result<Vec<Mutation>, ItemError> {
        self.convert_unless(item, |_, _, _| false)
    }

    /// Like [`convert`](Self::convert), of what `item` says that is not older than what stands there
    /// ([`is_older`]): for items whose order of arrival says nothing.
    ///
    /// # Errors
    ///
    /// If the item has no place in a document; the converter is then as before.
    pub fn convert_guarded(&mut self, item: Item) -> Result<Vec<Mutation>, ItemError> {
        self.convert_unless(item, is_older)
    }

    /// Leaves an entry out where `is_left_out` says so of its key, what stands there and what comes.
    fn convert_unless(
        &mut self,
        item: Item,
        is_left_out: impl Fn(&str, &Value, &Value) -> bool,
    ) -> Result<Vec<Mutation>, ItemError> {
        let entries = item.into_entries(&self.limits)?;
        for (key, value) in &entries {
            check_value(key, value, &self.limits)?;
        }
        let mut mutations = Vec::new();
        for (key, value) in entries {
            match self.values.get_mut(&key) {
                Some(old) if is_left_out(&key, old, &value) => {}
                Some(old) => {
                    mutations.extend(smallest(&key, old, &value));
                    *old = value;
                }
                None => {
                    mutations.push(put(&key, &value));
                    self.values.insert(key, value);
                }
            }
        }
        Ok(mutations)
    }
}

fn put(key: &str, value: &Value) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: value.to_string().into(),
    }
}

/// A cheap way from `old` to `new`. Text that grew is appended, unless a put has fewer bytes: whoever
/// watches sees it grow. Beside that, the cheapest way.
fn smallest(key: &str, old: &Value, new: &Value) -> Vec<Mutation> {
    let put = vec![put(key, new)];
    let Some(edits) = Edits::with_appends(old, new) else {
        return put;
    };
    let mut best = edits.into_mutations(key);
    let is_text = |op: &Mutation| matches!(op, Mutation::AppendText { .. });
    if best.is_empty() || best.iter().any(is_text) && bytes(&best) <= bytes(&put) {
        return best;
    }
    if best.len() > 1
        && let Some(edits) = Edits::without_appends(old, new)
    {
        let merge = edits.into_mutations(key);
        if cost(&merge) < cost(&best) {
            best = merge;
        }
    }
    let is_merge = |op: &Mutation| matches!(op, Mutation::Merge { .. });
    let gain = if best.iter().any(is_merge) {
        MERGE_GAIN
    } else {
        1
    };
    if cost(&best).saturating_mul(gain) <= cost(&put) {
        best
    } else {
        put
    }
}

fn bytes(mutations: &[Mutation]) -> usize {
    mutations.iter().map(Mutation::bytes).sum()
}

fn cost(mutations: &[Mutation]) -> usize {
    bytes(mutations) + mutations.len() * OP_BYTES
}

#[cfg(test)]
mod tests;
