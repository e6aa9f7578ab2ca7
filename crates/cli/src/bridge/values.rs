//! What each share says, as far as the bridge remembers: in memory only, and bounded. What is not
//! remembered is put whole the next time, which needs nothing of what stands there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use share_model::{Limits, Mutation, ShareId, json_bytes};
use share_opencode::{Converter, Item, ItemError};

/// The values of all shares.
#[derive(Debug)]
pub(super) struct Values {
    bytes_max: u64,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    shares: BTreeMap<ShareId, Said>,
    /// Counts syncs, to tell which share's is longest ago.
    turn: u64,
    /// Counts what was forgotten: values that were taken before are not put back.
    forgotten: u64,
}

#[derive(Debug)]
struct Said {
    values: BTreeMap<String, Value>,
    bytes: u64,
    turn: u64,
}

/// The values of one share, while its items are converted. Dropped, they are forgotten.
#[derive(Debug)]
pub(super) struct TakenValues {
    share: ShareId,
    forgotten: u64,
    bytes: u64,
    converter: Converter,
}

impl Values {
    pub(super) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            known: Mutex::default(),
        }
    }

    /// Takes what is known of a share.
    pub(super) fn take(&self, share: ShareId) -> TakenValues {
        let mut known = self.known();
        let said = known.shares.remove(&share);
        let (values, bytes) = said
            .map(|said| (said.values, said.bytes))
            .unwrap_or_default();
        TakenValues {
            share,
            forgotten: known.forgotten,
            bytes,
            converter: Converter::from_values(values, Limits::DEFAULT),
        }
    }

    /// Remembers what a share says, now that every mutation of the converter is in the outbox.
    pub(super) fn put_back(&self, taken: TakenValues) {
        let mut known = self.known();
        if known.forgotten != taken.forgotten {
            return;
        }
        known.turn += 1;
        let said = Said {
            values: taken.converter.into_values(),
            bytes: taken.bytes,
            turn: known.turn,
        };
        known.shares.insert(taken.share, said);
        known.keep_within(self.bytes_max);
    }

    /// Forgets what a share says: something of it was not applied, or may not have been.
    pub(super) fn forget(&self, share: ShareId) {
        let mut known = self.known();
        known.forgotten += 1;
        known.shares.remove(&share);
    }

    /// Forgets everything.
    pub(super) fn forget_all(&self) {
        let mut known = self.known();
        known.forgotten += 1;
        known.shares.clear();
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl TakenValues {
    /// The mutations after which the share says what `item` says; none if it does, or says something
    /// newer.
    ///
    /// # Errors
    ///
    /// If the item has no place in a document; nothing has changed then.
    pub(super) fn convert(&mut self, item: Item) -> Result<Vec<Mutation>, ItemError> {
        let keys = item.keys(&Limits::DEFAULT)?;
        let before = self.bytes_of(&keys);
        let mutations = self.converter.convert_guarded(item)?;
        self.bytes = self.bytes.saturating_sub(before) + self.bytes_of(&keys);
        Ok(mutations)
    }

    fn bytes_of(&self, keys: &[String]) -> u64 {
        let entries = keys.iter().map(|key| (key, self.converter.value(key)));
        entries
            .filter_map(|(key, value)| Some(key.len() as u64 + json_bytes(value?)))
            .sum()
    }
}

impl Known {
    fn keep_within(&mut self, bytes_max: u64) {
        let mut bytes: u64 = self.shares.values().map(|said| said.bytes).sum();
        while bytes > bytes_max {
            let oldest = self.shares.iter().min_by_key(|(_, said)| said.turn);
            let Some((&share, said)) = oldest else { return };
            bytes -= said.bytes;
            self.shares.remove(&share);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn share(number: u8) -> ShareId {
        ShareId::from_bytes([number; 16])
    }

    fn say(values: &Values, number: u8, text: &str) -> usize {
        let mut taken = values.take(share(number));
        let item = Item {
            kind: "x".into(),
            data: json!(text),
        };
        let ops = taken.convert(item).unwrap().len();
        values.put_back(taken);
        ops
    }

    #[test]
    fn what_was_synced_longest_ago_is_forgotten_one_byte_past_the_bound() {
        // A key of one byte, and a text of two with its quotes.
        let values = Values::new(2 * 5);
        assert_eq!([say(&values, 1, "ab"), say(&values, 2, "ab")], [1, 1]);
        assert_eq!([say(&values, 1, "ab"), say(&values, 2, "ab")], [0, 0]);
        assert_eq!(say(&values, 2, "abc"), 1);
        assert_eq!(say(&values, 2, "abc"), 0);
        assert_eq!(say(&values, 1, "ab"), 1, "it is not remembered any more");
    }

    #[test]
    fn what_is_forgotten_while_it_is_used_does_not_come_back() {
        let values = Values::new(100);
        say(&values, 1, "ab");
        let taken = values.take(share(1));
        values.forget(share(1));
        values.put_back(taken);
        assert_eq!(say(&values, 1, "ab"), 1);
        let taken = values.take(share(1));
        values.forget_all();
        values.put_back(taken);
        assert_eq!(say(&values, 1, "ab"), 1);
        drop(values.take(share(1)));
        assert_eq!(say(&values, 1, "ab"), 1);
    }
}
