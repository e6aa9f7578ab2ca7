//! An outbox file as version 2 of the tables had it, made here by hand: it had a row in `progress` for
//! every op, as version 1 had, and the same bytes in what both have.

use std::path::Path;

use crate::version_1::{self, LaneOf1};

/// The tables of version 2, word for word.
const TABLES: &str = "
CREATE TABLE lane (
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
) STRICT;
CREATE UNIQUE INDEX own_lane ON lane (share) WHERE left_at IS NULL;
CREATE TABLE op (
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
) STRICT;
CREATE TABLE progress (
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
) STRICT, WITHOUT ROWID;
CREATE INDEX unsettled ON progress (lane, seq, state) WHERE state < 10;
CREATE INDEX not_applied ON progress (lane, state) WHERE state > 10;
CREATE TABLE batch (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    lane INTEGER NOT NULL,
    id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    atomic INTEGER NOT NULL,
    expected_cursor INTEGER,
    first_seq INTEGER NOT NULL,
    last_seq INTEGER NOT NULL,
    answered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX open_batch ON batch (lane, number) WHERE answered = 0;
CREATE TABLE lease (
    share BLOB PRIMARY KEY NOT NULL,
    holder BLOB NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER,
    boot TEXT,
    namespace TEXT,
    host TEXT NOT NULL,
    file TEXT,
    acquired_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE delegation (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    share BLOB NOT NULL,
    scope TEXT NOT NULL,
    parent TEXT NOT NULL,
    cycle INTEGER NOT NULL,
    under INTEGER,
    idle_ms INTEGER,
    delegated_at INTEGER NOT NULL,
    claim BLOB,
    child TEXT,
    claimed_at INTEGER,
    expires_at INTEGER,
    ended_at INTEGER,
    ending INTEGER,
    enqueued INTEGER NOT NULL DEFAULT 0,
    UNIQUE (share, scope, parent, cycle)
) STRICT;
CREATE INDEX open_delegation ON delegation (share) WHERE ended_at IS NULL;
CREATE INDEX delegation_to ON delegation (share, child) WHERE child IS NOT NULL;
CREATE INDEX delegation_by ON delegation (share, parent);
CREATE TABLE delegation_op (
    op INTEGER PRIMARY KEY,
    delegation INTEGER NOT NULL
) STRICT;
CREATE INDEX op_of_delegation ON delegation_op (delegation);
CREATE TRIGGER delegation_op_goes AFTER DELETE ON op BEGIN DELETE FROM delegation_op WHERE op = OLD.id; END;
CREATE TABLE delegation_event (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL,
    at INTEGER NOT NULL,
    delegation INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    session TEXT,
    ops INTEGER NOT NULL,
    key TEXT
) STRICT;
CREATE INDEX event_of_delegation ON delegation_event (delegation, number);
CREATE TABLE recovery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    share BLOB NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
PRAGMA application_id = 0x53684f62;
PRAGMA user_version = 2;
";

/// Writes the file, whole in one.
pub(crate) fn write(path: &Path, lanes: &[LaneOf1]) {
    version_1::write_with(path, TABLES, lanes);
}
