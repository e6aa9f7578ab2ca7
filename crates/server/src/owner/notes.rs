//! How a share's grants are used, gathered until it is written: into the audit, and into what the
//! owner sees of each grant. Nobody waits for it, and a crash may lose the last seconds of it.

use std::collections::BTreeMap;
use std::time::Duration;

use share_engine::{Context, Note, NoteEvent, Record};
use share_model::{Cursor, GrantId, RefusalCode, UnixMs};

use super::share::Share;
use crate::hub::Tries;

/// How long notes are gathered. A stranger who tries secrets makes the share's owner write once in
/// this time, not once a try.
const GATHER: Duration = Duration::from_secs(10);
/// Notes that are kept apart; beyond, those of one grant are counted whatever the client is called.
const NOTES_MAX: usize = 256;
/// Bytes of a client's name that tell notes apart.
const CLIENT_BYTES_MAX: usize = 128;

/// What tells notes apart: the event's number, its code, the grant, the client.
type Key = (u8, u8, Option<GrantId>, String);

/// The notes of a share.
#[derive(Debug, Default)]
pub(super) struct Notes {
    gathered: BTreeMap<Key, Note>,
    /// In a record that is not known to be durable yet.
    written: BTreeMap<Key, Note>,
    /// When they are to be written.
    due: Option<UnixMs>,
}

/// Somebody did something, at some time.
pub(super) struct Used<'a> {
    pub(super) event: NoteEvent,
    pub(super) grant: Option<GrantId>,
    pub(super) client: &'a str,
    pub(super) cursor: Cursor,
}

impl Notes {
    /// Takes note of a use.
    pub(super) fn add(&mut self, used: &Used<'_>, now: UnixMs) {
        let cut = used.client.floor_char_boundary(CLIENT_BYTES_MAX);
        let client = if self.gathered.len() < NOTES_MAX {
            &used.client[..cut]
        } else {
            ""
        };
        let note = Note {
            at: now,
            last_at: now,
            count: 1,
            event: used.event,
            grant: used.grant,
            client: client.to_owned(),
            cursor: used.cursor,
        };
        merge(&mut self.gathered, note);
        self.begin(now);
    }

    /// Notes are being gathered from now on, if they were not.
    pub(super) fn begin(&mut self, now: UnixMs) {
        let gather = u64::try_from(GATHER.as_millis()).unwrap_or(u64::MAX);
        let due = UnixMs::new(now.get().saturating_add(gather));
        self.due.get_or_insert(due);
    }

    /// When they are to be written.
    pub(super) fn due(&self) -> Option<UnixMs> {
        self.due
    }

    /// What there is, is to be written now.
    pub(super) fn make_due(&mut self) {
        self.due = Some(UnixMs::default());
    }

    fn take(&mut self) -> Vec<Note> {
        self.due = None;
        let taken = std::mem::take(&mut self.gathered);
        let notes = taken.values().cloned().collect();
        taken
            .into_values()
            .for_each(|note| merge(&mut self.written, note));
        notes
    }

    /// What was written is durable.
    pub(super) fn keep(&mut self) {
        self.written.clear();
    }

    /// What was written may not be durable: it is written again.
    pub(super) fn roll_back(&mut self, now: UnixMs) {
        let written = std::mem::take(&mut self.written);
        if !written.is_empty() {
            self.begin(now);
        }
        for note in written.into_values() {
            merge(&mut self.gathered, note);
        }
    }
}

fn merge(notes: &mut BTreeMap<Key, Note>, note: Note) {
    let (event, code) = match note.event {
        NoteEvent::Redeemed => (0, 0),
        NoteEvent::Refused(code) => (1, code),
        NoteEvent::RefusedUnproven => (2, 0),
        NoteEvent::Read => (3, 0),
        NoteEvent::Restored => (4, 0),
    };
    let key = (event, code, note.grant, note.client.clone());
    match notes.get_mut(&key) {
        Some(known) => {
            known.count = known.count.saturating_add(note.count);
            known.at = known.at.min(note.at);
            known.last_at = known.last_at.max(note.last_at);
            known.cursor = known.cursor.max(note.cursor);
        }
        None => {
            notes.insert(key, note);
        }
    }
}

impl Share {
    /// Takes note of a use of a grant.
    pub(super) fn used(&mut self, event: NoteEvent, grant: GrantId, (client, now): (&str, UnixMs)) {
        let Some(state) = &self.state else {
            return;
        };
        let cursor = state.cursor();
        let grant = Some(grant);
        let used = Used {
            event,
            grant,
            client,
            cursor,
        };
        self.notes.add(&used, now);
    }

    /// Takes note of a refusal to who had proven a grant.
    pub(super) fn refused(&mut self, code: RefusalCode, grant: GrantId, by: (&str, UnixMs)) {
        let place = RefusalCode::ALL.iter().position(|known| *known == code);
        let place = place.and_then(|place| u8::try_from(place).ok());
        if let Some(place) = place {
            self.used(NoteEvent::Refused(place), grant, by);
        }
    }

    /// Takes note of a try that proved nothing.
    pub(super) fn refused_unproven(&mut self, now: UnixMs) {
        let Some(state) = &self.state else {
            return;
        };
        let used = Used {
            event: NoteEvent::RefusedUnproven,
            grant: None,
            client: "",
            cursor: state.cursor(),
        };
        self.notes.add(&used, now);
    }

    /// Takes note of tries that proved nothing while the share was not loaded.
    pub(super) fn refused_unproven_before(&mut self, tries: Tries) {
        let Some(state) = &self.state else {
            return;
        };
        let note = Note {
            at: tries.at,
            last_at: tries.last_at,
            count: tries.count,
            event: NoteEvent::RefusedUnproven,
            grant: None,
            client: String::new(),
            cursor: state.cursor(),
        };
        merge(&mut self.notes.gathered, note);
        self.notes.begin(tries.last_at);
    }

    /// The record of what was gathered so far, how far viewers have got among it.
    pub(super) fn write_notes(&mut self, context: &Context) -> Option<Record> {
        for (grant, cursor) in self.subscribers.newly_served() {
            let used = Used {
                event: NoteEvent::Read,
                grant: Some(grant),
                client: "",
                cursor,
            };
            self.notes.add(&used, context.now);
        }
        let notes = self.notes.take();
        let record = self.state.as_mut()?.note(context, notes);
        if self.subscribers.live().next().is_some() {
            // They may get on without a call.
            self.notes.begin(context.now);
        }
        record
    }
}
