//! The tables, and the marks by which a file is known. Persisted, keep stable.

use rusqlite::Connection;

use super::{delegation, lease, recoveries, standing};

/// `PRAGMA application_id`: the bytes "ShOb". For ever.
pub(super) const APPLICATION_ID: i32 = 0x5368_4f62;
/// `PRAGMA user_version` of the tables below; counts up with each migration.
pub(super) const VERSION: u32 = 3;

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
    told_limits BLOB,
    stop_code TEXT,
    stop_message TEXT,
    stopped_at INTEGER,
    left_at INTEGER,
    cursor INTEGER NOT NULL DEFAULT 0,
    cut_through INTEGER NOT NULL DEFAULT 0
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

/// Where an op stands that goes its own way; of the others see [`standing`].
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

/// One row per stored batch. Its members are every op between its ends if it is whole, else those whose
/// `progress.batch` names it. Of a whole one, `attempts`, `settled_at` and `outcomes` are those of its
/// members.
const BATCH: &str = "CREATE TABLE batch (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    atomic INTEGER NOT NULL,
    expected_cursor INTEGER,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0,
    whole INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    outcomes BLOB
) STRICT";

/// Finds the batches without an answer, in the order in which they were cut.
const OPEN_BATCH: &str = "CREATE INDEX open_batch ON batch (lane, number) WHERE answered = 0";

/// Finds the whole batch that an op lies in. That no two have one end lets them be read in seq order.
const WHOLE_BATCH: &str =
    "CREATE UNIQUE INDEX whole_batch ON batch (lane, last_seq) WHERE whole = 1";

/// Finds the others that are to be dropped.
const OTHER_BATCH: &str = "CREATE INDEX other_batch ON batch (lane, last_seq) WHERE whole = 0";

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
    create_since_3(db)?;
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
    if version == 2 {
        from_2(db)?;
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
    db.execute_batch("INSERT INTO lane SELECT *, NULL, 0, next_seq - 1 FROM lane_1")?;
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
    create_since_2(db)?;
    let_batches_be_whole(db)
}

/// Version 2 had a row in `progress` for every op; these rows stay. A program of version 2 that has the
/// file open would take what has none for settled: it asks for `limits` before anything else, and finds
/// nothing of that name any more.
fn from_2(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "ALTER TABLE lane RENAME COLUMN limits TO told_limits;
         ALTER TABLE lane ADD COLUMN cut_through INTEGER NOT NULL DEFAULT 0;
         UPDATE lane SET cut_through = next_seq - 1",
    )?;
    let_batches_be_whole(db)
}

fn let_batches_be_whole(db: &Connection) -> rusqlite::Result<()> {
    for column in [
        "whole INTEGER NOT NULL DEFAULT 0",
        "attempts INTEGER NOT NULL DEFAULT 0",
        "settled_at INTEGER",
        "outcomes BLOB",
    ] {
        db.execute_batch(&format!("ALTER TABLE batch ADD COLUMN {column}"))?;
    }
    create_since_3(db)
}

fn create_since_3(db: &Connection) -> rusqlite::Result<()> {
    [WHOLE_BATCH, OTHER_BATCH, standing::VIEW]
        .into_iter()
        .try_for_each(|made| db.execute_batch(made))
}

fn create_since_2(db: &Connection) -> rusqlite::Result<()> {
    let tables = [lease::TABLES, delegation::TABLES, recoveries::TABLES];
    tables
        .into_iter()
        .flatten()
        .try_for_each(|table| db.execute_batch(table))
}
