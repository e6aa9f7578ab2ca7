//! What plugins told of a share, as far as the bridge remembers: in memory only, and bounded.
//!
//! A plugin tells what happens as it happens, in order, and tells it until it is taken; the agent
//! itself sends the same once, a second later, and out of order when it is slow. So what a plugin said
//! of a key, and then said otherwise, is news no more when a sync says it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;
use share_model::OpId;

/// Instances of plugins whose place is remembered; of another one the outbox is asked.
const INSTANCES_MAX: usize = 8;

/// Keys of which it is remembered what a plugin said, and keys that are gone; with one more all of
/// them are forgotten.
const KEYS_MAX: usize = 1024;

/// What was said of one key; with one more the oldest is forgotten.
const VALUES_MAX: usize = 8;

/// Bytes of an instance's name.
const INSTANCE_BYTES_MAX: usize = 64;

/// What an event is called: by the plugin's instance, and its own count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventId {
    pub(super) instance: String,
    pub(super) seq: u64,
}

/// What plugins told.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The last event that was taken of each instance, the newest instance last.
    marks: VecDeque<EventId>,
    /// Hashes of what was said of each key, the newest last, until a sync has said that too.
    said: BTreeMap<String, VecDeque<u64>>,
    /// Ids are never used again.
    gone: BTreeSet<String>,
}

impl EventId {
    /// Reads `INSTANCE/SEQ`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (instance, seq) = text.split_once('/')?;
        let is_name = (1..=INSTANCE_BYTES_MAX).contains(&instance.len());
        Some(Self {
            instance: is_name.then(|| instance.to_owned())?,
            seq: seq.parse().ok()?,
        })
    }

    /// The id of the first op that comes of the event: by it the outbox knows a repeat.
    pub(super) fn op(&self) -> OpId {
        let parts = [self.instance.as_bytes(), &self.seq.to_le_bytes()];
        OpId::derived(b"share-plugin-event-1", &parts)
    }
}

impl Told {
    /// The last event of an instance that was taken, if that is remembered.
    pub(super) fn mark(&self, instance: &str) -> Option<u64> {
        let mark = self.marks.iter().find(|mark| mark.instance == instance);
        mark.map(|mark| mark.seq)
    }

    /// Everything of the instance up to `last` was taken.
    pub(super) fn set_mark(&mut self, last: EventId) {
        self.marks.retain(|mark| mark.instance != last.instance);
        if self.marks.len() >= INSTANCES_MAX {
            self.marks.pop_front();
        }
        self.marks.push_back(last);
    }

    /// A plugin says that `value` stands at `key`.
    pub(super) fn say(&mut self, key: &str, value: &Value) {
        self.gone.remove(key);
        if self.said.len() >= KEYS_MAX && !self.said.contains_key(key) {
            self.said.clear();
        }
        let said = self.said.entry(key.to_owned()).or_default();
        let hash = hash(value);
        if said.back() != Some(&hash) {
            if said.len() >= VALUES_MAX {
                said.pop_front();
            }
            said.push_back(hash);
        }
    }

    /// A plugin says that nothing stands at `key` any more.
    pub(super) fn let_go(&mut self, key: &str) {
        self.said.remove(key);
        if self.gone.len() >= KEYS_MAX {
            self.gone.clear();
        }
        self.gone.insert(key.to_owned());
    }

    /// Whether a plugin has said something newer of `key` than the `value` that a sync brings. A sync
    /// that brings the newest ends the memory of the others: none of them is due any more.
    pub(super) fn is_overtaken(&mut self, key: &str, value: &Value) -> bool {
        if self.gone.contains(key) {
            return true;
        }
        let Some(said) = self.said.get(key) else {
            return false;
        };
        let hash = hash(value);
        if said.back() == Some(&hash) {
            self.said.remove(key);
            return false;
        }
        said.contains(&hash)
    }
}

/// Tells values apart, within one run of the program.
fn hash(value: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(instance: usize, seq: u64) -> EventId {
        EventId {
            instance: instance.to_string(),
            seq,
        }
    }

    #[test]
    fn an_events_id_is_an_instance_of_1_to_64_bytes_and_a_count() {
        let longest = "x".repeat(64);
        for (text, expected) in [
            ("a-b/7".to_owned(), Some(("a-b".to_owned(), 7))),
            (format!("{longest}/0"), Some((longest.clone(), 0))),
            (format!("{longest}x/0"), None),
            ("/1".to_owned(), None),
            ("a".to_owned(), None),
            ("a/".to_owned(), None),
            ("a/-1".to_owned(), None),
            ("a/1/2".to_owned(), None),
        ] {
            let read = EventId::read(&text).map(|id| (id.instance, id.seq));
            assert_eq!(read, expected, "{text}");
        }
        assert_ne!(id(1, 2).op(), id(1, 3).op());
        assert_ne!(id(1, 2).op(), id(2, 2).op());
    }

    #[test]
    fn the_places_of_8_instances_are_remembered() {
        let mut told = Told::default();
        for instance in 0..8 {
            told.set_mark(id(instance, 1));
        }
        told.set_mark(id(0, 2));
        assert_eq!([told.mark("0"), told.mark("1")], [Some(2), Some(1)]);
        told.set_mark(id(8, 1));
        assert_eq!([told.mark("0"), told.mark("1")], [Some(2), None]);
    }

    #[test]
    fn what_a_plugin_said_before_is_overtaken_until_a_sync_says_the_newest() {
        let mut told = Told::default();
        let [a, b, c] = [json!("a"), json!("b"), json!("c")];
        assert!(!told.is_overtaken("k", &a));
        told.say("k", &a);
        told.say("k", &b);
        assert!(told.is_overtaken("k", &a));
        assert!(!told.is_overtaken("k", &c), "nobody said that before");
        assert!(!told.is_overtaken("k", &b));
        assert!(!told.is_overtaken("k", &a), "it goes back");
    }

    #[test]
    fn of_a_key_8_values_and_of_a_share_1024_keys_are_remembered() {
        let mut told = Told::default();
        for number in 0..9 {
            told.say("k", &json!(number));
        }
        assert!(told.is_overtaken("k", &json!(1)));
        assert!(!told.is_overtaken("k", &json!(0)));
        for number in 1..KEYS_MAX {
            told.say(&number.to_string(), &json!(1));
        }
        assert!(told.is_overtaken("k", &json!(1)));
        told.say("one more", &json!(1));
        assert!(!told.is_overtaken("k", &json!(1)));
    }

    #[test]
    fn what_is_gone_stays_so_until_a_plugin_says_otherwise() {
        let mut told = Told::default();
        let value = json!(1);
        told.let_go("k");
        assert!(told.is_overtaken("k", &value));
        told.say("k", &value);
        assert!(!told.is_overtaken("k", &value));
        for number in 0..=KEYS_MAX {
            told.let_go(&number.to_string());
        }
        assert!(!told.is_overtaken("0", &value));
        assert!(told.is_overtaken(&KEYS_MAX.to_string(), &value));
    }
}
