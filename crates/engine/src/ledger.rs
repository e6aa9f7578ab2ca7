//! The ledger: what a share keeps to recognise repeats (`docs/design.md` §3).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use share_model::{
    Cursor, Fingerprint, FirstLane, GrantId, Identity, OutboxId, Seq, WriterId, planted,
};

use crate::lane::{Kept, Lane, LaneEntry, Misplaced};
use crate::log_answers::LogAnswers;
use crate::record::{Recorded, RecordedEntry};
use crate::remembered::{Fate, Remembered};

/// The lanes of a share and the identities that it remembers.
///
/// Memory, measured by `tests/memory.rs`: at most
///
/// * `open_writers_max` × `window` × 64 bytes: an entry has 32, and a ring grows by doubling;
/// * (`open_writers_max` + `retired_writers_max`) × (512 bytes, the origin's id, and
///   `abandoned_max` × 64 bytes): an abandoned op has 24, in a tree that may be half empty;
/// * `remembered_max` × 160 bytes: an identity and its fate have 56, in such a tree.
///
/// With the defaults that is 17 MB, 279 MB (all but 7 MB of it abandoned ops) and 11 MB.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    // The order of the fields is persisted: keep stable.
    lanes: BTreeMap<OutboxId, Lane>,
    remembered: Remembered,
    /// The number that was given last; as many lanes have one.
    last_writer: WriterId,
}

/// What the ledger knows of an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Applied, at this cursor.
    Applied(Cursor),
    /// Given up.
    Abandoned,
    /// Certainly not applied so far.
    NotApplied,
    /// Can't be told.
    Unknown,
}

impl Ledger {
    pub(crate) fn lane(&self, outbox: OutboxId) -> Option<&Lane> {
        self.lanes.get(&outbox)
    }

    pub(crate) fn lane_mut(&mut self, outbox: OutboxId) -> Option<&mut Lane> {
        self.lanes.get_mut(&outbox)
    }

    pub(crate) fn lanes(&self) -> impl Iterator<Item = (OutboxId, &Lane)> {
        self.lanes.iter().map(|(outbox, lane)| (*outbox, lane))
    }

    pub(crate) fn insert(&mut self, outbox: OutboxId, lane: Lane) {
        self.lanes.insert(outbox, lane);
    }

    pub(crate) fn remembered(&self) -> &Remembered {
        &self.remembered
    }

    /// A planted bug: what is remembered from re-queues is gone.
    pub(crate) fn forget_remembered(&mut self) {
        self.remembered = Remembered::default();
    }

    /// The number of a lane: its own, or the one that it gets with its next append.
    pub(crate) fn number_or_next(&self, lane: &Lane) -> WriterId {
        lane.number().unwrap_or(self.last_writer.next())
    }

    /// Gives a lane its number.
    pub(crate) fn set_number(
        &mut self,
        outbox: OutboxId,
        number: WriterId,
    ) -> Result<(), Misplaced> {
        let lane = self.lanes.get_mut(&outbox);
        let lane = lane.ok_or(Misplaced("a writer was never claimed"))?;
        match lane.number() {
            Some(has) if has == number => Ok(()),
            None if number == self.last_writer.next() => {
                lane.set_number(number);
                self.last_writer = number;
                Ok(())
            }
            Some(_) | None => Err(Misplaced("a writer has another number")),
        }
    }

    /// Takes a lane out of the open ones. One that never appended leaves nothing to remember: its
    /// appender is bound to its nonce, so that a later lane of the same outbox is not mistaken for
    /// it.
    pub(crate) fn retire(&mut self, outbox: OutboxId) -> Result<(), Misplaced> {
        let lane = self.lanes.get_mut(&outbox);
        let lane = lane.ok_or(Misplaced("a retired writer is unknown"))?;
        if !lane.is_settled() {
            return Err(Misplaced("a retired writer has unsettled ops"));
        }
        if lane.number().is_some() {
            lane.retire();
        } else {
            self.lanes.remove(&outbox);
        }
        Ok(())
    }

    /// Records the outcome of one entry of a lane; `cursor` is the share's cursor after it.
    pub(crate) fn record(
        &mut self,
        outbox: OutboxId,
        subtree: Option<GrantId>,
        entry: &RecordedEntry,
        cursor: Cursor,
    ) -> Result<(), Misplaced> {
        let (outcome, fate) = match &entry.outcome {
            Recorded::Applied(_) | Recorded::AppliedFor(..) => {
                (Kept::Applied(cursor), Some(Fate::Applied(cursor)))
            }
            Recorded::Duplicate(at) => (Kept::Duplicate(*at), None),
            Recorded::Rejected => (Kept::Hole, None),
            Recorded::InDoubt => (Kept::InDoubt, None),
            Recorded::Abandoned => (Kept::Abandoned, Some(Fate::Abandoned)),
        };
        if let (Some(was), Some(fate)) = (entry.was, fate) {
            let identity = first_identity(was, entry.fingerprint);
            // What its first lane keeps as abandoned need not be remembered twice.
            if fate == Fate::Abandoned && planted!("abandoned-comes-back") {
                // Not remembered at all.
            } else if fate != Fate::Abandoned || !self.is_abandoned(&identity) {
                self.remembered.insert(identity, fate, subtree);
            }
        }
        let lane = self.lanes.get_mut(&outbox);
        let lane = lane.ok_or(Misplaced("a writer was never claimed"))?;
        let fingerprint = entry.fingerprint;
        lane.record(
            entry.seq,
            LaneEntry {
                fingerprint,
                outcome,
            },
        )
    }

