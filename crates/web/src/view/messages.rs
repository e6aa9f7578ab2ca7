//! The messages of a session in the order in which they were made, as many as there is room for.
//!
//! **Invariant:** which messages are shown depends on the document alone: the newest ones, as many as
//! are no larger than the bound together.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use share_model::Document;

use super::fields::below;
use super::info::{Created, Gist, created};
use super::limits::ViewLimits;
use super::message::Message;
use super::patch::Patch;

/// Where a message stands among the others.
pub(super) type Place = (Created, Arc<str>);

/// The messages of a session.
pub(super) struct Messages {
    limits: ViewLimits,
    /// All of them, in order.
    order: BTreeMap<Place, Gist>,
    /// Where each of them stands.
    places: BTreeMap<Arc<str>, Created>,
    /// Those that are shown: the last ones of the order.
    shown: BTreeMap<Arc<str>, Message>,
    /// The first of them.
    first: Option<Place>,
    /// The sum of their markup.
    bytes: usize,
    /// What the newest one counts that is not shown, once that is known.
    older: Option<(Place, usize)>,
}

/// Which messages a page shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) enum Stretch {
    /// The newest ones.
    #[default]
    Newest,
    /// Those from the one with this id on.
    From(String),
    /// Those before the one with this id.
    Before(String),
}

/// A stretch whose message is there.
enum Bound {
    None,
    From(Place),
    Before(Place),
}

/// What became of the messages by a change.
#[derive(Default)]
pub(super) struct Changed {
    pub(super) patches: Vec<Patch>,
    /// Whether the session's facts may be others.
    pub(super) is_fact: bool,
}

impl Messages {
    /// The messages of the document, and those of a stretch are shown.
    pub(super) fn of(document: &Document, limits: ViewLimits, stretch: &Stretch) -> Self {
        let mut messages = Self::known(document, limits);
        let places: Vec<_> = match messages.bound(stretch) {
            Bound::From(place) => messages.order.range(place..).map(cloned).collect(),
            Bound::Before(place) => messages.order.range(..place).rev().map(cloned).collect(),
            Bound::None => messages.order.iter().rev().map(cloned).collect(),
        };
        for place in places {
            if !messages.try_show(document, place) {
                break;
            }
        }
        let first = messages.shown().next().map(|(place, _)| place.clone());
        messages.first = first;
        messages
    }

    /// No messages.
    pub(super) fn none(limits: ViewLimits) -> Self {
        Self {
            limits,
            order: BTreeMap::new(),
            places: BTreeMap::new(),
            shown: BTreeMap::new(),
            first: None,
            bytes: 0,
            older: None,
        }
    }

    /// The messages, and none is shown.
    fn known(document: &Document, limits: ViewLimits) -> Self {
        let mut messages = Self::none(limits);
        for (key, value) in below(document, "message/", "") {
            let id: Arc<str> = key.strip_prefix("message/").unwrap_or_default().into();
            let created = created(value);
            let gist = Gist::of(value, &limits);
            messages.places.insert(Arc::clone(&id), created);
            messages.order.insert((created, id), gist);
        }
        messages
    }

    /// Shows the message in that place, which is next to those that are shown, if there is room.
    fn try_show(&mut self, document: &Document, place: Place) -> bool {
        let Some(message) = Message::of(document, &place.1, &self.limits) else {
            return false;
        };
        let bytes = self.bytes + message.bytes();
        if bytes > self.limits.view_bytes_max && !self.shown.is_empty() {
            self.older = Some((place, message.bytes()));
            return false;
        }
        self.bytes = bytes;
        self.shown.insert(Arc::clone(&place.1), message);
        self.first = Some(place);
        true
    }

    /// The messages that are shown, in order.
    pub(super) fn shown(&self) -> impl DoubleEndedIterator<Item = (&Place, &Message)> {
        let places = self.order.keys();
        places.filter_map(|place| Some((place, self.shown.get(&place.1)?)))
    }

