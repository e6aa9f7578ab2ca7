//! What a viewer sees of an opencode session: its document, rendered piece by piece.
//!
//! The same code makes the page, what changes on it when the document changes, and what a replay
//! shows. **Invariant:** the patches of a change, applied to the page of the document before it, give
//! the page of the document after it.
//!
//! Content is text wherever it is not markdown, and what markdown becomes passes a sanitiser. Ids and
//! classes are made here; content can name none.

mod blocks;
mod changes;
mod diff;
mod facts;
mod fields;
mod figures;
mod ids;
mod limits;
mod markdown;
mod message;
mod page;
mod part;
mod patch;
mod sanitise;
mod text;
mod tool;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::sync::Arc;

use share_model::Document;

use changes::Change;
use message::{Created, Info, Message};
use part::{Names, Part};
use patch::SESSION;

pub(crate) use limits::ViewLimits;
pub(crate) use page::{Frame, TYPE, notice};
pub(crate) use patch::Patch;

/// Bytes of markup from which on a message's parts are patches of their own.
const PATCH_BYTES: usize = 64 << 10;

/// What a viewer sees of a document.
pub(crate) struct View {
    limits: ViewLimits,
    title: String,
    facts: String,
    messages: BTreeMap<Arc<str>, Message>,
    /// The messages in the order in which they were made.
    order: BTreeSet<(Created, Arc<str>)>,
    changes: Vec<Change>,
}

impl View {
    /// The view of the document.
    pub(crate) fn new(document: &Document, limits: ViewLimits) -> Self {
        let mut view = Self {
            limits,
            title: facts::title(document, &limits),
            facts: String::new(),
            messages: BTreeMap::new(),
            order: BTreeSet::new(),
            changes: changes::of(document, &limits),
        };
        for (key, _) in below(document, "message/") {
            view.put_message(document, key.trim_start_matches("message/"));
        }
        view.facts = view.facts_of(document);
        view
    }

