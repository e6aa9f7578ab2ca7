//! All items in their order, kept as the document changes.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use share_model::Document;

use super::place::{Key, Place, Section};

/// Where the parts stand whose message is not there.
const NO_MESSAGE: u64 = u64::MAX;

/// The items of a document, from top to bottom.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Items {
    places: Vec<Place>,
    /// When each message was made.
    created: HashMap<Arc<str>, u64>,
}

impl Items {
    pub(super) fn of(document: &Document) -> Self {
        let mut items = Self::default();
        for (key, stored) in document.iter() {
            if let Key::Message(id) = Key::of(key) {
                items.created.insert(id.into(), created_at(stored.value()));
            }
        }
        for (key, stored) in document.iter() {
            match Key::of(key) {
                Key::Changes => items.places.extend(changes(stored.value())),
                kind => items.places.extend(items.place(kind, key, stored.value())),
            }
        }
        items.places.sort_unstable();
        items
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn get(&self, rank: usize) -> Option<&Place> {
        self.places.get(rank)
    }

    /// How many items stand above this place.
    pub(super) fn rank(&self, place: &Place) -> usize {
        self.places.partition_point(|other| other < place)
    }

    /// Whether an item stands at this place.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.places.binary_search(place).is_ok()
    }

    /// The id of the last message.
    pub(super) fn last_message(&self) -> Option<&Arc<str>> {
        let end = self
            .places
            .partition_point(|it| it.section == Section::Messages);
        let messages = self.places[..end].iter().rev();
        messages
            .map(|it| &it.name)
            .find(|name| self.created.contains_key(*name))
    }

    /// The ids of all messages.
    pub(super) fn messages(&self) -> impl Iterator<Item = &Arc<str>> {
        self.created.keys()
    }

    /// After the document was changed at `key`: the places at which nothing is any more as it was.
    pub(super) fn change(&mut self, document: &Document, key: &str) -> Vec<Place> {
        let value = document.get(key).map(|stored| stored.value());
        match Key::of(key) {
            Key::Message(id) => self.change_message(id, value),
            Key::Changes => {
                let old = self.take_changes();
                for place in value.into_iter().flat_map(changes) {
                    self.insert(place);
                }
                old
            }
            Key::Part { message, part } => {
                let created = self.created.get(message).copied().unwrap_or(NO_MESSAGE);
                self.put(Place::part(created, message, part), value.is_some())
            }
            Key::Session | Key::Model | Key::Other => {
                let place = Place::other(key);
                let is_there = value.is_some_and(|value| is_other(Key::of(key), value));
                self.put(place, is_there)
            }
        }
    }

    fn change_message(&mut self, id: &str, value: Option<&Value>) -> Vec<Place> {
        let old = self.created.get(id).copied();
        let new = value.map(created_at);
        match new {
            Some(new) => drop(self.created.insert(id.into(), new)),
            None => drop(self.created.remove(id)),
        }
        let (from, to) = (old.unwrap_or(NO_MESSAGE), new.unwrap_or(NO_MESSAGE));
        let mut stale = vec![Place::message(from, id)];
        if let Some(at) = old.and_then(|old| self.find(&Place::message(old, id))) {
            self.places.remove(at);
        }
        if from != to {
            // The parts stand with their message.
            let parts = self.take_at(from, id);
            for place in &parts {
                self.insert(Place::part(to, id, &place.part));
            }
            stale.extend(parts);
        }
        if new.is_some() {
            self.insert(Place::message(to, id));
        }
        stale
    }

    fn find(&self, place: &Place) -> Option<usize> {
        self.places.binary_search(place).ok()
    }

    fn insert(&mut self, place: Place) {
        if let Err(at) = self.places.binary_search(&place) {
            self.places.insert(at, place);
        }
    }

    fn put(&mut self, place: Place, is_there: bool) -> Vec<Place> {
        match (self.places.binary_search(&place), is_there) {
            (Err(at), true) => self.places.insert(at, place.clone()),
            (Ok(at), false) => drop(self.places.remove(at)),
            (Ok(_), true) | (Err(_), false) => {}
        }
        vec![place]
    }

    /// Takes out the parts of a message that stand at this time.
    fn take_at(&mut self, created: u64, id: &str) -> Vec<Place> {
        let begin = self.rank(&Place::message(created, id));
        let is_of_message = |it: &&Place| it.created == created && &*it.name == id;
        let count = self.places[begin..]
            .iter()
            .take_while(is_of_message)
            .count();
        self.places.drain(begin..begin + count).collect()
    }

    fn take_changes(&mut self) -> Vec<Place> {
        let begin = self
            .places
            .partition_point(|it| it.section < Section::Changes);
        let end = self
            .places
            .partition_point(|it| it.section <= Section::Changes);
        self.places.drain(begin..end).collect()
    }

    fn place(&self, kind: Key<'_>, key: &str, value: &Value) -> Option<Place> {
        match kind {
            Key::Message(id) => {
                let created = self.created.get(id)?;
                Some(Place::message(*created, id))
            }
            Key::Part { message, part } => {
                let created = self.created.get(message).copied().unwrap_or(NO_MESSAGE);
                Some(Place::part(created, message, part))
            }
            kind => is_other(kind, value).then(|| Place::other(key)),
        }
    }
}

/// Whether an entry is shown as it is: it is not opencode's, or not as opencode has it.
fn is_other(kind: Key<'_>, value: &Value) -> bool {
    match kind {
        Key::Session | Key::Model => !value.is_object(),
        Key::Message(_) | Key::Part { .. } | Key::Changes => false,
        Key::Other => true,
    }
}

fn changes(value: &Value) -> impl Iterator<Item = Place> + use<> {
    // What is no list of diffs is one item, shown as it is.
    let count = value.as_array().map_or(1, Vec::len);
    (0..count).map(Place::change)
}

fn created_at(message: &Value) -> u64 {
    let created = message.pointer("/time/created");
    created
        .and_then(Value::as_u64)
        .map_or(0, |at| at.min(NO_MESSAGE - 1))
}
