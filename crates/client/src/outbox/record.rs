//! Recording an answer: every outcome becomes durable, then settled-through moves.

use std::time::Duration;

use rusqlite::Connection;
use share_model::{Cursor, MutationError, OpOutcome, RejectReason, Seq, UnixMs, planted};

use super::batches::{self, Kind, StoredBatch};
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members::{self, Fresh, Member};
use super::options::RetryPolicy;
use super::outcome::{Failure, Outcome, OutcomeEvent};
use super::own_way;
use super::progress::{self, Answered, Answers, Applying, RowState};

/// How long an op that was applied before its server went back in time is tried again: what it
/// depends on may be held by an outbox whose machine is away.
const FED_AGE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What an answer changed.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// Ops that have ended.
    pub(crate) ended: Vec<OutcomeEvent>,
    /// Ops that were rejected and are tried again, or given up by a batch of its own.
    pub(crate) waiting: u64,
    pub(crate) settled_through: Seq,
}

impl Recorded {
    /// What a later answer changed as well.
    pub(super) fn add(&mut self, later: Self) {
        self.ended.extend(later.ended);
        self.waiting += later.waiting;
        self.settled_through = later.settled_through;
    }
}

/// The answer to a batch.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) batch: i64,
    /// One per member, in order.
    pub(crate) outcomes: Vec<OpOutcome>,
    /// The members, if they are known to stand as they did when they were sent.
    pub(crate) fresh: Option<Vec<Fresh>>,
}

/// Records the answer to a batch. A batch that has its answer already is left alone.
pub(crate) fn record(
    db: &Connection,
    mut lane: Lane,
    answer: &Answer,
    times: (UnixMs, &RetryPolicy),
) -> Result<Recorded, OutboxError> {
    let open = batches::open(db, lane.number)?;
    let Some(batch) = open.into_iter().find(|batch| batch.number == answer.batch) else {
        return Ok(Recorded {
            settled_through: lane.settled_through,
            ..Recorded::default()
        });
    };
    let outcomes = &answer.outcomes;
    let mut recorded = match all_applied(db, &lane, answer, &batch)? {
        Some(applied) => record_applied(db, &mut lane, (&batch, &applied), times.0)?,
        None => {
            own_way::write_out(db, lane.number, &batch)?;
            batches::set_answered(db, batch.number)?;
            record_each(db, &mut lane, (&batch, outcomes), times)?
        }
    };
    lane.answered_through = lane.answered_through.max(batch.ends.1);
    let reached = outcomes.iter().filter_map(OpOutcome::cursor).max();
    lane.cursor = lane.cursor.max(reached.unwrap_or_default());
    settle(db, &mut lane)?;
    recorded.settled_through = lane.settled_through;
    Ok(recorded)
}

/// The batch's members and how they ended, if every one was applied and nothing but that is to be
/// written: of a whole batch in any case, of another one if they are known.
fn all_applied(
    db: &Connection,
    lane: &Lane,
    answer: &Answer,
    batch: &StoredBatch,
) -> Result<Option<Vec<(Fresh, Outcome)>>, OutboxError> {
    let applied = answer.outcomes.iter().map_while(|outcome| match outcome {
        OpOutcome::Applied(cursor) => Some(Outcome::Applied(*cursor)),
        OpOutcome::Duplicate(cursor) => Some(Outcome::Duplicate(*cursor)),
        _ => None,
    });
    let applied: Vec<_> = applied.collect();
    let are_all = applied.len() == answer.outcomes.len();
    if !are_all || batch.kind != Kind::Apply || batch.atomic && !batch.whole {
        return Ok(None);
    }
    let fresh = match &answer.fresh {
        Some(fresh) => fresh.clone(),
        None if batch.whole => members::fresh(db, lane.number, batch.ends)?,
        None => return Ok(None),
    };
    let is_each = fresh.len() == applied.len();
    Ok(is_each.then(|| fresh.into_iter().zip(applied).collect()))
}

