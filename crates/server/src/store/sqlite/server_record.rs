//! Table `server_record`: the server's own records, by name.

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::ReadError;
use crate::store::{CommitOutcome, ServerRecord};

/// The table. Persisted: meanings are for ever.
pub(super) const SCHEMA: &str = "
    CREATE TABLE server_record (
        name TEXT PRIMARY KEY,
        version INTEGER NOT NULL,
        content_check INTEGER NOT NULL,
        content BLOB NOT NULL
    ) STRICT, WITHOUT ROWID;";

/// CRC-32 over name, version and content.
fn content_check(name: &str, version: u64, content: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(name.as_bytes());
    hasher.update(&version.to_le_bytes());
    hasher.update(content);
    hasher.finalize()
}

/// Replaces the record if its version is `expected`; 0: it does not exist.
pub(super) fn put(
    connection: &Connection,
    name: &str,
    expected: u64,
    content: &[u8],
) -> rusqlite::Result<CommitOutcome<u64>> {
    let actual = connection
        .prepare_cached("SELECT version FROM server_record WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?
        .unwrap_or(0);
    if actual != expected {
        return Ok(CommitOutcome::Conflict { actual });
    }
    let version = expected + 1;
    connection
        .prepare_cached("INSERT OR REPLACE INTO server_record VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![
            name,
            version,
            content_check(name, version, content),
            content
        ])?;
    Ok(CommitOutcome::Done)
}

/// The record, verified.
pub(super) fn get(connection: &Connection, name: &str) -> Result<Option<ServerRecord>, ReadError> {
    let found = connection
        .prepare_cached(
            "SELECT version, content_check, content FROM server_record WHERE name = ?1",
        )?
        .query_row([name], |row| {
            let record = ServerRecord {
                version: row.get(0)?,
                bytes: row.get(2)?,
            };
            Ok((record, row.get::<_, u32>(1)?))
        })
        .optional()?;
    match found {
        Some((record, check)) if check != content_check(name, record.version, &record.bytes) => {
            Err(ReadError::file(format!(
                "the checksum of server record `{name}` does not match"
            )))
        }
        found => Ok(found.map(|(record, _)| record)),
    }
}
