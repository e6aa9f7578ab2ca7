//! The file's format: its numbered migrations, and the copy that is made before one runs.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use share_model::HistoryId;

use super::{checkpoint, log, meta, server_record, share_index};

/// Says that the file is a share store: `SHRS`. For ever.
pub(super) const APPLICATION_ID: u32 = 0x5348_5253;

/// The migrations, each from the format of its place in the list to the next: `MIGRATIONS[0]` makes
/// format 1 out of an empty file. Never changed once released, only added to.
pub(super) const MIGRATIONS: &[&[&str]] = &[
    &[
        meta::SCHEMA,
        log::SCHEMA,
        share_index::SCHEMA,
        checkpoint::SCHEMA,
        server_record::SCHEMA,
    ],
    // Beside the file there may be a redo log, with commits that it does not have.
    &[],
];

/// The newest format.
pub(super) fn newest_format() -> u32 {
    u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX)
}

/// Runs the migrations from format `from` on, in one transaction. A new store gets `history`.
pub(super) fn migrate(
    connection: &mut Connection,
    from: u32,
    history: HistoryId,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    let already = usize::try_from(from).unwrap_or(usize::MAX);
    for migration in MIGRATIONS.iter().skip(already) {
        for statements in *migration {
            transaction.execute_batch(statements)?;
        }
    }
    if from == 0 {
        meta::insert_history(&transaction, history)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", newest_format())?;
    transaction.commit()
}

/// The name of the copy that is made before a migration from `format`.
pub(super) fn side_copy_path(file: &Path, format: u32) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".before-format-{}", format + 1));
    name.into()
}

/// Copies the store, as one consistent file, durable at return. `to` is missing or empty.
pub(super) fn side_copy(connection: &Connection, to: &Path) -> rusqlite::Result<()> {
    // The copy is written with the `synchronous` setting of the connection.
    connection
        .prepare("VACUUM INTO ?1")?
        .execute([to.to_string_lossy()])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HISTORY: HistoryId = HistoryId::from_bytes([7; 16]);

    #[test]
    fn migrating_gives_an_empty_file_the_newest_format_and_its_history() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0, HISTORY).unwrap();
        let number = |pragma| -> u32 {
            let read = connection.pragma_query_value(None, pragma, |row| row.get(0));
            read.unwrap()
        };
        assert_eq!(number("application_id"), 0x5348_5253);
        assert_eq!(number("user_version"), 2);
        assert_eq!(meta::history(&connection).unwrap(), HISTORY);
    }

    #[test]
    fn a_side_copy_holds_what_is_only_in_the_write_ahead_log() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("shares.sqlite");
        let mut connection = Connection::open(&file).unwrap();
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .unwrap();
        connection
            .pragma_update(None, "wal_autocheckpoint", 0)
            .unwrap();
        migrate(&mut connection, 0, HISTORY).unwrap();
        let copy = side_copy_path(&file, 1);
        assert_eq!(copy, folder.path().join("shares.sqlite.before-format-2"));
        std::fs::write(&copy, "").unwrap();
        side_copy(&connection, &copy).unwrap();
        meta::set_indexed_through(&connection, 5).unwrap();
        let copied = Connection::open(&copy).unwrap();
        assert_eq!(meta::history(&copied).unwrap(), HISTORY);
        assert_eq!(meta::indexed_through(&copied).unwrap(), 0);
    }
}
