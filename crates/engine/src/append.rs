//! Appending a batch: checked as a whole first, then op by op (`docs/design.md` §3).

use share_model::{Ack, Cursor, Envelope, GrantId, OutboxId, Refusal, Seq, WriterId, planted};

use crate::appender::Appender;
use crate::authority::{Authority, AuthorityError};
use crate::claim::Position;
use crate::log_answers::LogAnswers;
use crate::record::{Appended, Change, Record};
use crate::state::{Context, ShareState};

pub(crate) mod admission;
mod atomic;
mod place;
mod prepared;
mod rules;
pub(crate) mod shape;

use admission::{Fenced, HistoryError, LaneError, MemoryError, check_lane};
use place::Place;
pub use prepared::PreparedBatch;
use rules::Run;
use shape::ShapeError;

/// A batch as it was sent, and what the log says about it.
#[derive(Debug, Clone, Copy)]
pub struct AppendRequest<'a> {
    /// What was filled in at this send.
    pub envelope: &'a Envelope,
    /// What the client stored.
    pub batch: &'a PreparedBatch,
    /// The answers to [`ShareState::lookups`].
    pub log: &'a LogAnswers,
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendOutcome {
    /// The answer, to be given once the record is durable.
    pub result: Result<Ack, Refusal>,
    /// What changed; `None` if nothing did. A refused batch moves the floor at most.
    pub record: Option<Record>,
}

/// Why a batch was refused as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AppendError {
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    #[error("{why}")]
    HistoryChanged {
        why: HistoryError,
        position: Box<Position>,
    },
    #[error(transparent)]
    Fenced(#[from] Fenced),
    #[error(transparent)]
    Shape(#[from] ShapeError),
    #[error(transparent)]
    Lane(#[from] LaneError),
    #[error(transparent)]
    Memory(#[from] MemoryError),
}

/// Where a record of this batch belongs.
#[derive(Clone, Copy)]
struct Target {
    outbox: OutboxId,
    writer: WriterId,
    grant: GrantId,
    subtree: Option<GrantId>,
    cursor_before: Cursor,
    floor_before: Seq,
    /// The floor that the batch brings; at least `floor_before`.
    floor: Seq,
}

impl ShareState {
    /// Appends a batch to the lane of `appender`.
    ///
    /// A refusal of the whole batch changes nothing but the floor and ends the appender: it gives
    /// the same refusal from then on. Refused with `historyChanged`, `writerFenced`,
    /// `windowExceeded`, `outOfOrder`, `alreadySettled`, `writerForked`, `requeueLimit`,
    /// `abandonLimit`, `batchTooLarge`, `invalidRequest`, `frozen`, and with what
    /// [`ShareState::authorize`] refuses for `append`.
    pub fn append(
        &mut self,
        context: &Context,
        by: &Authority,
        appender: &mut Appender,
        request: AppendRequest<'_>,
    ) -> AppendOutcome {
        if let Some(refusal) = &appender.ended {
            return AppendOutcome {
                result: Err(refusal.clone()),
                record: None,
            };
        }
        let target = match self.target(context, by, appender, &request) {
            Ok(target) => target,
            Err(error) => {
                return AppendOutcome {
                    result: Err(end(appender, error)),
                    record: None,
                };
            }
        };
        let batch = request.batch.batch();
        let mut appended = Appended {
            outbox: target.outbox,
            writer: target.writer,
            grant: target.grant,
            batch: batch.id,
            settled_through: target.floor,
            retired: Vec::new(),
            cursor_before: target.cursor_before,
            entries: Vec::new(),
        };
        let result = match self.plan(&target, &request) {
            Ok(places) => {
                let mut run = Run::new(self, target, request.log, places.len());
                if batch.atomic {
                    run.group(&places, batch.expected_cursor);
                } else {
                    run.each(&places);
                }
                let (outcomes, entries) = run.finish();
                appended.entries = entries;
                Ok(Ack {
                    cursor: self.cursor(),
                    epoch: self.epoch(),
                    outcomes,
                })
            }
            Err(error) => Err(end(appender, error)),
        };
        let is_changed = !appended.entries.is_empty() || target.floor > target.floor_before;
        let record = is_changed.then(|| Record {
            version: self.version().next(),
            at: context.now,
            change: Change::Appended(appended),
        });
        if let Some(record) = &record {
            self.head.version = record.version;
            self.close_append(target.outbox, target.floor);
            self.count_append(record.at, target.grant, target.cursor_before);
        }
        AppendOutcome { result, record }
    }

    /// Who appends where, if the caller may speak for the lane.
    fn target(
        &self,
        context: &Context,
        by: &Authority,
        appender: &Appender,
        request: &AppendRequest<'_>,
    ) -> Result<Target, AppendError> {
        let lane = self.admit(context, by, appender, request)?;
        Ok(Target {
            outbox: appender.outbox,
            writer: self.head.ledger.number_or_next(lane),
            grant: by.grant(),
            subtree: self.head.grants.subtree(by.grant()),
            cursor_before: self.cursor(),
            floor_before: lane.floor(),
            floor: lane.floor().max(request.envelope.settled_through),
        })
    }

    /// The batch, if it passes as a whole.
    fn plan<'a>(
        &self,
        target: &Target,
        request: &AppendRequest<'a>,
    ) -> Result<Vec<Place<'a>>, AppendError> {
        let lane = self.head.ledger.lane(target.outbox);
        let lane = lane.expect("an admitted lane is in the ledger");
        shape::check(request.batch.batch(), &self.limits)?;
        let places = Place::all(request.batch, target.outbox);
        check_lane(lane, target.floor, &places, self.limits.window)?;
        self.check_memory(lane, &places, target.subtree, request.log)?;
        Ok(places)
    }

    /// What a committed append changes besides its entries: in execution and in replay. The floor
    /// moves last, so that dependencies on what this very batch settles are still in the ledger.
    pub(crate) fn close_append(&mut self, outbox: OutboxId, floor: Seq) {
        let version = self.head.version;
        if let Some(lane) = self.head.ledger.lane_mut(outbox) {
            lane.move_floor(floor);
            if lane.highest() > lane.floor() && planted!("floor-moved-by-server") {
                lane.move_floor(lane.highest());
            }
            if lane.highest() > lane.floor() && planted!("eviction-by-age") {
                lane.forget_oldest();
            }
            lane.touch(version);
        }
    }
}

/// Ends the appender with the refusal that the error stands for.
fn end(appender: &mut Appender, error: AppendError) -> Refusal {
    let refusal = Refusal::from(error);
    if !planted!("refusal-keeps-appender") {
        appender.ended = Some(refusal.clone());
    }
    refusal
}

#[cfg(test)]
mod tests;
