//! Table `delegation_op`: which of the ops that the outbox holds were enqueued under which claim.

use rusqlite::{Connection, params};
use share_model::Seq;

use super::super::error::OutboxError;
use super::super::sql::{count, int};

/// What this module keeps. A row goes with its op, wherever that is dropped: the trigger sees to it,
/// for a row of SQLite's may get the number of one that is gone. Re-queueing keeps an op's number.
pub(super) const TABLES: &[&str] = &[
    "CREATE TABLE delegation_op (
    op INTEGER PRIMARY KEY,
    delegation INTEGER NOT NULL
) STRICT",
    "CREATE INDEX op_of_delegation ON delegation_op (delegation)",
    "CREATE TRIGGER delegation_op_goes AFTER DELETE ON op BEGIN \
     DELETE FROM delegation_op WHERE op = OLD.id; END",
];

/// What became of the ops that were enqueued under a claim.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClaimedOps {
    /// All of them.
    pub enqueued: u64,
    /// Those without an outcome.
    pub pending: u64,
    /// Those that were applied.
    pub settled: u64,
    /// Those that were given up.
    pub dead_letters: u64,
    /// Those of which it can't be told.
    pub in_doubt: u64,
    /// Those that the outbox holds no more: they had settled, or a person had decided about them,
    /// and their retention is over.
    pub dropped: u64,
}

/// The op with this seq of the lane was enqueued under a claim.
pub(super) fn insert(
    db: &Connection,
    (lane, seq): (i64, Seq),
    delegation: i64,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "INSERT INTO delegation_op (op, delegation) \
         SELECT id, ?3 FROM op WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![lane, int(seq.get()), delegation])?;
    Ok(())
}

/// How the ops of a delegation stand, of which `enqueued` there were.
pub(super) fn of(
    db: &Connection,
    delegation: i64,
    enqueued: u64,
) -> Result<ClaimedOps, OutboxError> {
    db.prepare_cached(
        "SELECT coalesce(sum(state < 10), 0), coalesce(sum(state = 10), 0), \
         coalesce(sum(state = 11), 0), coalesce(sum(state = 12), 0), count(*) \
         FROM delegation_op JOIN standing ON standing.id = delegation_op.op \
         WHERE delegation = ?1",
    )?
    .query_row([delegation], |row| {
        Ok((|| {
            Ok(ClaimedOps {
                enqueued,
                pending: count(row, 0)?,
                settled: count(row, 1)?,
                dead_letters: count(row, 2)?,
                in_doubt: count(row, 3)?,
                dropped: enqueued.saturating_sub(count(row, 4)?),
            })
        })())
    })?
}