    /// Whether an identity was abandoned, in its first lane or elsewhere.
    pub(crate) fn is_abandoned(&self, identity: &Identity) -> bool {
        if let Some(fate) = self.remembered.get(identity) {
            return fate == Fate::Abandoned;
        }
        let Some(lane) = self.lanes.get(&identity.outbox) else {
            return false;
        };
        lane.is_abandoned_below(identity.seq, identity.fingerprint)
            || lane.entry(identity.seq).is_some_and(|entry| {
                entry.fingerprint == identity.fingerprint && entry.outcome == Kept::Abandoned
            })
    }

    /// What is known of an identity, with the log's answers for what lies at or below a floor.
    pub(crate) fn standing(&self, identity: &Identity, log: &LogAnswers) -> Standing {
        match self.remembered.get(identity) {
            Some(Fate::Applied(cursor)) => return Standing::Applied(cursor),
            Some(Fate::Abandoned) => return Standing::Abandoned,
            None => {}
        }
        let Some(lane) = self.lanes.get(&identity.outbox) else {
            return Standing::NotApplied;
        };
        if let Some(entry) = lane.entry(identity.seq) {
            return standing_of(entry, identity.fingerprint);
        }
        if lane.is_abandoned_below(identity.seq, identity.fingerprint) {
            return Standing::Abandoned;
        }
        let Some(writer) = needs_log(lane, identity.seq) else {
            return Standing::NotApplied;
        };
        match log.get(writer, identity.seq) {
            Some(Some((fingerprint, cursor)))
                if fingerprint == identity.fingerprint || planted!("no-fingerprint-check") =>
            {
                Standing::Applied(cursor)
            }
            // Another op has that seq.
            Some(Some(_)) => Standing::NotApplied,
            Some(None) if identity.seq > lane.truncated_through() => Standing::NotApplied,
            Some(None) => Standing::Unknown,
            None => {
                debug_assert!(
                    false,
                    "the log was not asked for seq {} of writer {writer}",
                    identity.seq
                );
                Standing::Unknown
            }
        }
    }

    /// Where in the log the answer about a seq of an outbox stands, if the ledger alone may not
    /// know it.
    pub(crate) fn log_place(&self, outbox: OutboxId, seq: Seq) -> Option<(WriterId, Seq)> {
        let writer = needs_log(self.lanes.get(&outbox)?, seq)?;
        Some((writer, seq))
    }

    /// Passes if a batch of the writer left its lane as batches do.
    pub(crate) fn check_lane(&self, outbox: OutboxId) -> Result<(), Misplaced> {
        match self.lanes.get(&outbox) {
            Some(lane) if lane.is_in_its_place() => Ok(()),
            Some(_) | None => Err(Misplaced(
                "a batch leaves its lane neither new nor numbered",
            )),
        }
    }

    /// Whether the parts agree with one another: asked after reading a checkpoint.
    pub(crate) fn is_sound(&self) -> bool {
        let numbered = self.lanes.values().filter_map(Lane::number);
        let mut numbers: Vec<u32> = numbered.map(WriterId::get).collect();
        numbers.sort_unstable();
        self.lanes.values().all(Lane::is_sound)
            && numbers.into_iter().eq(1..=self.last_writer.get())
    }
}

/// The identity of an op that was first enqueued at `was`.
pub(crate) fn first_identity(was: FirstLane, fingerprint: Fingerprint) -> Identity {
    Identity {
        outbox: was.outbox,
        seq: was.seq,
        fingerprint,
    }
}

/// The writer in whose part of the log a seq at or below the floor would stand.
fn needs_log(lane: &Lane, seq: Seq) -> Option<WriterId> {
    lane.number()
        .filter(|_| seq > Seq::ZERO && seq <= lane.floor())
}

fn standing_of(entry: &LaneEntry, fingerprint: Fingerprint) -> Standing {
    // Another op has that seq, so the one that is meant was not applied there.
    if entry.fingerprint != fingerprint && !planted!("no-fingerprint-check") {
        return Standing::NotApplied;
    }
    match entry.outcome {
        Kept::Applied(cursor) | Kept::Duplicate(cursor) => Standing::Applied(cursor),
        Kept::Hole => Standing::NotApplied,
        Kept::InDoubt => Standing::Unknown,
        Kept::Abandoned => Standing::Abandoned,
    }
}
