//! What the ledger keeps of one writer.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use share_model::{
    Chain, Cursor, Fingerprint, GrantId, Incarnation, Nonce, Origin, Seq, ShareVersion, WriterId,
    planted,
};

/// A lane: claimed by an outbox, a writer once it has appended.
///
/// Memory: 32 bytes for each seq between floor and highest, of which there are at most `window`,
/// and 24 bytes and the tree's share for each abandoned op, at most `abandoned_max`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lane {
    // The order of the fields is persisted: keep stable.
    /// Given at the first append; never taken back.
    number: Option<WriterId>,
    /// Of the grant under which the lane was opened: what readers see of the writer, so it stays
    /// the same for all of its ops.
    origin: Origin,
    claim: LaneClaim,
    /// The share's version at the lane's last commit: orders lanes by how long they are idle.
    touched: ShareVersion,
    /// Only with nothing unsettled, so that floor = highest.
    retired: bool,
    /// Settled through; at most `highest`. Moves up only, and only by the writer's word.
    floor: Seq,
    /// Goes up by one with each new entry.
    highest: Seq,
    /// Over the fingerprints of seqs 1…highest.
    chain: Chain,
    /// The highest seq of this writer that truncation took out of the log.
    truncated_through: Seq,
    /// Seqs floor + 1 …= highest, in order.
    entries: VecDeque<LaneEntry>,
    /// At or below the floor. Never forgotten.
    abandoned: BTreeSet<(Seq, Fingerprint)>,
    /// Abandoned ops above the floor; with `abandoned`, at most `abandoned_max`.
    abandoned_above: u32,
}

/// Who holds a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneClaim {
    // The order of the fields is persisted: keep stable.
    pub(crate) incarnation: Incarnation,
    pub(crate) nonce: Nonce,
    /// The subtree of grants in which the lane counts; `None`: the owner's own.
    pub(crate) subtree: Option<GrantId>,
}

/// One seq of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LaneEntry {
    // The order of the fields is persisted: keep stable.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) outcome: Kept,
}

/// The outcome of an op, as the ledger keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kept {
    // The order of the variants is persisted: keep stable.
    /// Applied here, at this cursor.
    Applied(Cursor),
    /// Applied elsewhere, at this cursor.
    Duplicate(Cursor),
    /// Not applied; the same op may fill it later.
    Hole,
    /// Whether it was applied can't be told.
    InDoubt,
    /// Given up.
    Abandoned,
}

impl LaneEntry {
    /// Whether the outcome never changes any more.
    pub(crate) fn is_final(&self) -> bool {
        self.outcome != Kept::Hole
    }
}

/// An entry that does not follow the lane that it is recorded in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misplaced(pub(crate) &'static str);

impl Lane {
    pub(crate) fn new(claim: LaneClaim, origin: Origin) -> Self {
        Self {
            number: None,
            origin,
            claim,
            touched: ShareVersion::ZERO,
            retired: false,
            floor: Seq::ZERO,
            highest: Seq::ZERO,
            chain: Chain::EMPTY,
            truncated_through: Seq::ZERO,
            entries: VecDeque::new(),
            abandoned: BTreeSet::new(),
            abandoned_above: 0,
        }
    }

    pub(crate) fn number(&self) -> Option<WriterId> {
        self.number
    }

    pub(crate) fn set_number(&mut self, number: WriterId) {
        self.number = Some(number);
    }

    pub(crate) fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(crate) fn claim(&self) -> &LaneClaim {
        &self.claim
    }

    /// Hands the lane to a new holder, open.
    pub(crate) fn set_claim(&mut self, claim: LaneClaim) {
        self.claim = claim;
        self.retired = false;
    }

    pub(crate) fn touched(&self) -> ShareVersion {
        self.touched
    }

    pub(crate) fn touch(&mut self, version: ShareVersion) {
        self.touched = version;
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired
    }

    /// Whether the lane may be retired: nothing of it is unsettled.
    pub(crate) fn is_settled(&self) -> bool {
        self.floor == self.highest
    }

    pub(crate) fn retire(&mut self) {
        self.move_floor(self.highest);
        // There may be thousands of retired lanes: none of them holds on to a window's memory.
        self.entries = VecDeque::new();
        self.retired = true;
    }

