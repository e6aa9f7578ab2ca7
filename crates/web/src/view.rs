//! What a viewer sees of an opencode session: its document, rendered piece by piece.
//!
//! The same code makes the page, what changes on it when the document changes, and what a replay
//! shows. **Invariant:** the patches of a change, applied to the page of the document before it, give
//! the page of the document after it.
//!
//! Content is text wherever it is not markdown, and what markdown becomes passes a sanitiser. Ids and
//! classes are made here; content can name none. Keys that a session does not have are not shown, and
//! parts of a type that is not known as what they are: JSON.

mod blocks;
mod changes;
mod diff;
mod facts;
mod fields;
mod figures;
mod ids;
mod info;
mod limits;
mod markdown;
mod message;
mod messages;
mod page;
mod part;
mod patch;
mod sanitise;
mod text;
mod tool;

use share_model::Document;

use changes::Change;
use messages::{Changed, Messages};

pub(crate) use limits::ViewLimits;
pub(crate) use messages::Stretch;
pub(crate) use page::{Frame, TYPE, notice};
pub(crate) use patch::Patch;

/// What a viewer sees of a document.
pub(crate) struct View {
    limits: ViewLimits,
    title: String,
    facts: String,
    messages: Messages,
    changes: Vec<Change>,
}

/// What a key of the document is to a session.
enum Key<'a> {
    Session,
    Changes,
    Model,
    Message(&'a str),
    Part(&'a str, &'a str),
    Other,
}

impl<'a> Key<'a> {
    fn of(key: &'a str) -> Self {
        match (key, key.split_once('/')) {
            ("session", _) => Self::Session,
            ("session_diff", _) => Self::Changes,
            (_, Some(("model", _))) => Self::Model,
            (_, Some(("message", id))) => Self::Message(id),
            (_, Some(("part", ids))) => match ids.split_once('/') {
                Some((message, id)) => Self::Part(message, id),
                None => Self::Other,
            },
            _ => Self::Other,
        }
    }
}

impl View {
    /// The view of the document: of its messages the newest, as many as there is room for.
    pub(crate) fn new(document: &Document, limits: ViewLimits) -> Self {
        let mut view = Self {
            limits,
            title: facts::title(document, &limits),
            facts: String::new(),
            messages: Messages::of(document, limits, &Stretch::Newest),
            changes: changes::of(document, &limits),
        };
        view.facts = view.facts_of(document);
        view
    }

    /// What changes on the page, in order, after `document` was changed at `key`, by any mutation.
    /// Costs what changed.
    pub(crate) fn change(&mut self, document: &Document, key: &str) -> Vec<Patch> {
        match Key::of(key) {
            Key::Session => self.change_session(document),
            Key::Changes => {
                let changes = changes::of(document, &self.limits);
                let patches = changes::patches(&self.changes, &changes);
                self.changes = changes;
                patches
            }
            Key::Model => self.change_facts(document).into_iter().collect(),
            Key::Message(id) => {
                let changed = self.messages.change(document, id);
                self.patches(document, changed)
            }
            Key::Part(message, id) => {
                let changed = self.messages.change_part(document, message, id);
                self.patches(document, changed)
            }
            Key::Other => Vec::new(),
        }
    }

    /// For a key that the document has no more: the patch that takes what it was off a page that was
    /// made before, if it is there. `None`: it is none of its own, or is shown.
    pub(crate) fn gone(&self, key: &str) -> Option<Patch> {
        let remove = match Key::of(key) {
            Key::Message(id) if !self.messages.has(id) => message::element_of(id),
            Key::Part(message, id) if !self.messages.has_part(message, id) => {
                part::Names::new(message, id).id
            }
            _ => return None,
        };
        Some(Patch::Remove { remove })
    }

    /// The patches that bring an empty page to this view.
    pub(crate) fn whole(&self) -> Vec<Patch> {
        let mut patches = vec![Patch::clear(), self.put_title(), self.put_facts()];
        let mut before = None;
        for (_, message) in self.messages.shown() {
            let element = message.element();
            message.put(before.replace(element), &mut patches);
        }
        patches.extend(changes::patches(&[], &self.changes));
        patches
    }

    /// About how many bytes of memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let changes: usize = self.changes.iter().map(Change::held_bytes).sum();
        self.title.len() + self.facts.len() + self.messages.held_bytes() + changes
    }

    fn facts_of(&self, document: &Document) -> String {
        let mut facts = facts::facts(document, self.messages.gists(), &self.limits);
        if self.messages.is_cut() {
            facts.push_str(" <span class=\"cut\">The oldest messages are not shown here.</span>");
        }
        facts
    }

    fn put_title(&self) -> Patch {
        let title = self.title.clone();
        Patch::Title { title }
    }

    fn put_facts(&self) -> Patch {
        let facts = self.facts.clone();
        Patch::Facts { facts }
    }

    fn change_session(&mut self, document: &Document) -> Vec<Patch> {
        let title = facts::title(document, &self.limits);
        let is_title = title != self.title;
        self.title = title;
        let title = is_title.then(|| self.put_title());
        title
            .into_iter()
            .chain(self.change_facts(document))
            .collect()
    }

    fn change_facts(&mut self, document: &Document) -> Option<Patch> {
        let facts = self.facts_of(document);
        let is_other = facts != self.facts;
        self.facts = facts;
        is_other.then(|| self.put_facts())
    }

    fn patches(&mut self, document: &Document, changed: Changed) -> Vec<Patch> {
        let mut patches = changed.patches;
        if changed.is_fact {
            patches.extend(self.change_facts(document));
        }
        patches
    }
}

#[cfg(test)]
mod tests;