fn record_applied(
    db: &Connection,
    lane: &mut Lane,
    (batch, applied): (&StoredBatch, &[(Fresh, Outcome)]),
    now: UnixMs,
) -> Result<Recorded, OutboxError> {
    if batch.whole {
        let outcomes: Vec<_> = applied.iter().map(|(_, outcome)| outcome.clone()).collect();
        batches::set_applied(db, batch.number, (&outcomes, now))?;
    } else {
        let mut applying = Applying::new(db, lane.number, now)?;
        for (op, outcome) in applied {
            applying.write(op.seq, outcome)?;
        }
        batches::set_answered(db, batch.number)?;
    }
    let mut recorded = Recorded::default();
    for (op, outcome) in applied {
        lane.settled_ops += 1;
        lane.settled_bytes += op.entry_bytes;
        recorded.ended.push(OutcomeEvent {
            share: lane.share,
            seq: op.seq,
            op_id: op.op_id,
            outcome: outcome.clone(),
        });
    }
    Ok(recorded)
}

fn record_each(
    db: &Connection,
    lane: &mut Lane,
    (batch, outcomes): (&StoredBatch, &[OpOutcome]),
    times: (UnixMs, &RetryPolicy),
) -> Result<Recorded, OutboxError> {
    let members = members::of_batch(db, lane.number, batch.number, batch.ends)?;
    let group_ends = group_ends(batch, outcomes);
    let mut recorded = Recorded::default();
    let mut answers = Answers::new(db)?;
    for (member, outcome) in members.iter().zip(outcomes) {
        let verdict = match verdict(batch, member, outcome) {
            Verdict::TryAgain(reason) if group_ends => Verdict::GiveUp(Failure::Rejected(reason)),
            verdict => verdict,
        };
        match apply(&mut answers, lane, member, verdict, times)? {
            Some(outcome) => recorded.ended.push(OutcomeEvent {
                share: lane.share,
                seq: member.seq,
                op_id: member.op_id,
                outcome,
            }),
            None => recorded.waiting += 1,
        }
    }
    Ok(recorded)
}

/// Moves settled-through up to the first op without a final outcome, and stores it.
pub(super) fn settle(db: &Connection, lane: &mut Lane) -> Result<(), OutboxError> {
    let first_open = progress::first_unsettled(db, lane.number)?.unwrap_or(lane.next_seq);
    let through = Seq::new(first_open.get() - 1);
    lane.settled_through = lane.settled_through.max(through);
    lanes::set_settled(db, lane)
}

enum Verdict {
    End(Outcome),
    /// Something may change it.
    TryAgain(RejectReason),
    /// Nothing will; the server is asked to remember that.
    GiveUp(Failure),
}

fn verdict(batch: &StoredBatch, member: &Member, outcome: &OpOutcome) -> Verdict {
    match outcome {
        // An abandoned op that was applied after all comes back as a duplicate.
        OpOutcome::Applied(cursor) => Verdict::End(Outcome::Applied(*cursor)),
        OpOutcome::Duplicate(cursor) => Verdict::End(Outcome::Duplicate(*cursor)),
        OpOutcome::InDoubt => Verdict::End(Outcome::InDoubt),
        OpOutcome::Abandoned | OpOutcome::Rejected(RejectReason::Abandoned) => {
            let ours = member
                .outcome
                .clone()
                .filter(|_| batch.kind == Kind::Abandon);
            Verdict::End(ours.unwrap_or(Outcome::DeadLetter(Failure::AbandonedElsewhere)))
        }
        OpOutcome::Rejected(_) if planted!("rejected-taken-as-applied") => {
            Verdict::End(Outcome::Duplicate(Cursor::ZERO))
        }
        OpOutcome::Rejected(reason) if may_change(reason) => Verdict::TryAgain(reason.clone()),
        OpOutcome::Rejected(reason) => Verdict::GiveUp(Failure::Rejected(reason.clone())),
    }
}

/// Whether a later try of the same op can end otherwise.
fn may_change(reason: &RejectReason) -> bool {
    match reason {
        // Cursors only grow.
        RejectReason::CursorMismatch { expected, actual } => can_reach(*actual, *expected),
        RejectReason::InvalidMutation(
            MutationError::NotJson | MutationError::KeyEmpty | MutationError::KeyTooLong { .. },
        ) => false,
        reason => reason.may_change(),
    }
}

fn can_reach(actual: Cursor, expected: Cursor) -> bool {
    actual < expected
}

