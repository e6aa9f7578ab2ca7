//! SQLite files that were damaged: by bytes, by values, or as a whole.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

mod outbox;
mod registry;
mod store;

/// Which file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Database {
    Outbox,
    Registry,
    Store,
}

/// What was done to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    /// Single bytes are others: place and byte, four bytes of input each.
    Bytes,
    /// A value in a table is another: column, row, kind, then the value.
    Value,
    /// The input is the file.
    Whole,
}

/// Opens a file with the damage that the input says, and uses it.
pub(super) fn open(database: Database, damage: Damage, input: &[u8]) {
    let folder = folder().expect("there is room for a folder");
    let path = folder.path().join(database.file());
    write(database, damage, input, &path).expect("there is room for a file");
    let before = fs::read(&path).expect("the file is read");
    let is_refused = match database {
        Database::Outbox => !outbox::is_used(&path),
        Database::Registry => !registry::is_used(&path),
        Database::Store => !store::is_used(folder.path()),
    };
    if is_refused {
        let after = fs::read(&path).expect("the file is read");
        assert!(after == before, "a file that was refused was changed");
    }
}

impl Database {
    /// The file's name in its folder.
    fn file(self) -> &'static str {
        match self {
            Self::Outbox | Self::Registry => "state.sqlite",
            Self::Store => "shares.sqlite",
        }
    }

    /// A whole file, the same in every run.
    fn template(self) -> &'static [u8] {
        static TEMPLATES: [OnceLock<Vec<u8>>; 3] = [const { OnceLock::new() }; 3];
        let make = || {
            let folder = folder().expect("there is room for a folder");
            let path = folder.path().join(self.file());
            match self {
                Self::Outbox => outbox::fill(&path),
                Self::Registry => registry::fill(&path),
                Self::Store => store::fill(folder.path()),
            }
            fs::read(path).expect("the file is read")
        };
        TEMPLATES[self as usize].get_or_init(make)
    }
}

/// In memory where the machine has a place for it: none of this has to be durable.
fn folder() -> io::Result<TempDir> {
    let memory = Path::new("/dev/shm");
    match memory.is_dir() {
        true => tempfile::tempdir_in(memory),
        false => tempfile::tempdir(),
    }
}

fn write(database: Database, damage: Damage, input: &[u8], path: &PathBuf) -> io::Result<()> {
    let mut bytes = match damage {
        Damage::Whole => input.to_vec(),
        Damage::Bytes | Damage::Value => database.template().to_vec(),
    };
    if damage == Damage::Bytes {
        for edit in input.chunks_exact(4) {
            let place = u32::from_le_bytes([edit[0], edit[1], edit[2], 0]);
            let place = usize::try_from(place).map_err(io::Error::other)? % bytes.len();
            bytes[place] = edit[3];
        }
    }
    fs::write(path, &bytes)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    if damage == Damage::Value {
        // A value that the table does not take leaves it as it was.
        _ = replace_value(path, input);
    }
    Ok(())
}

fn replace_value(path: &Path, input: &[u8]) -> rusqlite::Result<()> {
    let db = Connection::open(path)?;
    let mut places = db.prepare(
        "SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c \
         WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' ORDER BY 1, 2",
    )?;
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let places = places.query_map([], read)?;
    let places = places.collect::<rusqlite::Result<Vec<(String, String)>>>()?;
    let [column, row, kind, rest @ ..] = input else {
        return Ok(());
    };
    let (table, column) = &places[usize::from(*column) % places.len()];
    let text = || String::from_utf8_lossy(rest).into_owned();
    let value = match kind % 4 {
        0 => Value::Blob(rest.to_vec()),
        1 => Value::Text(text()),
        2 => Value::Integer(text().parse().unwrap_or(i64::MIN)),
        _ => Value::Null,
    };
    let found: Value = db.query_row(
        &format!("SELECT \"{column}\" FROM \"{table}\" LIMIT 1 OFFSET ?1"),
        [row % 4],
        |row| row.get(0),
    )?;
    db.execute(
        &format!("UPDATE \"{table}\" SET \"{column}\" = ?1 WHERE \"{column}\" IS ?2"),
        [value, found],
    )?;
    Ok(())
}

/// Waits for what is done on this thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.expect("a runtime can be made").block_on(future)
}
