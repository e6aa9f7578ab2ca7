//! Table `lease`: which flusher replays a share.
//!
//! One row per share that is being replayed. Its holder is a flusher; the row says of which process
//! and of which file, so that whoever finds it can tell whether the holder still lives
//! ([`claimant`]). Every step of the replay begins with a look at it ([`Turn::lane`]), in the step's
//! own transaction: a flusher that lost its lease takes nothing more to send.

mod claimant;
mod holder;

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::seam::{HolderId, ProcessId};
use share_model::{ShareId, UnixMs};

use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::sql::{bytes, int, time};

pub(crate) use claimant::{Claimant, HeldBy, file_identity};
pub(crate) use holder::{Holder, LeaseLook};

/// What this module keeps. Persisted, keep stable.
pub(super) const TABLES: &[&str] = &["CREATE TABLE lease (
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
) STRICT, WITHOUT ROWID"];

/// How long a lease lasts after its last renewal. It matters only where nobody can look whether the
/// holder lives.
pub(crate) const LEASE: Duration = Duration::from_secs(15);
/// How often a flusher renews what it holds.
pub(crate) const RENEWAL: Duration = Duration::from_secs(5);

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A flusher's turn at replaying a share. Every step of the replay begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) share: ShareId,
    pub(crate) holder: HolderId,
}

impl Turn {
    /// The share's own lane, if it is this flusher's turn, or nobody's: then it is this one's from
    /// now on.
    pub(crate) fn take(&self, db: &Connection, claimant: &Claimant) -> Result<Lane, OutboxError> {
        let lane = lanes::get(db, self.share)?;
        match find(db, self.share)? {
            Some(lease) if lease.holder == self.holder => {
                if lease.is_due(claimant.now) {
                    renew(db, self.holder, claimant.now)?;
                }
            }
            Some(lease) => match claimant.holder_of(&lease) {
                Some(by) => return Err(by.refuses(self.share)),
                None => insert(db, *self, claimant)?,
            },
            None => insert(db, *self, claimant)?,
        }
        Ok(lane)
    }

    /// The share's own lane, if it is still this flusher's turn.
    pub(crate) fn lane(&self, db: &Connection) -> Result<Lane, OutboxError> {
        let key = params![self.share.to_bytes(), self.holder.to_bytes()];
        let is_ours = db
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM lease WHERE share = ?1 AND holder = ?2)")?
            .query_row(key, |row| row.get::<_, bool>(0))?;
        if !is_ours {
            return Err(OutboxError::LeaseLost { share: self.share });
        }
        lanes::get(db, self.share)
    }

    /// The turn is over.
    fn release(&self, db: &Connection) -> Result<(), OutboxError> {
        db.prepare_cached("DELETE FROM lease WHERE share = ?1 AND holder = ?2")?
            .execute(params![self.share.to_bytes(), self.holder.to_bytes()])?;
        Ok(())
    }
}

/// A lease as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lease {
    share: ShareId,
    holder: HolderId,
    process: ProcessId,
    /// The file that the lease was taken in.
    file: Option<String>,
    acquired_at: UnixMs,
    expires_at: UnixMs,
}

impl Lease {
    /// Whether it is to be renewed.
    fn is_due(&self, now: UnixMs) -> bool {
        self.expires_at < now.plus_ms(ms(LEASE - RENEWAL))
    }
}

const COLUMNS: &str = "share, holder, pid, started, boot, namespace, host, file, acquired_at, \
    expires_at";

fn read(row: &Row<'_>) -> Result<Lease, OutboxError> {
    Ok(Lease {
        share: ShareId::from_bytes(bytes(row, 0)?),
        holder: HolderId::from_bytes(bytes(row, 1)?),
        process: ProcessId {
            pid: row.get(2)?,
            started: row.get::<_, Option<i64>>(3)?.map(i64::cast_unsigned),
            boot: row.get(4)?,
            namespace: row.get(5)?,
            host: row.get(6)?,
        },
        file: row.get(7)?,
        acquired_at: time(row, 8)?.unwrap_or_default(),
        expires_at: time(row, 9)?.unwrap_or_default(),
    })
}

fn find(db: &Connection, share: ShareId) -> Result<Option<Lease>, OutboxError> {
    db.prepare_cached(&format!("SELECT {COLUMNS} FROM lease WHERE share = ?1"))?
        .query_row([share.to_bytes()], |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn all(db: &Connection) -> Result<Vec<Lease>, OutboxError> {
    let mut statement = db.prepare_cached(&format!("SELECT {COLUMNS} FROM lease"))?;
    let mut rows = statement.query([])?;
    let mut leases = Vec::new();
    while let Some(row) = rows.next()? {
        leases.push(read(row)?);
    }
    Ok(leases)
}

/// The lease is `turn`'s from now on, whoever's it was.
fn insert(db: &Connection, turn: Turn, claimant: &Claimant) -> Result<(), OutboxError> {
    let me = claimant.process();
    db.prepare_cached(
        "INSERT OR REPLACE INTO lease (share, holder, pid, started, boot, namespace, host, file, \
         acquired_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?
    .execute(params![
        turn.share.to_bytes(),
        turn.holder.to_bytes(),
        me.pid,
        me.started.map(u64::cast_signed),
        me.boot,
        me.namespace,
        me.host,
        claimant.file,
        int(claimant.now.get()),
        int(claimant.now.plus_ms(ms(LEASE)).get()),
    ])?;
    Ok(())
}

/// All that the holder holds lasts anew.
fn renew(db: &Connection, holder: HolderId, now: UnixMs) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lease SET expires_at = ?2 WHERE holder = ?1")?
        .execute(params![
            holder.to_bytes(),
            int(now.plus_ms(ms(LEASE)).get())
        ])?;
    Ok(())
}

/// The lease lasts until `at`.
fn set_expiry(db: &Connection, share: ShareId, at: UnixMs) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lease SET expires_at = ?2 WHERE share = ?1")?
        .execute(params![share.to_bytes(), int(at.get())])?;
    Ok(())
}

/// All that the holder holds is free.
fn release_all(db: &Connection, holder: HolderId) -> Result<(), OutboxError> {
    db.prepare_cached("DELETE FROM lease WHERE holder = ?1")?
        .execute([holder.to_bytes()])?;
    Ok(())
}

#[cfg(test)]
mod tests;
