//! Table `share_index`: per share and version, where in the log the record stands.
//!
//! Written in bulk from [`super::tail`], never within a commit.

use rusqlite::{Connection, OptionalExtension, params};

use share_model::{Cursor, ShareId, ShareVersion};

use super::fault::ReadError;
use super::log::{RowHeader, header};
use super::slices::Slices;
use super::tail::Head;

/// The table. Persisted: meanings are for ever, as in `log`.
pub(super) const SCHEMA: &str = "
    CREATE TABLE share_index (
        share BLOB NOT NULL,
        version INTEGER NOT NULL,
        position INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        op_count INTEGER NOT NULL,
        writer INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        PRIMARY KEY (share, version)
    ) STRICT, WITHOUT ROWID;";

/// Adds rows; the greatest position among them.
pub(super) fn insert(
    connection: &Connection,
    rows: &[(ShareId, RowHeader)],
    slices: &mut Slices,
) -> rusqlite::Result<Option<u64>> {
    let mut statement = connection
        .prepare_cached("INSERT INTO share_index VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")?;
    let mut last = None;
    for (share, row) in rows {
        statement.execute(params![
            share.to_bytes(),
            row.version.get(),
            row.position,
            row.cursor.get(),
            row.content.op_count,
            row.content.writer.get(),
            row.content.first_seq,
            row.content.last_seq,
        ])?;
        last = last.max(Some(row.position));
        slices.wrote(0);
    }
    Ok(last)
}

/// The last indexed row of a share.
pub(super) fn last(connection: &Connection, share: ShareId) -> rusqlite::Result<Option<Head>> {
    connection
        .prepare_cached(
            "SELECT position, version, cursor, op_count, writer, first_seq, last_seq
             FROM share_index WHERE share = ?1 ORDER BY version DESC LIMIT 1",
        )?
        .query_row([share.to_bytes()], |row| Ok(Head::from(&header(row)?)))
        .optional()
}

/// The next share above `after` that is indexed, and its last indexed version.
pub(super) fn next_share(
    connection: &Connection,
    after: Option<ShareId>,
) -> rusqlite::Result<Option<(ShareId, ShareVersion)>> {
    let after = after.map_or(Vec::new(), |share| share.to_bytes().to_vec());
    let share: Option<[u8; 16]> = connection
        .prepare_cached("SELECT min(share) FROM share_index WHERE share > ?1")?
        .query_row([after], |row| row.get(0))?;
    let Some(share) = share.map(ShareId::from_bytes) else {
        return Ok(None);
    };
    Ok(last(connection, share)?.map(|head| (share, head.version)))
}

/// The first indexed version of a share from `first` on whose cursor is above `after`. Cursors ascend
/// with versions, and versions have no gap: a binary search, instead of a second index to be kept.
pub(super) fn version_above(
    connection: &Connection,
    share: ShareId,
    (first, after): (ShareVersion, Cursor),
) -> Result<Option<ShareVersion>, ReadError> {
    let is_in = |head: &Head| head.version >= first && head.cursor > after;
    let Some(head) = last(connection, share)?.filter(is_in) else {
        return Ok(None);
    };
    let mut statement = connection
        .prepare_cached("SELECT cursor FROM share_index WHERE share = ?1 AND version = ?2")?;
    let (mut low, mut high) = (first.get(), head.version.get());
    while low < high {
        let middle = low + (high - low) / 2;
        let cursor: Option<u64> = statement
            .query_row(params![share.to_bytes(), middle], |row| row.get(0))
            .optional()?;
        let Some(cursor) = cursor else {
            let version = ShareVersion::new(middle);
            return Err(ReadError::record(share, version, "it is not in the index"));
        };
        if cursor > after.get() {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Ok(Some(ShareVersion::new(low)))
}

/// Calls `visit` with the indexed rows of a share from version `from` on, in order, until it answers
/// `false`.
pub(super) fn each_from(
    connection: &Connection,
    share: ShareId,
    from: ShareVersion,
    visit: &mut dyn FnMut(RowHeader) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut statement = connection.prepare_cached(
        "SELECT position, version, cursor, op_count, writer, first_seq, last_seq
         FROM share_index WHERE share = ?1 AND version >= ?2 ORDER BY version",
    )?;
    let mut rows = statement.query(params![share.to_bytes(), from.get()])?;
    while let Some(row) = rows.next()? {
        if !visit(header(row)?)? {
            break;
        }
    }
    Ok(())
}

/// Where in the log a share's record of a version stands.
pub(super) fn position(
    connection: &Connection,
    share: ShareId,
    version: ShareVersion,
) -> rusqlite::Result<Option<u64>> {
    connection
        .prepare_cached("SELECT position FROM share_index WHERE share = ?1 AND version = ?2")?
        .query_row(params![share.to_bytes(), version.get()], |row| row.get(0))
        .optional()
}

/// The row's record was erased: it has no op any more.
pub(super) fn empty(
    connection: &Connection,
    share: ShareId,
    version: ShareVersion,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE share_index SET op_count = 0, writer = 0, first_seq = 0, last_seq = 0
             WHERE share = ?1 AND version = ?2",
        )?
        .execute(params![share.to_bytes(), version.get()])?;
    Ok(())
}

/// The first indexed row of a share below version `before`: its version and position.
pub(super) fn first_below(
    connection: &Connection,
    share: ShareId,
    before: ShareVersion,
) -> rusqlite::Result<Option<(ShareVersion, u64)>> {
    connection
        .prepare_cached(
            "SELECT version, position FROM share_index
             WHERE share = ?1 AND version < ?2 ORDER BY version LIMIT 1",
        )?
        .query_row(params![share.to_bytes(), before.get()], |row| {
            Ok((ShareVersion::new(row.get(0)?), row.get(1)?))
        })
        .optional()
}

/// Deletes a row.
pub(super) fn delete(
    connection: &Connection,
    share: ShareId,
    version: ShareVersion,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM share_index WHERE share = ?1 AND version = ?2")?
        .execute(params![share.to_bytes(), version.get()])?;
    Ok(())
}
