//! A message as it is shown: its parts in the order of their ids, as many as there is room for.
//!
//! **Invariant:** which parts are shown depends on the document alone: the longest front of them that
//! is no larger than the bound. So a change of one part can show or hide those behind it.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included, Unbounded};

use serde_json::Value;
use share_model::Document;

use super::fields::{CUT, below};
use super::ids;
use super::info::Info;
use super::limits::ViewLimits;
use super::part::{self, Names, Part};
use super::patch::{Patch, SESSION};

/// Bytes of markup from which on the parts are patches of their own.
const PATCH_BYTES: usize = 64 << 10;

/// A message as it is shown.
pub(super) struct Message {
    id: Box<str>,
    /// Its name in ids.
    name: String,
    info: Info,
    /// The parts that are shown, by id.
    parts: BTreeMap<Box<str>, Part>,
    /// The sum of their markup.
    parts_bytes: usize,
    /// The first part for which there is no room.
    left_out: Option<Box<str>>,
}

/// The id of the element of the message with that id.
pub(super) fn element_of(id: &str) -> String {
    format!("m-{}", ids::message(id))
}

impl Message {
    /// The message with its parts, if the document has it.
    pub(super) fn of(document: &Document, id: &str, limits: &ViewLimits) -> Option<Self> {
        let stored = document.get(&format!("message/{id}"))?;
        let name = ids::message(id);
        let mut message = Self {
            id: id.into(),
            info: Info::of(stored.value(), &name, limits),
            name,
            parts: BTreeMap::new(),
            parts_bytes: 0,
            left_out: None,
        };
        message.admit(document, "", limits);
        Some(message)
    }

    /// The element's id.
    pub(super) fn element(&self) -> String {
        format!("m-{}", self.name)
    }

    /// What its markup counts.
    pub(super) fn bytes(&self) -> usize {
        let Info {
            class,
            header,
            footer,
        } = &self.info;
        // What stands around these has so many at most.
        let around = 256 + 2 * self.name.len();
        around + class.len() + header.len() + footer.len() + self.parts_bytes
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        let parts = self.parts.iter();
        let parts: usize = parts.map(|(id, part)| id.len() + part.held_bytes()).sum();
        self.bytes() + parts
    }

    /// Its own value says something else. Returns what changes on the page; `None`: all of it.
    pub(super) fn change_info(&mut self, value: &Value, limits: &ViewLimits) -> Option<Vec<Patch>> {
        let new = Info::of(value, &self.name, limits);
        let old = std::mem::replace(&mut self.info, new);
        if old.class != self.info.class {
            return None;
        }
        let mut patches = Vec::new();
        if old.header != self.info.header {
            patches.push(Patch::Swap {
                swap: format!("h-{}", self.name),
                html: self.info.header.clone(),
            });
        }
        if old.footer != self.info.footer {
            patches.push(self.swap_footer());
        }
        Some(patches)
    }

    /// A part was changed. Returns what changes on the page.
    pub(super) fn change_part(
        &mut self,
        document: &Document,
        id: &str,
        limits: &ViewLimits,
    ) -> Vec<Patch> {
        // What comes behind the first one without room is not shown, whatever it says.
        if self.left_out.as_deref().is_some_and(|first| id > first) {
            return Vec::new();
        }
        let was_cut = self.left_out.is_some();
        let bytes = self.parts_bytes;
        let is_first_left_out = self.left_out.as_deref() == Some(id);
        let mut patches = match is_first_left_out {
            true => Vec::new(),
            false => self.show_part(document, id, limits).into_iter().collect(),
        };
        self.leave_out(limits, &mut patches);
        let has_room = was_cut && (is_first_left_out || self.parts_bytes < bytes);
        if let Some(first) = self.left_out.clone().filter(|_| has_room) {
            self.admit(document, &first, limits);
            let admitted = self.parts.range::<str, _>((Included(&*first), Unbounded));
            patches.extend(admitted.map(|(id, _)| self.put_part(id)));
        }
        if was_cut != self.left_out.is_some() {
            patches.push(self.swap_footer());
        }
        patches
    }

