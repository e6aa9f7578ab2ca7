//! The audit: what happened to a share's authority, in a ring (`docs/design.md` §§5, 9).
//!
//! Changes of authority make their entries when their own records are applied. How grants are used
//! comes as notes ([`crate::Note`]), and what the same one does again is counted in the entry that it
//! has: so nobody who only uses a grant, or has none, pushes other entries out.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use share_model::{AuditEntry, AuditEvent, Cursor, GrantId, Origin, Refusal, RefusalCode, UnixMs};

use crate::authority::{Authority, AuthorityError};
use crate::record::{Note, NoteEvent};
use crate::state::{Context, ShareState};

/// Entries of the ring; it overwrites its oldest.
pub(crate) const AUDIT_MAX: usize = 1024;
/// Entries that are told at a time.
const PAGE: usize = 256;
/// Entries that one grant's use may have: beyond, what it does counts in the newest of its kind.
const USES_MAX: usize = 8;
/// Bytes of a client's name that are kept.
const CLIENT_BYTES_MAX: usize = 128;

/// The ring. At most [`AUDIT_MAX`] entries of about 1.3 KiB each, with the longest texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Audit {
    // The order of the fields is persisted: keep stable.
    entries: VecDeque<Entry>,
    /// The number that was given last.
    last: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    // The order of the fields is persisted: keep stable.
    number: u64,
    at: UnixMs,
    last_at: UnixMs,
    count: u64,
    event: AuditEvent,
    grant: Option<GrantId>,
    by: Option<GrantId>,
    origin: Option<Origin>,
    client: String,
    /// The place of a code in `RefusalCode::ALL`.
    refusal: Option<u8>,
    cursor: Cursor,
}

impl Entry {
    fn told(&self) -> AuditEntry {
        let code = |place: u8| RefusalCode::ALL.get(usize::from(place)).copied();
        AuditEntry {
            number: self.number,
            at: self.at,
            last_at: self.last_at,
            count: self.count,
            event: self.event,
            grant: self.grant,
            by: self.by,
            origin: self.origin.clone(),
            client: self.client.clone(),
            refusal: self.refusal.and_then(code),
            cursor: self.cursor,
        }
    }

    /// Whether both tell of the same use of the same grant.
    fn is_like(&self, other: &Self) -> bool {
        (self.event, self.grant) == (other.event, other.grant)
    }
}

impl Audit {
    fn push(&mut self, entry: Entry) {
        self.last += 1;
        let number = self.last;
        self.entries.push_back(Entry { number, ..entry });
        if self.entries.len() > AUDIT_MAX {
            self.entries.pop_front();
        }
    }

    /// Counts a use where it has an entry, or gives it one.
    fn count(&mut self, used: Entry) {
        let is_same = |entry: &Entry| {
            entry.is_like(&used) && (entry.refusal, &entry.client) == (used.refusal, &used.client)
        };
        let alike = |entry: &&Entry| entry.is_like(&used);
        let same = self.entries.iter().rposition(is_same);
        let newest = || self.entries.iter().rposition(|entry| entry.is_like(&used));
        let is_full = self.entries.iter().filter(alike).count() >= USES_MAX;
        let at = same.or_else(|| is_full.then(newest).flatten());
        match at.and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => {
                entry.count = entry.count.saturating_add(used.count);
                entry.last_at = entry.last_at.max(used.last_at);
                entry.cursor = entry.cursor.max(used.cursor);
            }
            None => self.push(used),
        }
    }

    /// Forgets everything that was written.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// What happened: the event, the grant that it happened to, and the one under which.
pub(crate) type Event = (AuditEvent, Option<GrantId>, Option<GrantId>);

impl ShareState {
    /// What happened to the share's authority, with numbers above `after`, in their order; at most
    /// 256 entries.
    ///
    /// # Errors
    ///
    /// `rightMissing` to who is not the owner; what [`ShareState::authorize`] refuses.
    pub fn audit(
        &self,
        context: &Context,
        by: &Authority,
        after: u64,
    ) -> Result<Vec<AuditEntry>, Refusal> {
        let held = self.standing(by, context.now)?;
        if held.grant.parent.is_some() {
            let grant = held.grant.id;
            return Err(AuthorityError::NotOwner { grant }.into());
        }
        let entries = self.head.audit.entries.iter();
        let above = entries.filter(|entry| entry.number > after);
        Ok(above.take(PAGE).map(Entry::told).collect())
    }

    /// Makes the entry of a change of authority: in execution and in replay.
    pub(crate) fn audit_change(&mut self, at: UnixMs, event: Event, origin: Origin) {
        let (event, grant, by) = event;
        let cursor = self.cursor();
        self.head.audit.push(Entry {
            number: 0,
            at,
            last_at: at,
            count: 1,
            event,
            grant,
            by,
            origin: Some(origin),
            client: String::new(),
            refusal: None,
            cursor,
        });
    }

    /// Takes note of an append under a grant: the first that applied something makes an entry.
    pub(crate) fn count_append(&mut self, at: UnixMs, grant: GrantId, before: Cursor) {
        if self.cursor() == before {
            return;
        }
        let Some(usage) = self.head.grants.usage_mut(grant) else {
            return;
        };
        if usage.first_appended_at.is_some() {
            return;
        }
        usage.first_appended_at = Some(at);
        let Some(held) = self.head.grants.get(grant) else {
            return;
        };
        let origin = held.grant.origin.clone();
        self.audit_change(
            at,
            (AuditEvent::AppendedFirst, Some(grant), Some(grant)),
            origin,
        );
    }

    /// Makes the entry of a note.
    pub(crate) fn audit_note(&mut self, note: &Note) {
        let (event, refusal) = match note.event {
            NoteEvent::Redeemed => (AuditEvent::Redeemed, None),
            NoteEvent::Refused(code) => (AuditEvent::Refused, Some(code)),
            NoteEvent::RefusedUnproven => (AuditEvent::RefusedUnproven, None),
            NoteEvent::Restored => (AuditEvent::Restored, None),
            NoteEvent::Read => return,
        };
        let is_unproven = note.event == NoteEvent::RefusedUnproven;
        // Strangers are counted together, whatever they call themselves and whatever they asked for.
        let grant = note.grant.filter(|_| !is_unproven);
        let client = if is_unproven { "" } else { &note.client };
        self.head.audit.count(Entry {
            number: 0,
            at: note.at,
            last_at: note.last_at,
            count: note.count,
            event,
            grant,
            by: grant,
            origin: None,
            client: client[..client.floor_char_boundary(CLIENT_BYTES_MAX)].to_owned(),
            refusal,
            cursor: note.cursor,
        });
    }
}

#[cfg(test)]
mod tests;
