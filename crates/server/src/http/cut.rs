//! From items to the ops of one batch.

use std::collections::{BTreeMap, VecDeque};

use serde_json::Value;
use share_model::{Limits, Mutation, StoredValue};
use share_opencode::{Converter, Item, ItemError};

/// What brings a document to say what the first items say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Cut {
    /// In order; none if it says that already.
    pub(super) mutations: Vec<Mutation>,
    /// How many of the items that are; at least one.
    pub(super) items: usize,
    bytes: u64,
}

/// The keys of so many items, each of one entry, as a batch has room for.
pub(super) fn keys(items: &VecDeque<Item>, limits: &Limits) -> Result<Vec<String>, ItemError> {
    let first = items.iter().take(limits.batch_ops_max as usize);
    let keys = first.map(|item| item.keys(limits));
    Ok(keys.collect::<Result<Vec<_>, _>>()?.concat())
}

/// What stands at the first of the keys, as much of it as may be compared at a time: the first in any
/// case.
pub(super) fn comparable(
    keys: Vec<String>,
    values: Vec<Option<StoredValue>>,
    bytes_max: u64,
) -> (usize, BTreeMap<String, Value>) {
    let mut known = BTreeMap::new();
    let (mut count, mut bytes) = (0, 0);
    for (key, stored) in keys.into_iter().zip(values) {
        if let Some(stored) = stored
            && !known.contains_key(&key)
        {
            bytes += stored.bytes();
            if bytes > bytes_max && count > 0 {
                break;
            }
            known.insert(key, stored.value().clone());
        }
        count += 1;
    }
    (count, known)
}

impl Cut {
    /// The first of `items`, each of one entry, onto what is `known` of their keys: as many as one batch
    /// takes, each whole.
    pub(super) fn of<'a>(
        items: impl Iterator<Item = &'a Item>,
        known: BTreeMap<String, Value>,
        limits: &Limits,
    ) -> Result<Self, ItemError> {
        let mut converter = Converter::from_values(known, *limits);
        let mut cut = Self::default();
        for item in items {
            let mut mutations = converter.convert_guarded(item.clone())?;
            if !fits(mutations.len(), bytes_of(&mutations), limits) {
                mutations = vec![whole(item, limits)?];
            }
            let (count, bytes) = (mutations.len(), bytes_of(&mutations));
            let is_full = !fits(cut.mutations.len() + count, cut.bytes + bytes, limits);
            if is_full && cut.items > 0 {
                break;
            }
            cut.mutations.extend(mutations);
            cut.bytes += bytes;
            cut.items += 1;
        }
        Ok(cut)
    }
}

fn fits(ops: usize, bytes: u64, limits: &Limits) -> bool {
    ops <= limits.batch_ops_max as usize && bytes <= limits.batch_bytes_max
}

/// The item's one entry, put whole.
fn whole(item: &Item, limits: &Limits) -> Result<Mutation, ItemError> {
    let entries = item.clone().into_entries(limits)?;
    let entry = entries.into_iter().next();
    let (key, value) = entry.expect("an item that changes something has an entry");
    let json = value.to_string();
    Ok(Mutation::Put {
        key: key.into(),
        json: json.into(),
    })
}

fn bytes_of(mutations: &[Mutation]) -> u64 {
    mutations
        .iter()
        .map(|mutation| mutation.bytes() as u64)
        .sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(id: &str, data: &Value) -> Item {
        let kind = "todo".to_owned();
        let data = json!({"id": id, "data": data});
        Item { kind, data }
    }

    fn limits(ops: u32, bytes: u64) -> Limits {
        Limits {
            batch_ops_max: ops,
            batch_bytes_max: bytes,
            ..Limits::DEFAULT
        }
    }

    fn stored(items: &[Item], limits: &Limits) -> BTreeMap<String, Value> {
        let entries = items.iter().cloned().map(|item| item.into_entries(limits));
        entries.flat_map(Result::unwrap).collect()
    }

    #[test]
    fn a_batch_takes_as_many_whole_items_as_it_has_room_for_and_one_in_any_case() {
        // `todo/a` and `{"id":"a","data":1}`: 6 + 19 bytes.
        let items = ["a", "b", "c"].map(|id| item(id, &json!(1)));
        let cut = |ops, bytes| {
            let cut = Cut::of(items.iter(), BTreeMap::new(), &limits(ops, bytes)).unwrap();
            (cut.items, cut.mutations.len())
        };
        assert_eq!(cut(3, 75), (3, 3));
        assert_eq!(cut(2, 75), (2, 2));
        assert_eq!(cut(3, 74), (2, 2));
        assert_eq!(cut(3, 10), (1, 1));
    }

    #[test]
    fn what_the_document_says_already_takes_no_op_and_is_done() {
        let limits = limits(1, 1000);
        let items = ["a", "b", "c"].map(|id| item(id, &json!(1)));
        let known = stored(&items[..2], &limits);
        let cut = Cut::of(items.iter(), known, &limits).unwrap();
        assert_eq!((cut.items, cut.mutations.len()), (3, 1));
    }

    #[test]
    fn an_item_of_more_changes_than_a_batch_takes_is_put_whole() {
        let list = |count: usize| json!(vec!["x".repeat(200); count]);
        let (short, long) = (item("a", &list(10)), item("a", &list(14)));
        let appended = |limits: &Limits| {
            let known = stored(std::slice::from_ref(&short), limits);
            Cut::of([&long].into_iter(), known, limits)
                .unwrap()
                .mutations
        };
        assert_eq!(appended(&limits(4, 1 << 20)).len(), 4);
        let whole = appended(&limits(3, 1 << 20));
        assert!(matches!(&whole[..], [Mutation::Put { key, .. }] if **key == *"todo/a"));
    }

    #[test]
    fn values_are_compared_up_to_a_bound_and_one_in_any_case() {
        let mut document = share_model::Document::default();
        for key in ["a", "b", "c"] {
            let (key, json) = (key.to_owned(), "\"12345678\"".to_owned());
            let put = Mutation::Put {
                key: key.into(),
                json: json.into(),
            };
            document.apply(&put, &Limits::DEFAULT).unwrap();
        }
        let known = |keys: &[&str], bytes_max| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let values = keys.iter().map(|key| document.get(key).cloned()).collect();
            let (count, known) = comparable(keys, values, bytes_max);
            (count, known.len())
        };
        assert_eq!(known(&["a", "b", "c"], 30), (3, 3));
        assert_eq!(known(&["a", "b", "c"], 29), (2, 2));
        assert_eq!(known(&["a", "b", "c"], 1), (1, 1));
        // What is absent, or named again, costs nothing.
        assert_eq!(known(&["a", "z", "a", "b"], 20), (4, 2));
    }
}