    /// Takes one part as it is in the document.
    fn show_part(&mut self, document: &Document, id: &str, limits: &ViewLimits) -> Option<Patch> {
        let names = Names::new(&self.id, id);
        let style = names.style(limits);
        let stored = document.get(&format!("part/{}/{id}", self.id));
        let sketch = stored.and_then(|it| part::sketch(it.value(), &names, limits));
        let old_bytes = self.parts.get(id).map_or(0, Part::bytes);
        self.parts_bytes -= old_bytes;
        let Some(sketch) = sketch else {
            self.parts.remove(id)?;
            return Some(Patch::Remove { remove: names.id });
        };
        if let Some(part) = self.parts.get_mut(id) {
            let changed = part.change(sketch, style);
            self.parts_bytes += part.bytes();
            return match changed {
                Some(patch) => patch,
                None => Some(self.put_part(id)),
            };
        }
        let part = Part::new(sketch, style);
        self.parts_bytes += part.bytes();
        self.parts.insert(id.into(), part);
        Some(self.put_part(id))
    }

    /// Leaves the last parts out as long as there are too many.
    fn leave_out(&mut self, limits: &ViewLimits, patches: &mut Vec<Patch>) {
        while self.parts_bytes > limits.message_bytes_max && self.parts.len() > 1 {
            let Some((id, part)) = self.parts.pop_last() else {
                return;
            };
            self.parts_bytes -= part.bytes();
            patches.push(Patch::Remove {
                remove: Names::new(&self.id, &id).id,
            });
            self.left_out = Some(id);
        }
    }

    /// Shows parts from `from` on, as many as there is room for.
    fn admit(&mut self, document: &Document, from: &str, limits: &ViewLimits) {
        self.left_out = None;
        // No part's key has an id with a slash between: it would be another message's.
        if self.id.contains('/') {
            return;
        }
        let front = format!("part/{}/", self.id);
        for (key, value) in below(document, &front, from) {
            let id = &key[front.len()..];
            let names = Names::new(&self.id, id);
            let Some(sketch) = part::sketch(value, &names, limits) else {
                continue;
            };
            let part = Part::new(sketch, names.style(limits));
            let bytes = self.parts_bytes + part.bytes();
            if bytes > limits.message_bytes_max && !self.parts.is_empty() {
                self.left_out = Some(id.into());
                return;
            }
            self.parts_bytes = bytes;
            self.parts.insert(id.into(), part);
        }
    }

    /// What puts a part that is shown on the page.
    fn put_part(&self, id: &str) -> Patch {
        let before = self.parts.range::<str, _>((Unbounded, Excluded(id)));
        let before = before.map(|(id, _)| &**id).next_back();
        Patch::Put {
            put: Names::new(&self.id, id).id,
            into: self.element(),
            after: before.map(|before| Names::new(&self.id, before).id),
            html: self.parts.get(id).map(Part::html).unwrap_or_default(),
        }
    }

    /// Whether the part is shown.
    pub(super) fn has_part(&self, id: &str) -> bool {
        self.parts.contains_key(id)
    }

    /// Appends what puts the message on a page: in one piece, or a large one part by part.
    pub(super) fn put(&self, after: Option<String>, patches: &mut Vec<Patch>) {
        let mut html = String::new();
        self.push_start(&mut html);
        let mut parts = self.parts.iter();
        for (_, part) in parts.by_ref() {
            part.push_html(&mut html);
            if html.len() > PATCH_BYTES {
                break;
            }
        }
        self.push_end(&mut html);
        patches.push(Patch::Put {
            put: self.element(),
            into: SESSION.into(),
            after,
            html,
        });
        patches.extend(parts.map(|(id, _)| self.put_part(id)));
    }

    /// Appends the element.
    pub(super) fn push_html(&self, html: &mut String) {
        self.push_start(html);
        for part in self.parts.values() {
            part.push_html(html);
        }
        self.push_end(html);
    }

    fn push_start(&self, html: &mut String) {
        let Info { class, header, .. } = &self.info;
        html.extend([
            "<article class=\"",
            class,
            "\" id=\"m-",
            &self.name,
            "\">",
            header,
            "<div class=\"parts\">",
        ]);
    }

    fn push_end(&self, html: &mut String) {
        html.push_str("</div>");
        self.push_footer(html);
        html.push_str("</article>");
    }

    fn push_footer(&self, html: &mut String) {
        html.extend(["<footer class=\"cost\" id=\"f-", &self.name, "\">"]);
        html.push_str(if self.left_out.is_some() { CUT } else { "" });
        html.extend([&self.info.footer, "</footer>"]);
    }

    fn swap_footer(&self) -> Patch {
        let mut html = String::new();
        self.push_footer(&mut html);
        Patch::Swap {
            swap: format!("f-{}", self.name),
            html,
        }
    }
}
