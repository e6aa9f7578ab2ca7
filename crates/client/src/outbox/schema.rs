//! The tables, and the marks by which a file is known. Persisted, keep stable.

use rusqlite::Connection;

use super::{delegation, lease, recoveries};

/// `PRAGMA application_id`: the bytes "ShOb". For ever.
pub(super) const APPLICATION_ID: i32 = 0x5368_4f62;
/// `PRAGMA user_version` of the tables below; counts up with each migration.
pub(super) const VERSION: u32 = 2;

/// One row per lane: the share's own lane now, and those that it had before.
const LANE: &str = "CREATE TABLE lane (
    number INTEGER PRIMARY KEY,
    share BLOB NOT NULL,
    ref TEXT NOT NULL,
    ref_number INTEGER NOT NULL,
    outbox_key BLOB NOT NULL,
    incarnation INTEGER NOT NULL,
    nonce BLOB,
    history BLOB,
    next_seq INTEGER NOT NULL,
    chain BLOB NOT NULL,
    settled_through INTEGER NOT NULL,
    answered_through INTEGER NOT NULL,
    pruned_through INTEGER NOT NULL,
    pruned_chain BLOB NOT NULL,
    settled_ops INTEGER NOT NULL,
    settled_bytes INTEGER NOT NULL,
    limits BLOB,
    stop_code TEXT,
    stop_message TEXT,
    stopped_at INTEGER,
    left_at INTEGER,
    cursor INTEGER NOT NULL DEFAULT 0
) STRICT";

/// A share has one lane that is not left.
const OWN_LANE: &str = "CREATE UNIQUE INDEX own_lane ON lane (share) WHERE left_at IS NULL";

/// One row per op: what it is. Never changed after its insert, so that settling an op does not
/// write its bytes again.
const OP: &str = "CREATE TABLE op (
    id INTEGER PRIMARY KEY,
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    op_id BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    chain BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    group_first INTEGER,
    group_last INTEGER,
    group_cursor INTEGER,
    enqueued_at INTEGER NOT NULL,
    entry BLOB NOT NULL,
    UNIQUE (lane, seq),
    UNIQUE (lane, op_id)
) STRICT";

/// One row per op: where it stands.
const PROGRESS: &str = "CREATE TABLE progress (
    lane INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state INTEGER NOT NULL,
    batch INTEGER,
    give_up INTEGER NOT NULL DEFAULT 0,
    alone INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    rejections INTEGER NOT NULL DEFAULT 0,
    first_rejected_at INTEGER,
    next_attempt_at INTEGER,
    outcome BLOB,
    error TEXT,
    settled_at INTEGER,
    resolution INTEGER,
    resolved_at INTEGER,
    replacement BLOB,
    fed INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (lane, seq)
) STRICT, WITHOUT ROWID";

/// Finds what is not settled without looking at what is.
const UNSETTLED: &str = "CREATE INDEX unsettled ON progress (lane, seq, state) WHERE state < 10";

/// Counts what was not applied without looking at what was.
const NOT_APPLIED: &str = "CREATE INDEX not_applied ON progress (lane, state) WHERE state > 10";

/// One row per stored batch; its members are the ops whose `progress.batch` names it.
const BATCH: &str = "CREATE TABLE batch (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    atomic INTEGER NOT NULL,
    expected_cursor INTEGER,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0
) STRICT";

/// Finds the batches without an answer, in the order in which they were cut.
const OPEN_BATCH: &str = "CREATE INDEX open_batch ON batch (lane, number) WHERE answered = 0";

/// Makes the tables and marks the file as an outbox, in one transaction.
pub(super) fn create(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    for table in [
        LANE,
        OWN_LANE,
        OP,
        PROGRESS,
        UNSETTLED,
        NOT_APPLIED,
        BATCH,
        OPEN_BATCH,
    ] {
        db.execute_batch(table)?;
    }
    create_since_2(db)?;
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "user_version", VERSION)?;
    db.execute_batch("COMMIT")
}

/// Turns the tables of an older version into these, in one transaction. Another process may have
/// done it meanwhile.
pub(super) fn migrate(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("BEGIN IMMEDIATE")?;
    let version: u32 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version == 1 {
        from_1(db)?;
    }
    // A newer program may have been faster.
    if version < VERSION {
        db.pragma_update(None, "user_version", VERSION)?;
    }
    db.execute_batch("COMMIT")
}

/// Version 1 had one lane for each share, for ever, and knew neither leases nor delegations.
fn from_1(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch("ALTER TABLE lane RENAME TO lane_1")?;
    db.execute_batch(LANE)?;
    db.execute_batch("INSERT INTO lane SELECT *, NULL, 0 FROM lane_1")?;
    db.execute_batch("DROP TABLE lane_1")?;
    // It stood still where this version makes another plan.
    db.execute_batch(
        "UPDATE lane SET stop_code = NULL, stop_message = NULL, stopped_at = NULL WHERE stop_code IN \
         ('historyChanged', 'writerFenced', 'writerForked', 'alreadySettled', 'outOfOrder')",
    )?;
    db.execute_batch(OWN_LANE)?;
    for column in [
        "resolution INTEGER",
        "resolved_at INTEGER",
        "replacement BLOB",
        "fed INTEGER NOT NULL DEFAULT 0",
    ] {
        db.execute_batch(&format!("ALTER TABLE progress ADD COLUMN {column}"))?;
    }
    create_since_2(db)
}

fn create_since_2(db: &Connection) -> rusqlite::Result<()> {
    let tables = [lease::TABLES, delegation::TABLES, recoveries::TABLES];
    tables
        .into_iter()
        .flatten()
        .try_for_each(|table| db.execute_batch(table))
}
