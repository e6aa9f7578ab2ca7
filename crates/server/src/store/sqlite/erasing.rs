//! Erasing records: what [`Store::erase`](crate::store::Store::erase) does to the tables.
//!
//! The first transaction says through which version a share's records are erased; from then on no
//! reader sees them. The rows are emptied in transactions of their own, few enough that a commit need
//! not wait long behind one; what they had is overwritten with zeros (`secure_delete`). The index
//! forgets all of them but the last, by which the share keeps its version and cursor. At last the
//! write-ahead log is made to begin anew. Until then the share is noted in `meta`, so that the next
//! opening goes on.

use rusqlite::Connection;

use share_model::{ShareId, ShareVersion};

use super::fault::ReadError;
use super::{checkpoint, log, meta, share_index};

/// Rows that are emptied in one transaction.
const ROWS_MAX: usize = 256;
/// Bytes of records after which a transaction takes no more rows.
const BYTES_MAX: u64 = 1 << 20;

/// Whether [`begin`] did anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begun {
    /// Readers see the records no more.
    Now,
    /// It was done before.
    Before,
    /// No checkpoint of the version, or a later one, is stored.
    NoCheckpoint,
}

/// Makes a share's records up to `through` unseen. All of them are in `share_index`.
pub(super) fn begin(
    connection: &Connection,
    share: ShareId,
    through: ShareVersion,
) -> rusqlite::Result<Begun> {
    match checkpoint::current(connection, share)? {
        Some((stored, _)) if stored >= through => {}
        _ => return Ok(Begun::NoCheckpoint),
    }
    if meta::erased_through(connection, share)? >= through {
        return Ok(Begun::Before);
    }
    if let Some(position) = share_index::position(connection, share, through)? {
        log::empty(connection, position, (share, through))?;
    }
    share_index::empty(connection, share, through)?;
    meta::set_erased_through(connection, share, through)?;
    Ok(Begun::Now)
}

/// Empties some rows that readers don't see any more; whether there was anything to do.
pub(super) fn empty_rows(connection: &Connection, share: ShareId) -> rusqlite::Result<bool> {
    if !meta::has_erased_rows(connection, share)? {
        return Ok(false);
    }
    let last = meta::erased_through(connection, share)?;
    let mut bytes = 0;
    for _ in 0..ROWS_MAX {
        let Some((version, position)) = share_index::first_below(connection, share, last)? else {
            meta::set_rows_erased(connection, share)?;
            break;
        };
        bytes += log::empty(connection, position, (share, version))?;
        share_index::delete(connection, share, version)?;
        if bytes >= BYTES_MAX {
            break;
        }
    }
    Ok(true)
}

/// Does what a crash has interrupted. Nobody else uses the file.
pub(super) fn finish(connection: &mut Connection) -> Result<(), ReadError> {
    while let Some(share) = meta::next_erasing(connection)? {
        let transaction = connection.transaction()?;
        empty_rows(&transaction, share)?;
        transaction.commit()?;
    }
    if meta::is_erasing(connection)? && begin_wal(connection)? {
        meta::end_erasing(connection)?;
    }
    Ok(())
}

/// Copies the write-ahead log into the file and makes it begin anew, empty; `false` if a reader holds
/// on to it.
pub(super) fn begin_wal(connection: &Connection) -> rusqlite::Result<bool> {
    let is_busy: bool =
        connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(!is_busy)
}
