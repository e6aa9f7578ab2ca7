//! Copying the store while it is in use, and checking a copy.
//!
//! The copy is read in one transaction, on a connection of its own: it is the store at one moment,
//! and commits go on meanwhile. Until it is done the write-ahead log can't begin again, and grows.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, InterruptHandle, OpenFlags};
use share_model::{ShareId, ShareVersion, UnixMs};

use super::fault::ReadError;
use super::{log, migration};
use crate::store::Copied;

/// Ends a copy whose caller has gone.
pub(super) struct Given {
    interrupt: Arc<InterruptHandle>,
    /// Looked at before the copy begins.
    is_up: Arc<AtomicBool>,
    is_done: bool,
}

impl Given {
    pub(super) fn new(interrupt: Arc<InterruptHandle>) -> Self {
        Self {
            interrupt,
            is_up: Arc::new(AtomicBool::new(false)),
            is_done: false,
        }
    }

    /// Becomes true once nobody wants the copy any more.
    pub(super) fn is_up(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_up)
    }

    /// The copy is done, or has failed.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if !self.is_done {
            self.is_up.store(true, Ordering::Release);
            self.interrupt.interrupt();
        }
    }
}

/// Copies the store that `connection` reads.
pub(super) fn copy(
    connection: &Connection,
    to: &Path,
    is_given_up: &AtomicBool,
) -> Result<Copied, ReadError> {
    if is_given_up.load(Ordering::Acquire) {
        return Err(ReadError::Sql(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_INTERRUPT),
            None,
        )));
    }
    // It is read again at once and then removed: nothing of it has to survive a power cut.
    connection.pragma_update(None, "synchronous", "OFF")?;
    migration::side_copy(connection, to)?;
    let copied = Connection::open_with_flags(
        to,
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    Ok(Copied {
        shares: share_count(&copied)?,
        format: copied.pragma_query_value(None, "user_version", |row| row.get(0))?,
    })
}

/// How many shares there are: those of the index, and those that only the log's end has.
fn share_count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row(
        "SELECT count(*) FROM (
            SELECT share FROM share_index
            UNION
            SELECT share FROM log
            WHERE position > (SELECT value FROM meta WHERE name = 'indexed_through'))",
        [],
        |row| row.get(0),
    )
}

/// Reads everything, and says what is damaged.
pub(super) fn check(connection: &Connection) -> Result<(), ReadError> {
    let sound: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        return Err(ReadError::file(sound));
    }
    let mut statement =
        connection.prepare("SELECT share, version, body_check, body FROM log ORDER BY position")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let share = ShareId::from_bytes(row.get(0)?);
        let version = ShareVersion::new(row.get(1)?);
        let body = row.get_ref(3)?.as_blob().map_err(rusqlite::Error::from)?;
        if row.get::<_, u32>(2)? != log::body_check(share, version, body) {
            return Err(ReadError::record(
                share,
                version,
                "its checksum does not match",
            ));
        }
    }
    Ok(())
}

/// A moment in UTC, fit for the name of a file: `20261121T095623Z`.
///
/// # Errors
///
/// If there is no memory for it.
pub(crate) fn utc_name(at: UnixMs) -> rusqlite::Result<String> {
    // SQLite knows the calendar.
    Connection::open_in_memory()?.query_row(
        "SELECT strftime('%Y%m%dT%H%M%SZ', ?1, 'unixepoch')",
        [at.get() / 1000],
        |row| row.get(0),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_named_in_utc() {
        // `date -u -d @1800000000 +%Y%m%dT%H%M%SZ`
        assert_eq!(
            utc_name(UnixMs::new(1_800_000_000_999)).unwrap(),
            "20270115T080000Z"
        );
    }
}
