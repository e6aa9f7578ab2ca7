//! Table `recovery`: what was done about a copied or restored outbox, or a restored server. A person
//! is to see it, also later.

use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use share_model::{OutboxId, Seq, ShareId, UnixMs};

use super::error::OutboxError;
use super::sql::{bytes, count, int, time};

/// What this module keeps.
pub(super) const TABLES: &[&str] = &["CREATE TABLE recovery (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    share BLOB NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT"];

/// Persisted, keep stable.
const FORMAT: u8 = 1;
/// Events that are kept; older ones go.
const EVENTS_MAX: u64 = 1000;

/// Seqs of one lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostOps {
    /// The outbox, as its server knows it, in whose lane they were.
    pub outbox: OutboxId,
    /// The first seq.
    pub first: Seq,
    /// The last seq.
    pub last: Seq,
}

/// What the client did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Recovery {
    // The order of the variants is persisted: keep stable.
    /// The outbox is a copy, or was restored: another one has its lane. What was not settled was
    /// re-queued into a lane of its own.
    Requeued {
        /// How it showed.
        reason: String,
        /// Ops that were re-queued.
        ops: u64,
    },
    /// The server went back in time. What it lost was sent again at the old seqs.
    FedAgain {
        /// How it showed.
        reason: String,
        /// The server has what is settled up to here.
        after: Seq,
        /// Ops that had ended and are sent again.
        ops: u64,
        /// Settled ops that the server may have lost and this outbox holds no more.
        lost: Vec<LostOps>,
    },
    /// The server went back in time, and the lane could not be continued. All that is held was
    /// re-queued into a new lane.
    RequeuedAll {
        /// How it showed.
        reason: String,
        /// Ops that were re-queued.
        ops: u64,
        /// Settled ops that the server may have lost and this outbox holds no more.
        lost: Vec<LostOps>,
        /// Settled ops of lanes that were left before, which this outbox holds no more: whether the
        /// server has them was not looked at.
        unchecked: Vec<LostOps>,
    },
}

/// What was done, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveryEvent {
    /// Counts up within the file.
    pub number: u64,
    /// The share.
    pub share: ShareId,
    /// When.
    pub at: UnixMs,
    /// What.
    pub recovery: Recovery,
}

pub(super) fn insert(
    db: &Connection,
    share: ShareId,
    at: UnixMs,
    recovery: &Recovery,
) -> Result<(), OutboxError> {
    let body =
        postcard::to_extend(recovery, vec![FORMAT]).map_err(|_| OutboxError::Unreadable {
            what: "an event that was just made",
        })?;
    db.prepare_cached("INSERT INTO recovery (share, at, body) VALUES (?1, ?2, ?3)")?
        .execute(params![share.to_bytes(), int(at.get()), body])?;
    let oldest = db.last_insert_rowid().saturating_sub(int(EVENTS_MAX));
    db.prepare_cached("DELETE FROM recovery WHERE number <= ?1")?
        .execute([oldest])?;
    Ok(())
}

pub(super) fn list(
    db: &Connection,
    after: u64,
    limit: usize,
) -> Result<Vec<RecoveryEvent>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT number, share, at, body FROM recovery WHERE number > ?1 ORDER BY number LIMIT ?2",
    )?;
    let mut rows = statement.query(params![int(after), int(limit as u64)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        let body: Vec<u8> = row.get(3)?;
        events.push(RecoveryEvent {
            number: count(row, 0)?,
            share: ShareId::from_bytes(bytes(row, 1)?),
            at: time(row, 2)?.unwrap_or_default(),
            recovery: decode(&body)?,
        });
    }
    Ok(events)
}

fn decode(bytes: &[u8]) -> Result<Recovery, OutboxError> {
    let what = "what was done about a copied outbox or a restored server";
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            postcard::from_bytes(rest).map_err(|_| OutboxError::Unreadable { what })
        }
        _ => Err(OutboxError::Unreadable { what }),
    }
}