    /// What changes on the page, in order, after `document` was changed at `key`. Costs what changed.
    pub(crate) fn change(&mut self, document: &Document, key: &str) -> Vec<Patch> {
        match key.split_once('/') {
            None if key == "session" => self.change_session(document),
            None if key == "session_diff" => self.change_changes(document),
            Some(("model", _)) => self.change_facts(document),
            Some(("message", id)) => self.change_message(document, id),
            Some(("part", ids)) => match ids.split_once('/') {
                Some((message, part)) => self.change_part(document, message, part),
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    /// The patches that bring an empty page to this view.
    pub(crate) fn whole(&self) -> Vec<Patch> {
        let mut patches = vec![
            Patch::clear(),
            Patch::Title {
                title: self.title.clone(),
            },
            Patch::Facts {
                facts: self.facts.clone(),
            },
        ];
        let mut before = None;
        for message in self.messages() {
            self.put_whole(&mut patches, message, before);
            before = Some(message.id());
        }
        patches.extend(changes::patches(&[], &self.changes));
        patches
    }

    /// About how many bytes it holds.
    pub(crate) fn bytes(&self) -> usize {
        let messages: usize = self.messages.values().map(Message::bytes).sum();
        let changes: usize = self.changes.iter().map(Change::bytes).sum();
        self.title.len() + self.facts.len() + messages + changes
    }

    /// The messages in their order.
    fn messages(&self) -> impl Iterator<Item = &Message> {
        self.order
            .iter()
            .filter_map(|(_, id)| self.messages.get(id))
    }

    fn facts_of(&self, document: &Document) -> String {
        let infos = self.messages.values().map(|message| &message.info);
        facts::facts(document, infos, &self.limits)
    }

    fn change_session(&mut self, document: &Document) -> Vec<Patch> {
        let title = facts::title(document, &self.limits);
        let mut patches = Vec::new();
        if title != self.title {
            self.title.clone_from(&title);
            patches.push(Patch::Title { title });
        }
        patches.append(&mut self.change_facts(document));
        patches
    }

    fn change_facts(&mut self, document: &Document) -> Vec<Patch> {
        let facts = self.facts_of(document);
        if facts == self.facts {
            return Vec::new();
        }
        self.facts.clone_from(&facts);
        vec![Patch::Facts { facts }]
    }

    fn change_changes(&mut self, document: &Document) -> Vec<Patch> {
        let changes = changes::of(document, &self.limits);
        let patches = changes::patches(&self.changes, &changes);
        self.changes = changes;
        patches
    }

    fn change_message(&mut self, document: &Document, id: &str) -> Vec<Patch> {
        let mut patches = match document.get(&format!("message/{id}")) {
            None => self.remove_message(id),
            Some(stored) => match self.messages.get_mut(id) {
                None => self.show_message(document, id),
                Some(message) => {
                    let info = Info::new(stored.value(), &message.name, &self.limits);
                    match message.swaps(&info) {
                        Some(swaps) => {
                            message.info = info;
                            swaps
                        }
                        None => self.show_message(document, id),
                    }
                }
            },
        };
        patches.append(&mut self.change_facts(document));
        patches
    }

    fn remove_message(&mut self, id: &str) -> Vec<Patch> {
        let Some((id, message)) = self.messages.remove_entry(id) else {
            return Vec::new();
        };
        self.order.remove(&(message.info.created, id));
        vec![Patch::Remove {
            remove: message.id(),
        }]
    }

    /// The message is new, or stands elsewhere or is of another class than before.
    fn show_message(&mut self, document: &Document, id: &str) -> Vec<Patch> {
        let mut patches = Vec::new();
        self.put_message(document, id);
        let Some(message) = self.messages.get(id) else {
            return patches;
        };
        let place = (message.info.created, Arc::from(id));
        let before = self.order.range((Unbounded, Excluded(place))).next_back();
        let before = before.and_then(|(_, id)| self.messages.get(id));
        self.put_whole(&mut patches, message, before.map(Message::id));
        patches
    }

    /// Takes the message and its parts from the document.
    fn put_message(&mut self, document: &Document, id: &str) {
        let Some(stored) = document.get(&format!("message/{id}")) else {
            return;
        };
        let name = ids::message(id);
        let info = Info::new(stored.value(), &name, &self.limits);
        let mut parts = BTreeMap::new();
        let front = format!("part/{id}/");
        for (key, value) in below(document, &front) {
            let part_id = &key[front.len()..];
            let names = Names::new(id, part_id);
            if let Some(sketch) = part::sketch(value, &names, &self.limits) {
                let part = Part::new(sketch, names.style(&self.limits));
                parts.insert(part_id.into(), part);
            }
        }
        let id: Arc<str> = id.into();
        let created = info.created;
        let message = Message { name, info, parts };
        if let Some(old) = self.messages.insert(Arc::clone(&id), message) {
            self.order.remove(&(old.info.created, Arc::clone(&id)));
        }
        self.order.insert((created, id));
    }

    fn change_part(&mut self, document: &Document, message_id: &str, id: &str) -> Vec<Patch> {
        // A part that comes before its message is shown when that comes.
        let Some(message) = self.messages.get_mut(message_id) else {
            return Vec::new();
        };
        let names = Names::new(message_id, id);
        let stored = document.get(&format!("part/{message_id}/{id}"));
        let sketch = stored.and_then(|it| part::sketch(it.value(), &names, &self.limits));
        let style = names.style(&self.limits);
        let Some(sketch) = sketch else {
            let is_gone = message.parts.remove(id).is_some();
            let remove = is_gone.then(|| Patch::Remove {
                remove: names.id.clone(),
            });
            return remove.into_iter().collect();
        };
        let sketch = match message.parts.get_mut(id) {
            None => sketch,
            Some(part) => match part.change(sketch, style) {
                Ok(patch) => return patch.into_iter().collect(),
                Err(sketch) => sketch,
            },
        };
        let part = Part::new(sketch, style);
        let put = Patch::Put {
            put: names.id.clone(),
            into: message.id(),
            after: message
                .part_before(id)
                .map(|before| Names::new(message_id, before).id),
            html: part.html(),
        };
        message.parts.insert(id.into(), part);
        vec![put]
    }

    /// Appends what puts the message on a page: in one piece, or a large one part by part.
    fn put_whole(&self, patches: &mut Vec<Patch>, message: &Message, after: Option<String>) {
        let mut html = String::new();
        message.push_start(&mut html);
        let mut parts = message.parts.iter();
        let mut last = None;
        for (id, part) in parts.by_ref() {
            part.push_html(&mut html);
            last = Some(id);
            if html.len() > PATCH_BYTES {
                break;
            }
        }
        message.push_end(&mut html);
        patches.push(Patch::Put {
            put: message.id(),
            into: SESSION.into(),
            after,
            html,
        });
        let id_of = |part: &str| format!("p-{}.{}", message.name, ids::message(part));
        let mut last = last.map(|id| id_of(id));
        for (id, part) in parts {
            let put = id_of(id);
            patches.push(Patch::Put {
                put: put.clone(),
                into: message.id(),
                after: last.replace(put),
                html: part.html(),
            });
        }
    }

    /// Appends the message with its parts.
    fn push_message(&self, html: &mut String, message: &Message) {
        message.push_start(html);
        for part in message.parts.values() {
            part.push_html(html);
        }
        message.push_end(html);
    }
}

/// The document's entries whose keys begin with `prefix`.
fn below<'a>(
    document: &'a Document,
    prefix: &str,
) -> impl Iterator<Item = (&'a str, &'a serde_json::Value)> {
    document
        .iter_after(prefix)
        .take_while(move |(key, _)| key.starts_with(prefix))
        .map(|(key, stored)| (key, stored.value()))
}
