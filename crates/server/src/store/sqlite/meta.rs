//! Table `meta`: what is said once about the whole store.

use rusqlite::{Connection, params};

use share_model::HistoryId;

/// The table. Persisted: names are for ever.
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
