//! Table `meta`: what is said once about the whole store.

use rusqlite::{Connection, OptionalExtension, params};

use share_model::{HistoryId, ShareId, ShareVersion};

use super::redo::RedoId;

/// The table. Persisted: names are for ever.
///
/// `erased/SHARE` is the version through which a share's records were erased. `erasing/SHARE` is
/// there until nothing of them is in any file: 1 while rows in `log` have them, then 0. `redo` is the
/// id of the redo log, since format 2.
pub(super) const SCHEMA: &str = "
    CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES ('indexed_through', 0);";

/// Sets the history id, at creation.
pub(super) fn insert_history(connection: &Connection, history: HistoryId) -> rusqlite::Result<()> {
    connection
        .prepare("INSERT INTO meta VALUES ('history', ?1)")?
        .execute([history.to_bytes()])?;
    Ok(())
}

/// The history id.
pub(super) fn history(connection: &Connection) -> rusqlite::Result<HistoryId> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'history'")?
        .query_row([], |row| Ok(HistoryId::from_bytes(row.get(0)?)))
}

/// Replaces the history id.
pub(super) fn set_history(connection: &Connection, history: HistoryId) -> rusqlite::Result<()> {
    connection
        .prepare("UPDATE meta SET value = ?1 WHERE name = 'history'")?
        .execute([history.to_bytes()])?;
    Ok(())
}

/// The id of the redo log; `None`: there never was one.
pub(super) fn redo(connection: &Connection) -> rusqlite::Result<Option<RedoId>> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'redo'")?
        .query_row([], |row| Ok(RedoId::from_bytes(row.get(0)?)))
        .optional()
}

/// Replaces the id of the redo log.
pub(super) fn set_redo(connection: &Connection, id: RedoId) -> rusqlite::Result<()> {
    connection
        .prepare("INSERT OR REPLACE INTO meta VALUES ('redo', ?1)")?
        .execute([id.to_bytes()])?;
    Ok(())
}

/// The position in the log through which `share_index` has every row.
pub(super) fn indexed_through(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'indexed_through'")?
        .query_row([], |row| row.get(0))
}

/// Moves [`indexed_through`].
pub(super) fn set_indexed_through(connection: &Connection, position: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = ?1 WHERE name = 'indexed_through'")?
        .execute(params![position])?;
    Ok(())
}

/// The version through which a share's records were erased; zero: none was.
pub(super) fn erased_through(
    connection: &Connection,
    share: ShareId,
) -> rusqlite::Result<ShareVersion> {
    let through = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'erased/' || hex(?1)")?
        .query_row([share.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(ShareVersion::new(through.unwrap_or(0)))
}

/// Moves [`erased_through`], and notes that the rows are still to be emptied.
pub(super) fn set_erased_through(
    connection: &Connection,
    share: ShareId,
    through: ShareVersion,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('erased/' || hex(?1), ?2)")?
        .execute(params![share.to_bytes(), through.get()])?;
    connection
        .prepare_cached("INSERT OR REPLACE INTO meta VALUES ('erasing/' || hex(?1), 1)")?
        .execute([share.to_bytes()])?;
    Ok(())
}

/// Whether rows of a share are still to be emptied.
pub(super) fn has_erased_rows(connection: &Connection, share: ShareId) -> rusqlite::Result<bool> {
    let rows: Option<u64> = connection
        .prepare_cached("SELECT value FROM meta WHERE name = 'erasing/' || hex(?1)")?
        .query_row([share.to_bytes()], |row| row.get(0))
        .optional()?;
    Ok(rows == Some(1))
}

/// The erased rows of a share are empty; the write-ahead log may still have what they said.
pub(super) fn set_rows_erased(connection: &Connection, share: ShareId) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE meta SET value = 0 WHERE name = 'erasing/' || hex(?1)")?
        .execute([share.to_bytes()])?;
    Ok(())
}

/// A share of which rows are still to be emptied.
pub(super) fn next_erasing(connection: &Connection) -> rusqlite::Result<Option<ShareId>> {
    let share: Option<String> = connection
        .prepare_cached(
            "SELECT substr(name, 9) FROM meta
             WHERE name > 'erasing/' AND name < 'erasing0' AND value = 1 LIMIT 1",
        )?
        .query_row([], |row| row.get(0))
        .optional()?;
    share.map_or(Ok(None), |hex| {
        let bytes = connection
            .prepare_cached("SELECT unhex(?1)")?
            .query_row([hex], |row| row.get(0))?;
        Ok(Some(ShareId::from_bytes(bytes)))
    })
}

/// Whether the write-ahead log may have something that was erased.
pub(super) fn is_erasing(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM meta WHERE name > 'erasing/' AND name < 'erasing0')",
        )?
        .query_row([], |row| row.get(0))
}

/// The write-ahead log begins anew: what was erased before is nowhere any more.
pub(super) fn end_erasing(connection: &Connection) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM meta WHERE name > 'erasing/' AND name < 'erasing0' AND value = 0",
        )?
        .execute([])?;
    Ok(())
}
