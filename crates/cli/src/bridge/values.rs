//! What each share says, as far as the bridge remembers: in memory only, and bounded. What is not
//! remembered is put whole the next time, which needs nothing of what stands there.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use share_model::{Limits, Mutation, ShareId, json_bytes};
use share_opencode::{Converter, Event, Growth, Item, ItemError};

use super::told::Told;

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
    told: Told,
}

/// The values of one share, while its items are converted. Dropped, they are forgotten.
#[derive(Debug)]
pub(super) struct TakenValues {
    share: ShareId,
    forgotten: u64,
    bytes: u64,
    converter: Converter,
    /// What plugins told of it.
    pub(super) told: Told,
}

/// What an event comes to.
#[derive(Debug)]
pub(super) enum Tells {
    /// These mutations; none if the share says so already.
    Changes(Vec<Mutation>),
    /// Nothing, since it is not known what stands there: the part is wanted whole.
    Wants { message: String, part: String },
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
        let (values, bytes, told) = said
            .map(|said| (said.values, said.bytes, said.told))
            .unwrap_or_default();
        TakenValues {
            share,
            forgotten: known.forgotten,
            bytes,
            converter: Converter::from_values(values, Limits::DEFAULT),
            told,
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
            told: taken.told,
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
        match keys.as_slice() {
            [key] if self.told.is_overtaken(key, &item.data) => Ok(Vec::new()),
            _ => self.change(&keys, |converter| converter.convert_guarded(item)),
        }
    }

    /// What an event of a plugin comes to.
    ///
    /// # Errors
    ///
    /// If what it says has no place in a document; nothing has changed then.
    pub(super) fn tell(&mut self, event: Event) -> Result<Tells, ItemError> {
        let mutations = match event {
            Event::Items(items) => self.say(items)?,
            Event::Delta(delta) => {
                let keys = [delta.key()];
                match self.change(&keys, |converter| converter.grow(&delta))? {
                    Growth::Appended(mutation) => vec![mutation],
                    Growth::Known => Vec::new(),
                    Growth::Unknown => {
                        let (message, part) = (delta.message, delta.part);
                        return Ok(Tells::Wants { message, part });
                    }
                }
            }
            Event::MessageRemoved { message } => self.let_go(|it| it.remove_message(&message)),
            Event::PartRemoved { message, part } => {
                self.let_go(|it| it.remove_part(&message, &part))
            }
            Event::Other => Vec::new(),
        };
        Ok(Tells::Changes(mutations))
    }

    /// Checks all items before the first of them changes anything.
    fn say(&mut self, items: Vec<Item>) -> Result<Vec<Mutation>, ItemError> {
        for item in &items {
            item.check(&Limits::DEFAULT)?;
        }
        let mut mutations = Vec::new();
        for item in items {
            let keys = item.keys(&Limits::DEFAULT)?;
            if let [key] = keys.as_slice() {
                self.told.say(key, &item.data);
            }
            mutations.extend(self.change(&keys, |converter| converter.convert_guarded(item))?);
        }
        Ok(mutations)
    }

    fn let_go(&mut self, remove: impl FnOnce(&mut Converter) -> Vec<Mutation>) -> Vec<Mutation> {
        let mutations = remove(&mut self.converter);
        for mutation in &mutations {
            if let Mutation::Remove { key } = mutation {
                self.told.let_go(key);
            }
        }
        let left = self.converter.entries();
        self.bytes = left.map(|(key, value)| bytes_at(key, value)).sum();
        mutations
    }

    fn change<T>(
        &mut self,
        keys: &[String],
        change: impl FnOnce(&mut Converter) -> Result<T, ItemError>,
    ) -> Result<T, ItemError> {
        let before = self.bytes_of(keys);
        let changed = change(&mut self.converter)?;
        self.bytes = self.bytes.saturating_sub(before) + self.bytes_of(keys);
        Ok(changed)
    }

    fn bytes_of(&self, keys: &[String]) -> u64 {
        let entries = keys.iter().map(|key| (key, self.converter.value(key)));
        entries
            .filter_map(|(key, value)| Some(bytes_at(key, value?)))
            .sum()
    }
}

fn bytes_at(key: &str, value: &Value) -> u64 {
    key.len() as u64 + json_bytes(value)
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
