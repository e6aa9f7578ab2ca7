//! Notes: how grants are used, gathered by the server and written now and then.

use share_model::Usage;

use crate::record::{Change, Note, NoteEvent, Record};
use crate::state::{Context, ShareState};

impl ShareState {
    /// Takes notes of how grants were used. `None`: nothing of it can be kept, for the share was
    /// deleted, or the grants have gone with an epoch.
    pub fn note(&mut self, context: &Context, notes: Vec<Note>) -> Option<Record> {
        if self.is_deleted() {
            return None;
        }
        let grants = &self.head.grants;
        let is_kept = |note: &Note| note.grant.is_none_or(|grant| grants.is_taken(grant));
        let notes: Vec<_> = notes.into_iter().filter(is_kept).collect();
        if notes.is_empty() {
            return None;
        }
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Noted(notes.clone()),
        };
        self.head.version = record.version;
        self.install_notes(&notes);
        Some(record)
    }

    /// What notes change: in execution and in replay.
    pub(crate) fn install_notes(&mut self, notes: &[Note]) {
        for note in notes {
            let usage = note
                .grant
                .and_then(|grant| self.head.grants.usage_mut(grant));
            if let Some(usage) = usage {
                count(usage, note);
            }
            self.audit_note(note);
        }
    }
}

fn count(usage: &mut Usage, note: &Note) {
    let last = Some(note.last_at);
    match note.event {
        NoteEvent::Redeemed => {
            usage.redeems = usage.redeems.saturating_add(note.count);
            usage.first_redeemed_at.get_or_insert(note.at);
            usage.last_redeemed_at = usage.last_redeemed_at.max(last);
        }
        NoteEvent::Refused(_) => {
            usage.refusals = usage.refusals.saturating_add(note.count);
            usage.last_refused_at = usage.last_refused_at.max(last);
        }
        NoteEvent::Read => {
            usage.last_read_at = usage.last_read_at.max(last);
            usage.last_read_cursor = usage.last_read_cursor.max(note.cursor);
        }
        NoteEvent::RefusedUnproven | NoteEvent::Restored => {}
    }
}

#[cfg(test)]
mod tests;