    /// The id of the message before that place.
    pub(super) fn before(&self, place: &Place) -> Option<&str> {
        let mut before = self.order.range((Unbounded, Excluded(place)));
        before.next_back().map(|((_, id), _)| &**id)
    }

    /// The id of the message after that place.
    pub(super) fn after(&self, place: &Place) -> Option<&str> {
        let mut after = self.order.range((Excluded(place), Unbounded));
        after.next().map(|((_, id), _)| &**id)
    }

    fn bound(&self, stretch: &Stretch) -> Bound {
        let (id, bound): (_, fn(Place) -> Bound) = match stretch {
            Stretch::Newest => return Bound::None,
            Stretch::From(id) => (id, Bound::From),
            Stretch::Before(id) => (id, Bound::Before),
        };
        self.place(id).map_or(Bound::None, bound)
    }

    /// Where the message with that id stands.
    fn place(&self, id: &str) -> Option<Place> {
        let (id, created) = self.places.get_key_value(id)?;
        Some((*created, Arc::clone(id)))
    }

    /// What the session as a whole wants to know of each.
    pub(super) fn gists(&self) -> impl Iterator<Item = &Gist> {
        self.order.values()
    }

    /// Whether some are not shown.
    pub(super) fn is_cut(&self) -> bool {
        self.shown.len() < self.order.len()
    }

    /// The element of the message before, among those that are shown.
    pub(super) fn element_before(&self, place: &Place) -> Option<String> {
        self.shown.get(self.before(place)?).map(Message::element)
    }

    /// Whether the message is shown.
    pub(super) fn has(&self, id: &str) -> bool {
        self.shown.contains_key(id)
    }

    /// Whether the part is shown.
    pub(super) fn has_part(&self, id: &str, part: &str) -> bool {
        let message = self.shown.get(id);
        message.is_some_and(|message| message.has_part(part))
    }

    /// Bytes of memory that they take.
    pub(super) fn held_bytes(&self) -> usize {
        let shown: usize = self.shown.values().map(Message::held_bytes).sum();
        let known = self.order.keys().map(|(_, id)| id.len() + 256);
        shown + known.sum::<usize>()
    }

    /// A message's own value was changed.
    pub(super) fn change(&mut self, document: &Document, id: &str) -> Changed {
        let was_cut = self.is_cut();
        let stored = document.get(&format!("message/{id}"));
        let old = self.place(id);
        if self
            .older
            .as_ref()
            .is_some_and(|(place, _)| *place.1 == *id)
        {
            self.older = None;
        }
        let mut changed = match (stored, old) {
            (None, None) => return Changed::default(),
            (None, Some(place)) => self.forget(&place),
            (Some(stored), old) => {
                let value = stored.value();
                let place = (created(value), Arc::from(id));
                let gist = Gist::of(value, &self.limits);
                match old {
                    Some(old) if old == place => {
                        let is_fact = self.order.insert(old, gist.clone()) != Some(gist);
                        let patches = self.change_info(document, place, value);
                        Changed { patches, is_fact }
                    }
                    old => self.move_to(document, old, place, gist),
                }
            }
        };
        self.settle(document, &mut changed.patches);
        changed.is_fact |= was_cut != self.is_cut();
        changed
    }

    /// A part of a message was changed.
    pub(super) fn change_part(&mut self, document: &Document, id: &str, part: &str) -> Changed {
        let was_cut = self.is_cut();
        let mut patches = Vec::new();
        match self.shown.get_mut(id) {
            Some(message) => {
                self.bytes -= message.bytes();
                patches = message.change_part(document, part, &self.limits);
                self.bytes += message.bytes();
            }
            // A part that comes before its message is shown when that comes.
            None => match &self.older {
                Some((place, _)) if *place.1 == *id => self.older = None,
                _ => return Changed::default(),
            },
        }
        self.settle(document, &mut patches);
        let is_fact = was_cut != self.is_cut();
        Changed { patches, is_fact }
    }

