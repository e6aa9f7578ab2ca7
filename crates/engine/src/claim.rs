//! Claiming a writer: compare-and-set on its incarnation (`docs/design.md` §3).

use share_model::{
    Chain, HistoryId, Incarnation, Nonce, OutboxId, Refusal, Right, Seq, WriterId, planted,
};

use crate::appender::Appender;
use crate::authority::{Authority, AuthorityError};
use crate::lane::{Lane, LaneClaim, Misplaced};
use crate::record::{Change, Claimed, Record};
use crate::retirement::RoomError;
use crate::state::{Context, ShareState};

/// A request to claim a lane, by who proved its outbox key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The outbox whose lane it is.
    pub outbox: OutboxId,
    /// The incarnation that the client was given last; zero if none.
    pub incarnation: Incarnation,
    /// Stored by the client before the claim, so that it can be repeated.
    pub nonce: Nonce,
    /// The history that the client knows; `None` if none.
    pub history: Option<HistoryId>,
}

/// The answer to a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimAnswer {
    /// What to append with.
    pub appender: Appender,
    /// The incarnation that the claim gave.
    pub incarnation: Incarnation,
    /// Every outcome up to here is settled.
    pub floor: Seq,
    /// The lane's highest seq.
    pub highest: Seq,
    /// The chain at `highest`.
    pub chain: Chain,
    /// The writer's number; none before its first append.
    pub writer: Option<WriterId>,
}

/// Where a share stands with a lane: told with `historyChanged`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) history: HistoryId,
    pub(crate) floor: Seq,
    pub(crate) highest: Seq,
    pub(crate) chain: Chain,
}

impl Position {
    pub(crate) fn of(lane: Option<&Lane>, history: HistoryId) -> Self {
        Self {
            history,
            floor: lane.map_or(Seq::ZERO, Lane::floor),
            highest: lane.map_or(Seq::ZERO, Lane::highest),
            chain: lane.map_or(Chain::EMPTY, Lane::chain),
        }
    }
}

/// Why a lane was not claimed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClaimError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("the claim knows history {asked}, the server's is {}", position.history)]
    HistoryChanged {
        asked: HistoryId,
        position: Box<Position>,
    },
    #[error("outbox {outbox} was claimed since: its incarnation is {incarnation}, not {asked}")]
    Fenced {
        outbox: OutboxId,
        asked: Incarnation,
        incarnation: Incarnation,
    },
    #[error("incarnation {asked} is the last that there is")]
    IncarnationsExhausted { asked: Incarnation },
    #[error(transparent)]
    NoRoom(#[from] RoomError),
}

impl ShareState {
    /// Claims a lane: for a new incarnation, or again with the nonce of the last claim. An unknown
    /// outbox opens a lane, a retired one opens again; where there is no room, the writer that is
    /// idle longest and has nothing unsettled is retired. Always gives a record.
    ///
    /// # Errors
    ///
    /// `historyChanged` (with where the lane stands) if the claim names another history;
    /// `writerFenced` if the lane was claimed by someone else since; `writersExhausted`; `frozen`;
    /// `invalidRequest` for an incarnation beyond which none follows; what
    /// [`ShareState::authorize`] refuses for `append`.
    pub fn claim(
        &mut self,
        context: &Context,
        by: &Authority,
        request: ClaimRequest,
    ) -> Result<(ClaimAnswer, Record), Refusal> {
        let claimed = self.plan_claim(context, by, &request)?;
        let record = Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Claimed(claimed.clone()),
        };
        self.head.version = record.version;
        self.install_claim(&claimed)
            .expect("the plan was made on this state");
        let lane = self.head.ledger.lane(claimed.outbox);
        let position = Position::of(lane, context.history);
        let answer = ClaimAnswer {
            incarnation: claimed.incarnation,
            floor: position.floor,
            highest: position.highest,
            chain: position.chain,
            writer: lane.and_then(Lane::number),
            appender: Appender {
                outbox: claimed.outbox,
                incarnation: claimed.incarnation,
                nonce: claimed.nonce,
                history: context.history,
                ended: None,
            },
        };
        Ok((answer, record))
    }

    /// The incarnation that an outbox's lane has; zero if the share knows no such lane. For a writer
    /// that stores nothing of its own: the next claim with it holds.
    ///
    /// # Errors
    ///
    /// What [`ShareState::authorize`] refuses for `append`.
    pub fn incarnation(
        &self,
        context: &Context,
        by: &Authority,
        outbox: OutboxId,
    ) -> Result<Incarnation, Refusal> {
        self.check_right(by, Right::Append, context.now)?;
        let lane = self.head.ledger.lane(outbox);
        Ok(lane.map_or(Incarnation::ZERO, |lane| lane.claim().incarnation))
    }

    fn plan_claim(
        &self,
        context: &Context,
        by: &Authority,
        request: &ClaimRequest,
    ) -> Result<Claimed, ClaimError> {
        let grant = self.check_append(by, context.now)?;
        if by.epoch() != self.epoch() && planted!("epoch-at-redeem-only") {
            // A record of a claim names a grant of the epoch.
            self.standing(by, context.now)?;
        }
        let lane = self.head.ledger.lane(request.outbox);
        if let Some(asked) = request.history
            && asked != context.history
        {
            return Err(ClaimError::HistoryChanged {
                asked,
                position: Box::new(Position::of(lane, context.history)),
            });
        }
        let incarnation = next_incarnation(lane, request)?;
        let subtree = self.head.grants.subtree(grant.id);
        Ok(Claimed {
            outbox: request.outbox,
            incarnation,
            nonce: request.nonce,
            grant: grant.id,
            retired: self.make_room(request.outbox, subtree)?,
        })
    }

    /// What a claim changes: in execution and in replay.
    pub(crate) fn install_claim(&mut self, claimed: &Claimed) -> Result<(), Misplaced> {
        let held = self.head.grants.get(claimed.grant);
        let held = held.ok_or(Misplaced("a claim was made under an unknown grant"))?;
        let grant = &held.grant;
        let claim = LaneClaim {
            incarnation: claimed.incarnation,
            nonce: claimed.nonce,
            subtree: self.head.grants.subtree(grant.id),
        };
        let origin = grant.origin.clone();
        for outbox in &claimed.retired {
            self.head.ledger.retire(*outbox)?;
        }
        let version = self.head.version;
        match self.head.ledger.lane_mut(claimed.outbox) {
            Some(lane) => {
                lane.set_claim(claim);
                lane.touch(version);
            }
            None => {
                let mut lane = Lane::new(claim, origin);
                lane.touch(version);
                self.head.ledger.insert(claimed.outbox, lane);
            }
        }
        Ok(())
    }
}

/// The incarnation that a claim gives.
fn next_incarnation(
    lane: Option<&Lane>,
    request: &ClaimRequest,
) -> Result<Incarnation, ClaimError> {
    let asked = request.incarnation;
    if asked.next() == asked {
        return Err(ClaimError::IncarnationsExhausted { asked });
    }
    let Some(holder) = lane.map(Lane::claim) else {
        return Ok(asked.next());
    };
    if holder.nonce == request.nonce && !planted!("claim-not-repeatable") {
        return Ok(holder.incarnation);
    }
    // An incarnation above the share's own is let in: the server forgot.
    if asked < holder.incarnation {
        return Err(ClaimError::Fenced {
            outbox: request.outbox,
            asked,
            incarnation: holder.incarnation,
        });
    }
    Ok(asked.next())
}

#[cfg(test)]
mod tests;
