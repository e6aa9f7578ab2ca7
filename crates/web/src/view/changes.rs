//! The differences of the whole session, file by file.

use std::collections::BTreeSet;

use share_model::Document;

use super::diff::FileDiff;
use super::ids;
use super::limits::ViewLimits;
use super::patch::{CHANGES, Patch};

/// A file and its difference.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Change {
    id: String,
    html: String,
}

/// The differences that `session_diff` tells of: each file once, whatever it says.
pub(super) fn of(document: &Document, limits: &ViewLimits) -> Vec<Change> {
    let list = document.get("session_diff").map(|stored| stored.value());
    let mut seen = BTreeSet::new();
    let all = FileDiff::all(list).filter(|diff| seen.insert(diff.path));
    let mut bytes = 0;
    let shown = all.take(limits.files_max).map(|diff| {
        let id = format!("d-{}", ids::file(diff.path));
        let mut html = String::new();
        let is_shown = bytes < limits.diffs_bytes_max;
        diff.push(&mut html, Some(&id), is_shown, limits);
        bytes += html.len();
        Change { id, html }
    });
    shown.collect()
}

/// What changes on the page if `old` becomes `new`.
pub(super) fn patches(old: &[Change], new: &[Change]) -> Vec<Patch> {
    let is_kept = |old: &Change| new.iter().any(|new| new.id == old.id);
    let gone = old.iter().filter(|old| !is_kept(old));
    let mut patches: Vec<_> = gone
        .map(|gone| Patch::Remove {
            remove: gone.id.clone(),
        })
        .collect();
    let stay: Vec<_> = old.iter().filter(|old| is_kept(old)).collect();
    for (index, change) in new.iter().enumerate() {
        // From the first that is another, all are put: they move then.
        if stay.len() > index && stay[..=index].iter().zip(new).all(|(old, new)| *old == new) {
            continue;
        }
        patches.push(change.put(index.checked_sub(1).map(|before| &new[before])));
    }
    patches
}

impl Change {
    fn put(&self, before: Option<&Self>) -> Patch {
        Patch::Put {
            put: self.id.clone(),
            into: CHANGES.into(),
            after: before.map(|before| before.id.clone()),
            html: self.html.clone(),
        }
    }

    pub(super) fn html(&self) -> &str {
        &self.html
    }

    /// Bytes of memory that it takes.
    pub(super) fn held_bytes(&self) -> usize {
        size_of::<Self>() + self.id.len() + self.html.len()
    }
}