    fn forget(&mut self, place: &Place) -> Changed {
        self.order.remove(place);
        self.places.remove(&place.1);
        let mut patches = Vec::new();
        if let Some(message) = self.hide(place) {
            patches.push(Patch::Remove {
                remove: message.element(),
            });
        }
        Changed {
            patches,
            is_fact: true,
        }
    }

    /// The message is not shown any more.
    fn hide(&mut self, place: &Place) -> Option<Message> {
        let message = self.shown.remove(&place.1)?;
        self.bytes -= message.bytes();
        if self.first.as_ref() == Some(place) {
            let next = self.order.range((Excluded(place), Unbounded)).next();
            self.first = next.map(|(place, _)| place.clone());
        }
        Some(message)
    }

    fn change_info(
        &mut self,
        document: &Document,
        place: Place,
        value: &serde_json::Value,
    ) -> Vec<Patch> {
        let Some(message) = self.shown.get_mut(&place.1) else {
            return Vec::new();
        };
        self.bytes -= message.bytes();
        let patches = message.change_info(value, &self.limits);
        self.bytes += message.bytes();
        patches.unwrap_or_else(|| self.show(document, place))
    }

    /// The message stands at `place` from now on, and stood at `old`.
    fn move_to(
        &mut self,
        document: &Document,
        old: Option<Place>,
        place: Place,
        gist: Gist,
    ) -> Changed {
        let mut patches = Vec::new();
        let mut was_shown = None;
        if let Some(old) = old {
            self.order.remove(&old);
            was_shown = self.hide(&old);
        }
        self.places.insert(Arc::clone(&place.1), place.0);
        self.order.insert(place.clone(), gist);
        // One before the first that is shown comes with the others that are older.
        if self.first.as_ref().is_some_and(|first| place > *first) {
            patches = self.show(document, place);
        } else if let Some(message) = was_shown {
            patches.push(Patch::Remove {
                remove: message.element(),
            });
        }
        Changed {
            patches,
            is_fact: true,
        }
    }

    /// Takes the message as it is in the document.
    fn show(&mut self, document: &Document, place: Place) -> Vec<Patch> {
        let mut patches = Vec::new();
        let Some(message) = Message::of(document, &place.1, &self.limits) else {
            return patches;
        };
        message.put(self.element_before(&place), &mut patches);
        self.bytes += message.bytes();
        if let Some(old) = self.shown.insert(place.1, message) {
            self.bytes -= old.bytes();
        }
        patches
    }

    /// Shows as many of the newest messages as there is room for.
    fn settle(&mut self, document: &Document, patches: &mut Vec<Patch>) {
        while self.bytes > self.limits.view_bytes_max && self.shown.len() > 1 {
            let Some(place) = self.first.clone() else {
                return;
            };
            let Some(message) = self.hide(&place) else {
                return;
            };
            patches.push(Patch::Remove {
                remove: message.element(),
            });
            self.older = Some((place, message.bytes()));
        }
        while self.is_cut() {
            let Some(place) = self.newest_left_out() else {
                return;
            };
            let has_no_room = |(older, bytes): &(Place, usize)| {
                *older == place && self.bytes + bytes > self.limits.view_bytes_max
            };
            let is_known_not_to_fit =
                !self.shown.is_empty() && self.older.as_ref().is_some_and(has_no_room);
            if is_known_not_to_fit || !self.try_show(document, place.clone()) {
                return;
            }
            if let Some(message) = self.shown.get(&place.1) {
                message.put(None, patches);
            }
        }
    }

    /// The newest message before the first that is shown.
    fn newest_left_out(&self) -> Option<Place> {
        let before = match &self.first {
            Some(first) => self.order.range((Unbounded, Excluded(first))).next_back(),
            None => self.order.iter().next_back(),
        };
        before.map(|(place, _)| place.clone())
    }
}

fn cloned((place, _): (&Place, &Gist)) -> Place {
    place.clone()
}
