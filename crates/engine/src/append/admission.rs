//! What refuses a batch as a whole: checked before any of its ops (`docs/design.md` §3).

use share_model::{GrantId, HistoryId, Incarnation, OutboxId, Seq, planted};

use super::place::Place;
use super::{AppendError, AppendRequest};
use crate::appender::Appender;
use crate::authority::{Authority, AuthorityError};
use crate::claim::Position;
use crate::lane::{Lane, LaneEntry};
use crate::ledger::Standing;
use crate::log_answers::LogAnswers;
use crate::state::{Context, ShareState};

/// A lane was claimed by someone else, or let go, since the appender was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the appender of outbox {outbox}, incarnation {incarnation}, holds the lane no more")]
pub(crate) struct Fenced {
    pub(crate) outbox: OutboxId,
    pub(crate) incarnation: Incarnation,
}

/// Why the server's history is not the one that the client speaks of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HistoryError {
    #[error("the appender is of history {found}, the server's is {history}")]
    Other {
        found: HistoryId,
        history: HistoryId,
    },
    #[error("seq {settled_through} is settled, but the highest here is {highest}")]
    SettledAboveHighest { settled_through: Seq, highest: Seq },
}

/// Why a batch does not fit its lane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LaneError {
    #[error("seq {seq} would be {ahead} past the floor, window is {window}")]
    WindowExceeded { seq: Seq, ahead: u64, window: u32 },
    #[error("seq {found} leaves a gap, expected seq {expected}")]
    OutOfOrder { found: Seq, expected: Seq },
    #[error("seq {seq} is settled, the floor is {floor}")]
    AlreadySettled { seq: Seq, floor: Seq },
    #[error("seq {seq} is known with other content")]
    Forked { seq: Seq },
}

/// Why the ledger can't remember what a batch would have it remember.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MemoryError {
    #[error("{identities} re-queued ops would be remembered, limit of the share is {max}")]
    Requeued { identities: u64, max: u32 },
    #[error("{identities} re-queued ops would be remembered below grant {subtree}, limit is {max}")]
    RequeuedBelow {
        subtree: GrantId,
        identities: u64,
        max: u32,
    },
    #[error("{abandoned} abandoned ops of the writer would be remembered, limit is {max}")]
    Abandoned { abandoned: u64, max: u32 },
}

impl ShareState {
    /// Whether the caller may speak for the lane at all. Until this passes, not even the floor
    /// moves.
    pub(super) fn admit(
        &self,
        context: &Context,
        by: &Authority,
        appender: &Appender,
        request: &AppendRequest<'_>,
    ) -> Result<&Lane, AppendError> {
        match self.check_append(by, context.now) {
            Err(AuthorityError::Frozen { .. }) if planted!("freeze-ignored-by-live-appender") => {}
            checked => drop(checked?),
        }
        let (found, epoch) = (request.envelope.capability_epoch, self.epoch());
        if found != epoch && !planted!("epoch-at-redeem-only") {
            return Err(AuthorityError::StaleEpoch { found, epoch }.into());
        }
        let lane = self.head.ledger.lane(appender.outbox);
        let history = context.history;
        if appender.history != history {
            return Err(AppendError::HistoryChanged {
                why: HistoryError::Other {
                    found: appender.history,
                    history,
                },
                position: Box::new(Position::of(lane, history)),
            });
        }
        let holds = |lane: &&Lane| {
            let holder = lane.claim();
            let is_holder =
                holder.incarnation == appender.incarnation && holder.nonce == appender.nonce;
            (is_holder || planted!("fenced-writer-still-appends")) && !lane.is_retired()
        };
        let lane = lane.filter(holds).ok_or(Fenced {
            outbox: appender.outbox,
            incarnation: appender.incarnation,
        })?;
        let settled_through = request.envelope.settled_through;
        if settled_through > lane.highest() {
            return Err(AppendError::HistoryChanged {
                why: HistoryError::SettledAboveHighest {
                    settled_through,
                    highest: lane.highest(),
                },
                position: Box::new(Position::of(Some(lane), history)),
            });
        }
        Ok(lane)
    }
}

/// Window, order, settled and forked seqs, against the floor that the batch itself brings.
pub(super) fn check_lane(
    lane: &Lane,
    floor: Seq,
    places: &[Place<'_>],
    window: u32,
) -> Result<(), LaneError> {
    let (Some(first), Some(last)) = (places.first(), places.last()) else {
        return Ok(());
    };
    let ahead = last.seq().above(floor);
    if ahead > u64::from(window) && !planted!("window-unbounded") {
        return Err(LaneError::WindowExceeded {
            seq: last.seq(),
            ahead,
            window,
        });
    }
    let mut expected = lane.highest().next();
    for found in places.iter().map(Place::seq) {
        if found > expected {
            return Err(LaneError::OutOfOrder { found, expected });
        }
        if found == expected {
            expected = expected.next();
        }
    }
    let seq = first.seq();
    if seq <= floor && !planted!("settled-answered-duplicate") {
        return Err(LaneError::AlreadySettled { seq, floor });
    }
    for place in places {
        let known = lane.entry(place.seq());
        let is_other = |known: &LaneEntry| {
            known.fingerprint != place.identity.fingerprint
                && !(known.is_final() && planted!("duplicate-for-other"))
        };
        if known.is_some_and(is_other) {
            return Err(LaneError::Forked { seq: place.seq() });
        }
    }
    Ok(())
}

impl ShareState {
    /// Whether there is room for all that the batch would have remembered for good. Counts at most
    /// too much: an op that turns out invalid is not remembered.
    pub(super) fn check_memory(
        &self,
        lane: &Lane,
        places: &[Place<'_>],
        subtree: Option<GrantId>,
        log: &LogAnswers,
    ) -> Result<(), MemoryError> {
        let ledger = &self.head.ledger;
        let (mut identities, mut abandoned) = (0, 0);
        for place in places {
            let (is_requeued, is_abandon) = (place.entry.was.is_some(), place.is_abandon());
            let known = lane.entry(place.seq());
            if !(is_requeued || is_abandon) || known.is_some_and(LaneEntry::is_final) {
                continue;
            }
            match ledger.standing(&place.identity, log) {
                Standing::NotApplied => {
                    identities += u64::from(is_requeued);
                    abandoned += u64::from(is_abandon);
                }
                Standing::Abandoned => abandoned += u64::from(is_abandon),
                Standing::Applied(_) | Standing::Unknown => {}
            }
        }
        self.check_identities(identities, subtree)?;
        let (max, sum) = (
            self.limits.abandoned_max,
            abandoned + lane.abandoned_count(),
        );
        if abandoned > 0 && sum > u64::from(max) {
            return Err(MemoryError::Abandoned {
                abandoned: sum,
                max,
            });
        }
        Ok(())
    }

    fn check_identities(&self, added: u64, subtree: Option<GrantId>) -> Result<(), MemoryError> {
        if added == 0 {
            return Ok(());
        }
        let remembered = self.head.ledger.remembered();
        let (identities, max) = (added + remembered.len(), self.limits.remembered_max);
        if identities > u64::from(max) {
            return Err(MemoryError::Requeued { identities, max });
        }
        if let Some(subtree) = subtree {
            let identities = added + u64::from(remembered.len_of(subtree));
            let max = self.limits.remembered_per_grant_max;
            if identities > u64::from(max) {
                return Err(MemoryError::RequeuedBelow {
                    subtree,
                    identities,
                    max,
                });
            }
        }
        Ok(())
    }
}
