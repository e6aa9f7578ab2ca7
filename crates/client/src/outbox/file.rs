//! Opening the file: with an ignore file beside it, for it stands in a worktree.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;

use super::error::OutboxError;
use super::options::OutboxOptions;
use super::schema;
use crate::sqlite_file::{self, FileError, Format, Seams};

const FORMAT: Format = Format {
    application_id: schema::APPLICATION_ID,
    version: schema::VERSION,
    is_private: false,
    create: schema::create,
    migrate: schema::migrate,
};
/// What the ignore file says: everything beside it stays out of version control.
const IGNORE: &[u8] = b"*\n";

/// Opens the outbox at `path`, made if it is missing.
pub(super) fn open(path: &Path, options: &OutboxOptions) -> Result<Connection, OutboxError> {
    ignored_folder(path, options).map_err(|source| io_error(path, source))?;
    let seams = Seams {
        sqlite: &options.sqlite,
        files: &*options.files,
        entropy: &*options.entropy,
    };
    sqlite_file::open(path, &FORMAT, seams).map_err(|error| of_file(path, error))
}

/// Makes the folder for its owner only, with an ignore file. A folder that others use is left as
/// it is: an ignore file there would hide their work.
fn ignored_folder(path: &Path, options: &OutboxOptions) -> io::Result<()> {
    let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    else {
        return Ok(());
    };
    if !folder.try_exists()? {
        options.files.create_private_dir(folder)?;
    }
    if fs::read_dir(folder)?.next().is_none() {
        options
            .files
            .write_private(&folder.join(".gitignore"), IGNORE)?;
    }
    Ok(())
}

fn of_file(path: &Path, error: FileError) -> OutboxError {
    let path = path.to_owned();
    match error {
        FileError::Io(source) => io_error(&path, source),
        FileError::Foreign => OutboxError::NotAnOutbox { path },
        FileError::Newer(version) => OutboxError::Newer {
            path,
            version,
            supported: schema::VERSION,
        },
        FileError::Damaged(detail) => OutboxError::Damaged { path, detail },
        // Not asked for.
        FileError::NotPrivate(_) => io_error(&path, io::ErrorKind::PermissionDenied.into()),
        FileError::Sqlite(error) => error.into(),
    }
}

fn io_error(path: &Path, source: io::Error) -> OutboxError {
    OutboxError::Open {
        path: path.into(),
        source: Arc::new(source),
    }
}
