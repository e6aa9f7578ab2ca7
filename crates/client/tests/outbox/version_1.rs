//! An outbox file as version 1 of the tables had it, made here by hand: the tables are those of
//! then, and so are the bytes in them.

use std::path::Path;

use rusqlite::{Connection, params};
use share_model::{BatchId, Chain, Fingerprint, Mutation, Op, OpId, OutboxKey, ShareRef};

/// The tables of version 1, word for word.
const TABLES: &str = "
CREATE TABLE lane (
    number INTEGER PRIMARY KEY,
    share BLOB NOT NULL UNIQUE,
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
    stopped_at INTEGER
) STRICT;
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
PRAGMA application_id = 0x53684f62;
PRAGMA user_version = 1;
";

/// A row that is held.
pub(crate) struct RowOf1 {
    /// As it was numbered then.
    pub(crate) state: u8,
    pub(crate) batch: Option<u8>,
    /// The bytes of then.
    pub(crate) outcome: Option<&'static [u8]>,
}

/// A stored batch.
pub(crate) struct BatchOf1 {
    pub(crate) seqs: (u8, u8),
    pub(crate) is_answered: bool,
}

/// What a lane of version 1 held.
pub(crate) struct LaneOf1 {
    pub(crate) reference: ShareRef,
    /// Settled rows up to here are gone.
    pub(crate) pruned: u8,
    /// Those after it.
    pub(crate) rows: Vec<RowOf1>,
    pub(crate) batches: Vec<BatchOf1>,
    pub(crate) settled_through: u8,
    pub(crate) answered_through: u8,
    pub(crate) stop: Option<(&'static str, &'static str)>,
}

/// The op at `seq`: its id is the seq, its mutation a put.
fn op(seq: u8) -> Op {
    Op {
        id: OpId::from_bytes([seq; 16]),
        depends_on: Vec::new(),
        mutation: Mutation::Put {
            key: format!("k{seq}").into(),
            json: seq.to_string().into(),
        },
    }
}

/// The bytes of its entry: format 1; seq; no earlier lane; an op, its id, no dependencies; a put,
/// key and value.
fn entry(seq: u8) -> Vec<u8> {
    let text = |text: String| [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let head: &[u8] = &[1, seq, 0, 0, 16];
    let parts = [
        head,
        &[seq; 16],
        &[0, 0],
        &text(format!("k{seq}")),
        &text(seq.to_string()),
    ];
    parts.concat()
}

/// Writes the file, whole in one.
pub(crate) fn write(path: &Path, lanes: &[LaneOf1]) {
    write_with(path, TABLES, lanes);
}

/// Writes it with the tables of a version that has those columns and perhaps more.
pub(crate) fn write_with(path: &Path, tables: &str, lanes: &[LaneOf1]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let db = Connection::open(path).unwrap();
    db.execute_batch(tables).unwrap();
    db.execute_batch("BEGIN").unwrap();
    for (number, lane) in (1_u8..).zip(lanes) {
        write_lane(&db, number, lane);
    }
    db.execute_batch("COMMIT").unwrap();
}

fn write_lane(db: &Connection, number: u8, lane: &LaneOf1) {
    let key = OutboxKey::from_bytes([number; 32]);
    let mut chain = Chain::EMPTY;
    let mut pruned_chain = chain;
    let last = lane.pruned + u8::try_from(lane.rows.len()).unwrap();
    for seq in 1..=last {
        let fingerprint = Fingerprint::of(&op(seq), key.outbox_id());
        chain = chain.then(fingerprint);
        if seq <= lane.pruned {
            pruned_chain = chain;
            continue;
        }
        let row = &lane.rows[usize::from(seq - lane.pruned - 1)];
        write_op(db, (number, seq), (fingerprint, chain));
        write_progress(db, (number, seq), row);
    }
    for (at, batch) in (1_u8..).zip(&lane.batches) {
        db.execute(
            "INSERT INTO batch (lane, id, kind, atomic, first_seq, last_seq, answered) \
             VALUES (?1, ?2, 1, 0, ?3, ?4, ?5)",
            params![
                number,
                BatchId::from_bytes([at; 16]).to_bytes(),
                batch.seqs.0,
                batch.seqs.1,
                batch.is_answered
            ],
        )
        .unwrap();
    }
    let settled = lane.rows.iter().filter(|row| row.state == 10).count();
    db.execute(
        "INSERT INTO lane (number, share, ref, ref_number, outbox_key, incarnation, next_seq, chain, \
         settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
         settled_bytes, stop_code, stop_message, stopped_at) VALUES (?1, ?2, ?3, 1, ?4, 0, ?5, ?6, \
         ?7, ?8, ?9, ?10, ?11, ?11, ?12, ?13, ?14)",
        params![
            number,
            lane.reference.share.to_bytes(),
            lane.reference.expose(),
            key.expose(),
            last + 1,
            chain.to_bytes(),
            lane.settled_through,
            lane.answered_through,
            lane.pruned,
            pruned_chain.to_bytes(),
            u8::try_from(settled).unwrap(),
            lane.stop.map(|stop| stop.0),
            lane.stop.map(|stop| stop.1),
            lane.stop.map(|_| 400),
        ],
    )
    .unwrap();
}

fn write_op(db: &Connection, (lane, seq): (u8, u8), (fingerprint, chain): (Fingerprint, Chain)) {
    db.execute(
        "INSERT INTO op (lane, seq, op_id, fingerprint, chain, bytes, enqueued_at, entry) \
         VALUES (?1, ?2, ?3, ?4, ?5, 3, 100 + ?2, ?6)",
        params![
            lane,
            seq,
            [seq; 16],
            fingerprint.to_bytes(),
            chain.to_bytes(),
            entry(seq)
        ],
    )
    .unwrap();
}

fn write_progress(db: &Connection, (lane, seq): (u8, u8), row: &RowOf1) {
    let is_waiting = row.state == 4;
    db.execute(
        "INSERT INTO progress (lane, seq, state, batch, attempts, rejections, \
         first_rejected_at, next_attempt_at, outcome, error, settled_at) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        params![
            lane,
            seq,
            row.state,
            row.batch,
            u8::from(row.state > 2),
            u8::from(is_waiting),
            is_waiting.then_some(200),
            is_waiting.then_some(300),
            row.outcome,
            (row.state > 10 || is_waiting).then_some("why"),
            (row.state >= 10).then_some(250),
        ],
    )
    .unwrap();
}