/// Whether an atomic group is at its end: one of its ops can't be applied any more, or part of it
/// has ended, so that it can't be sent whole.
fn group_ends(batch: &StoredBatch, outcomes: &[OpOutcome]) -> bool {
    batch.atomic
        && outcomes.iter().any(|outcome| match outcome {
            OpOutcome::Rejected(reason) => !may_change(reason),
            _ => true,
        })
}

fn apply(
    answers: &mut Answers<'_>,
    lane: &mut Lane,
    member: &Member,
    verdict: Verdict,
    (now, retry): (UnixMs, &RetryPolicy),
) -> Result<Option<Outcome>, OutboxError> {
    let rejections = member.rejections.saturating_add(1);
    let first_rejected_at = member.first_rejected_at.unwrap_or(now);
    let (mut state, give_up, outcome) = match verdict {
        Verdict::End(outcome) => (end_state(&outcome), false, outcome),
        Verdict::TryAgain(reason) => {
            let age = now.get().saturating_sub(first_rejected_at.get());
            let over = if member.fed {
                u128::from(age) >= FED_AGE_MAX.as_millis()
            } else {
                rejections >= retry.attempts_max || u128::from(age) >= retry.age_max.as_millis()
            };
            // An op that is being abandoned stays so.
            let give_up = over || member.give_up;
            (
                RowState::Rejected,
                give_up,
                Outcome::DeadLetter(Failure::Rejected(reason)),
            )
        }
        Verdict::GiveUp(failure) => (RowState::Rejected, true, Outcome::DeadLetter(failure)),
    };
    if give_up && planted!("abandonment-by-client") {
        state = RowState::DeadLetter;
    }
    let ended = state.is_final();
    // What is given up now goes at once; a rejected request to give up waits like any other.
    let waits = !ended && (!give_up || member.give_up);
    if state == RowState::Settled {
        lane.settled_ops += 1;
        lane.settled_bytes += member.entry_bytes;
    }
    let answered = Answered {
        state,
        give_up,
        rejections: if ended { member.rejections } else { rejections },
        first_rejected_at: if ended {
            member.first_rejected_at
        } else {
            Some(first_rejected_at)
        },
        next_attempt_at: waits.then(|| now.plus_ms(delay_ms(rejections, retry))),
        outcome: Some(&outcome),
        settled_at: ended.then_some(now),
    };
    answers.write(lane.number, member.seq, &answered)?;
    Ok(ended.then_some(outcome))
}

fn end_state(outcome: &Outcome) -> RowState {
    match outcome {
        Outcome::Applied(_) | Outcome::Duplicate(_) => RowState::Settled,
        Outcome::DeadLetter(_) => RowState::DeadLetter,
        Outcome::InDoubt => RowState::InDoubt,
    }
}

/// Doubles with each rejection, up to the policy's longest.
fn delay_ms(rejections: u32, retry: &RetryPolicy) -> u64 {
    let factor = 1_u32
        .checked_shl(rejections.saturating_sub(1))
        .unwrap_or(u32::MAX);
    let delay = retry.delay.saturating_mul(factor).min(retry.delay_max);
    u64::try_from(delay.as_millis()).unwrap_or(u64::MAX)
}

/// Ends every op of the lane that has no outcome as in doubt: its share is gone.
pub(crate) fn all_in_doubt(
    db: &Connection,
    mut lane: Lane,
    now: UnixMs,
) -> Result<Vec<OutcomeEvent>, OutboxError> {
    let mut ended = Vec::new();
    own_way::write_out_unsettled(db, lane.number)?;
    for batch in batches::open(db, lane.number)? {
        batches::set_answered(db, batch.number)?;
    }
    let mut answers = Answers::new(db)?;
    let from = lane.settled_through.next();
    for member in members::between(db, lane.number, (from, lane.last_seq()))? {
        if member.state.is_final() {
            continue;
        }
        let answered = Answered {
            state: RowState::InDoubt,
            give_up: false,
            rejections: member.rejections,
            first_rejected_at: member.first_rejected_at,
            next_attempt_at: None,
            outcome: Some(&Outcome::InDoubt),
            settled_at: Some(now),
        };
        answers.write(lane.number, member.seq, &answered)?;
        ended.push(OutcomeEvent {
            share: lane.share,
            seq: member.seq,
            op_id: member.op_id,
            outcome: Outcome::InDoubt,
        });
    }
    settle(db, &mut lane)?;
    Ok(ended)
}
