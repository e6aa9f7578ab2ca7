//! What the log says about seqs that the ledger has let go.

use std::collections::BTreeMap;

use share_model::{Batch, Cursor, Entry, EntryBody, Fingerprint, Seq, WriterId};

use crate::append::shape;
use crate::appender::Appender;
use crate::state::ShareState;

/// The log's answers to [`ShareState::lookups`]. An answer stays true for good: what is settled is
/// never applied later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogAnswers(BTreeMap<(WriterId, Seq), Option<(Fingerprint, Cursor)>>);

impl LogAnswers {
    /// No answers: enough for batches without lookups.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes what the log holds at a writer's seq: fingerprint and cursor, or `None` if no applied
    /// op is there.
    pub fn insert(&mut self, writer: WriterId, seq: Seq, found: Option<(Fingerprint, Cursor)>) {
        self.0.insert((writer, seq), found);
    }

    /// Whether every one of these questions has its answer.
    pub fn covers(&self, lookups: &[(WriterId, Seq)]) -> bool {
        lookups.iter().all(|lookup| self.0.contains_key(lookup))
    }

    /// The answer, if the log was asked.
    pub(crate) fn get(&self, writer: WriterId, seq: Seq) -> Option<Option<(Fingerprint, Cursor)>> {
        self.0.get(&(writer, seq)).copied()
    }
}

impl ShareState {
    /// What [`ShareState::append`] will need from the log: the places of dependencies and first
    /// lanes at or below a floor. Mostly empty.
    ///
    /// Floors move with other appends: whoever let one pass while the log was read asks again,
    /// until the answers cover the questions. A batch that will be refused needs nothing.
    pub fn lookups(&self, appender: &Appender, batch: &Batch) -> Vec<(WriterId, Seq)> {
        // Most batches ask for nothing, whatever their lane.
        if !batch.entries.iter().any(may_ask) {
            return Vec::new();
        }
        let ledger = &self.head.ledger;
        let Some(lane) = ledger.lane(appender.outbox()) else {
            return Vec::new();
        };
        if shape::check(batch, &self.limits).is_err() {
            return Vec::new();
        }
        let mut places = Vec::new();
        for entry in &batch.entries {
            if lane.entry(entry.seq).is_some_and(|old| old.is_final()) {
                continue;
            }
            let first = entry.was.map(|was| (was.outbox, was.seq));
            let first_outbox = first.map_or(appender.outbox(), |(outbox, _)| outbox);
            let depends_on = match &entry.body {
                EntryBody::Op(op) => op.depends_on.as_slice(),
                EntryBody::Abandon(_) => &[],
            };
            let depends_on = depends_on
                .iter()
                .map(|on| (on.outbox.unwrap_or(first_outbox), on.seq));
            let asked = first.into_iter().chain(depends_on);
            places.extend(asked.filter_map(|(outbox, seq)| ledger.log_place(outbox, seq)));
        }
        places.sort_unstable();
        places.dedup();
        places
    }
}

/// Whether an entry speaks of other places than its own.
fn may_ask(entry: &Entry) -> bool {
    let depends_on = match &entry.body {
        EntryBody::Op(op) => op.depends_on.as_slice(),
        EntryBody::Abandon(_) => &[],
    };
    entry.was.is_some() || !depends_on.is_empty()
}