    pub(crate) fn floor(&self) -> Seq {
        self.floor
    }

    pub(crate) fn highest(&self) -> Seq {
        self.highest
    }

    pub(crate) fn chain(&self) -> Chain {
        self.chain
    }

    pub(crate) fn truncated_through(&self) -> Seq {
        self.truncated_through
    }

    /// Says that truncation took the writer's ops up to `seq` out of the log.
    #[cfg(test)]
    pub(crate) fn set_truncated_through(&mut self, seq: Seq) {
        self.truncated_through = seq;
    }

    /// The entry of a seq above the floor and not above the highest.
    pub(crate) fn entry(&self, seq: Seq) -> Option<&LaneEntry> {
        let above = usize::try_from(seq.above(self.floor)).ok()?;
        self.entries.get(above.checked_sub(1)?)
    }

    /// Whether an op at or below the floor was given up.
    pub(crate) fn is_abandoned_below(&self, seq: Seq, fingerprint: Fingerprint) -> bool {
        self.abandoned.contains(&(seq, fingerprint))
    }

    /// How many abandoned ops the lane remembers.
    pub(crate) fn abandoned_count(&self) -> u64 {
        self.abandoned.len() as u64 + u64::from(self.abandoned_above)
    }

    /// Records the outcome of the next seq, or of a hole that is filled.
    pub(crate) fn record(&mut self, seq: Seq, entry: LaneEntry) -> Result<(), Misplaced> {
        if seq > self.highest {
            if seq != self.highest.next() {
                return Err(Misplaced("an entry leaves a gap in its lane"));
            }
            self.highest = seq;
            self.chain = self.chain.then(entry.fingerprint);
            self.entries.push_back(entry);
        } else {
            let above = usize::try_from(seq.above(self.floor)).unwrap_or(usize::MAX);
            let hole = above
                .checked_sub(1)
                .and_then(|at| self.entries.get_mut(at))
                .filter(|old| !old.is_final() && old.fingerprint == entry.fingerprint)
                .ok_or(Misplaced("an entry changes an outcome that is final"))?;
            *hole = entry;
        }
        if entry.outcome == Kept::Abandoned {
            self.abandoned_above += 1;
        }
        Ok(())
    }

    /// Moves the floor up to `to`, at most to the highest, and forgets the entries that it passes;
    /// of these only the abandoned ones stay remembered.
    pub(crate) fn move_floor(&mut self, to: Seq) {
        while self.floor < to.min(self.highest) {
            self.floor = self.floor.next();
            let Some(passed) = self.entries.pop_front() else {
                break;
            };
            if passed.outcome == Kept::Abandoned {
                self.abandoned_above -= 1;
                if !planted!("abandoned-comes-back") {
                    self.abandoned.insert((self.floor, passed.fingerprint));
                }
            }
        }
    }

    /// A planted bug: keeps the newest few outcomes, and takes what is older for never applied.
    pub(crate) fn forget_oldest(&mut self) {
        const KEPT: usize = 4;
        let oldest = self.entries.len().saturating_sub(KEPT);
        for entry in self.entries.iter_mut().take(oldest) {
            if let Kept::Applied(_) | Kept::Duplicate(_) = entry.outcome {
                entry.outcome = Kept::Hole;
            }
        }
    }

    /// Whether the lane has a number if it appended, and is retired only if it is settled: asked after a
    /// replayed batch, which could say otherwise.
    pub(crate) fn is_in_its_place(&self) -> bool {
        self.number.is_some() == (self.highest > Seq::ZERO) && (!self.retired || self.is_settled())
    }

    /// Whether the parts agree with one another: asked after reading a checkpoint.
    pub(crate) fn is_sound(&self) -> bool {
        let abandoned = self
            .entries
            .iter()
            .filter(|entry| entry.outcome == Kept::Abandoned)
            .count();
        self.floor <= self.highest
            && self.highest.above(self.floor) == self.entries.len() as u64
            && self.abandoned_above as usize == abandoned
            && self.is_in_its_place()
            && self.abandoned.iter().all(|(seq, _)| *seq <= self.floor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_costs_what_the_bound_says() {
        assert_eq!(size_of::<LaneEntry>(), 32);
    }
}
