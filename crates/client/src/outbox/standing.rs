//! View `standing`: every op that is held, and where it stands, with a row of its own in `progress` or
//! without one.
//!
//! On the ordinary way an op has no such row. Of each lane holds:
//!
//! * above `cut_through` every op is queued, and has no row;
//! * at or below it an op has a row, or lies between the ends of one *whole* batch, never both.
//!
//! A whole batch has every seq from its first to its last, and they stand as the batch does: reserved,
//! sent as often as it was, or applied with what was answered. What is to go another way gets a row
//! before ([`own_way`]), and its batch is whole no more.
//!
//! [`own_way`]: super::own_way

use rusqlite::Row;
use serde::{Deserialize, Serialize};
use share_model::{Cursor, Seq};

use super::error::OutboxError;
use super::outcome::{self, Outcome};
use super::sql::seq;

/// Reads ops in seq order at the cost of those that it reads. Where only what is not settled is wanted,
/// there are faster ways.
pub(super) const VIEW: &str = "CREATE VIEW standing AS SELECT
    op.id, op.lane, op.seq, op.op_id, op.chain, op.bytes, op.group_first, op.group_last,
    op.group_cursor, op.enqueued_at, op.entry,
    CASE WHEN progress.seq IS NOT NULL THEN progress.state
        WHEN run.number IS NULL THEN 1
        WHEN run.answered THEN 10
        WHEN run.attempts > 0 THEN 3
        ELSE 2 END AS state,
    coalesce(progress.batch, run.number) AS batch,
    coalesce(progress.give_up, 0) AS give_up,
    coalesce(progress.alone, 0) AS alone,
    coalesce(progress.attempts, run.attempts, 0) AS attempts,
    coalesce(progress.rejections, 0) AS rejections,
    progress.first_rejected_at, progress.next_attempt_at, progress.outcome, progress.error,
    coalesce(progress.settled_at, run.settled_at) AS settled_at,
    progress.resolution, progress.resolved_at, progress.replacement,
    coalesce(progress.fed, 0) AS fed,
    run.first_seq AS run_first, run.outcomes AS run_outcomes
    FROM op
    LEFT JOIN progress ON progress.lane = op.lane AND progress.seq = op.seq
    LEFT JOIN batch AS run ON progress.seq IS NULL AND run.first_seq <= op.seq AND run.number =
        (SELECT number FROM batch WHERE batch.lane = op.lane AND batch.whole = 1
        AND batch.last_seq >= op.seq ORDER BY batch.last_seq LIMIT 1)";

/// The outcome of an op: in column `own` of its row, or that of its batch, whose `run_first` and
/// `run_outcomes` stand in the columns from `run` on.
pub(super) fn outcome(
    row: &Row<'_>,
    at: Seq,
    (own, run): (usize, usize),
) -> Result<Option<Outcome>, OutboxError> {
    if let Some(bytes) = row.get::<_, Option<Vec<u8>>>(own)? {
        return outcome::decode(&bytes).map(Some);
    }
    match row.get::<_, Option<Vec<u8>>>(run + 1)? {
        None => Ok(None),
        Some(bytes) => outcome_in(&bytes, at.above(seq(row, run)?)).map(Some),
    }
}

/// Persisted, keep stable.
const FORMAT: u8 = 1;

/// Outcomes that count up from the first one's cursor, as they do where a batch is applied in one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Run {
    // The order of the fields is persisted: keep stable.
    ops: u64,
    first: Outcome,
}

impl Run {
    fn at(&self, index: u64) -> Option<Outcome> {
        match &self.first {
            Outcome::Applied(first) => plus(*first, index).map(Outcome::Applied),
            Outcome::Duplicate(first) => plus(*first, index).map(Outcome::Duplicate),
            Outcome::DeadLetter(_) | Outcome::InDoubt => None,
        }
    }
}

fn plus(cursor: Cursor, ops: u64) -> Option<Cursor> {
    cursor.get().checked_add(ops).map(Cursor::new)
}

/// The outcomes of a whole batch, each of which says that the op was applied.
pub(super) fn encode(outcomes: &[Outcome]) -> Result<Vec<u8>, OutboxError> {
    let mut runs: Vec<Run> = Vec::new();
    for outcome in outcomes {
        match runs.last_mut() {
            Some(run) if run.at(run.ops).as_ref() == Some(outcome) => run.ops += 1,
            _ => runs.push(Run {
                ops: 1,
                first: outcome.clone(),
            }),
        }
    }
    postcard::to_extend(&runs, vec![FORMAT]).map_err(|_| OutboxError::Unreadable {
        what: "outcomes that were just made",
    })
}

/// The outcome at `index` among those of a whole batch.
pub(super) fn outcome_in(bytes: &[u8], mut index: u64) -> Result<Outcome, OutboxError> {
    let what = "the outcomes of a batch";
    let runs: Vec<Run> = match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            postcard::from_bytes(rest).map_err(|_| OutboxError::Unreadable { what })?
        }
        _ => return Err(OutboxError::Unreadable { what }),
    };
    for run in runs {
        if index < run.ops {
            return run.at(index).ok_or(OutboxError::Unreadable { what });
        }
        index -= run.ops;
    }
    Err(OutboxError::Unreadable { what })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(cursor: u64) -> Outcome {
        Outcome::Applied(Cursor::new(cursor))
    }

    fn duplicate(cursor: u64) -> Outcome {
        Outcome::Duplicate(Cursor::new(cursor))
    }

    /// The bytes by hand: what outboxes hold.
    #[test]
    fn outcomes_that_count_up_take_the_room_of_one() {
        let outcomes: Vec<_> = (7..107).map(applied).collect();
        let bytes = encode(&outcomes).unwrap();
        assert_eq!(bytes, [1, 1, 100, 0, 7]);
        for (index, outcome) in (0..).zip(&outcomes) {
            assert_eq!(outcome_in(&bytes, index).unwrap(), *outcome);
        }
        let beyond = outcome_in(&bytes, 100);
        assert!(matches!(beyond, Err(OutboxError::Unreadable { .. })));
    }

    #[test]
    fn each_outcome_of_a_whole_batch_reads_back_as_it_was() {
        let outcomes = [
            applied(3),
            applied(4),
            duplicate(5),
            duplicate(6),
            duplicate(2),
            applied(3),
            applied(u64::MAX),
            applied(0),
        ];
        let bytes = encode(&outcomes).unwrap();
        for (index, outcome) in (0..).zip(&outcomes) {
            assert_eq!(outcome_in(&bytes, index).unwrap(), *outcome);
        }
    }

    #[test]
    fn another_format_is_refused() {
        let mut bytes = encode(&[applied(3)]).unwrap();
        bytes[0] = 2;
        for bytes in [&bytes[..], &[]] {
            let refused = outcome_in(bytes, 0);
            assert!(matches!(refused, Err(OutboxError::Unreadable { .. })));
        }
    }
}
