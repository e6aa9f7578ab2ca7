//! Opening the file: who may read it, whose it is, whether it is whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use share_model::Nonce;

use super::error::OutboxError;
use super::options::OutboxOptions;
use super::schema;

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// What the ignore file says: everything beside it stays out of version control.
const IGNORE: &[u8] = b"*\n";

/// Opens the outbox at `path`, made if it is missing.
pub(super) fn open(path: &Path, options: &OutboxOptions) -> Result<Connection, OutboxError> {
    private_folder(path, options).map_err(|source| io_error(path, source))?;
    let db = if options.sqlite.vfs.is_some() {
        // What a simulated disk holds is known to its VFS only.
        connect(
            path,
            options,
            OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_READ_WRITE,
        )
        .map_err(|error| damaged(path, error))?
    } else {
        if !path.try_exists().map_err(|source| io_error(path, source))? {
            create(path, options)?;
        }
        // Looked at without leave to write first, so that what is refused is left as it was.
        let look = connect(path, options, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .map_err(|error| damaged(path, error))?;
        check(path, &look)?;
        check_length(path, &look)?;
        drop(look);
        connect(path, options, OpenFlags::SQLITE_OPEN_READ_WRITE)
            .map_err(|error| damaged(path, error))?
    };
    if options.sqlite.vfs.is_some() && is_blank(path, &db)? {
        schema::create(&db)?;
    }
    let version = check(path, &db)?;
    set_up(&db, options).map_err(|error| damaged(path, error))?;
    if version < schema::VERSION {
        keep_a_copy(path, &db, (version, options))?;
        schema::migrate(&db).map_err(|error| damaged(path, error))?;
    }
    Ok(db)
}

/// Makes the folder for its owner only, with an ignore file. A folder that others use is left as
/// it is: an ignore file there would hide their work.
fn private_folder(path: &Path, options: &OutboxOptions) -> io::Result<()> {
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

/// Makes a whole outbox under another name and puts it in place at once, so that whoever finds a
/// file at `path` finds all of it, also after a crash here.
fn create(path: &Path, options: &OutboxOptions) -> Result<(), OutboxError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.new", Nonce::random(&*options.entropy)));
    let new = path.with_file_name(name);
    let made = options
        .files
        .write_private(&new, b"")
        .map_err(|source| io_error(path, source))
        .and_then(|()| {
            let db = connect(&new, options, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
            db.pragma_update(None, "synchronous", "FULL")?;
            schema::create(&db)?;
            Ok(())
        })
        .and_then(|()| match fs::hard_link(&new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(io_error(path, error))
            }
            // Made by another process just now: that one it is.
            _ => Ok(()),
        });
    // Left over, it is of no harm.
    let _ = fs::remove_file(&new);
    made?;
    sync_folder(path).map_err(|source| io_error(path, source))
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn connect(path: &Path, options: &OutboxOptions, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = match &options.sqlite.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(db)
}

/// Keeps the file as an older version wrote it, beside it, before it is changed.
fn keep_a_copy(
    path: &Path,
    db: &Connection,
    (version, options): (u32, &OutboxOptions),
) -> Result<(), OutboxError> {
    if options.sqlite.vfs.is_some() {
        // What a simulated disk holds is made by this version.
        return Ok(());
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".version-{version}"));
    let copy = path.with_file_name(&name);
    if copy.try_exists().map_err(|source| io_error(path, source))? {
        return Ok(());
    }
    name.push(format!(".{}.new", Nonce::random(&*options.entropy)));
    let new = path.with_file_name(&name);
    let made = options
        .files
        .write_private(&new, b"")
        .map_err(|source| io_error(path, source))
        .and_then(|()| {
            db.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
            fs::File::open(&new)
                .and_then(|file| file.sync_all())
                .and_then(|()| fs::rename(&new, &copy))
                .map_err(|source| io_error(path, source))
        });
    // Left over, it is of no harm.
    let _ = fs::remove_file(&new);
    made?;
    sync_folder(path).map_err(|source| io_error(path, source))
}

/// Refuses a file that is not ours, newer, or not whole; does not write. The version that wrote it.
fn check(path: &Path, db: &Connection) -> Result<u32, OutboxError> {
    let path_of = || PathBuf::from(path);
    let (application, version) = version_of(db).map_err(|error| damaged(path, error))?;
    if is_blank(path, db)? {
        // What SQLite makes of a file that is shorter than a page.
        let detail = "it is cut off before its first page".into();
        return Err(OutboxError::Damaged {
            path: path_of(),
            detail,
        });
    }
    if application != schema::APPLICATION_ID {
        return Err(OutboxError::NotAnOutbox { path: path_of() });
    }
    if version > schema::VERSION {
        let supported = schema::VERSION;
        return Err(OutboxError::Newer {
            path: path_of(),
            version,
            supported,
        });
    }
    let verdict: String = db
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(|error| damaged(path, error))?;
    if verdict != "ok" {
        return Err(OutboxError::Damaged {
            path: path_of(),
            detail: verdict,
        });
    }
    Ok(version)
}

/// SQLite takes a last page that is cut short as one that ends in zeros.
fn check_length(path: &Path, db: &Connection) -> Result<(), OutboxError> {
    let page: u64 = db
        .pragma_query_value(None, "page_size", |row| row.get::<_, u32>(0))
        .map_err(|error| damaged(path, error))?
        .into();
    let bytes = fs::metadata(path)
        .map_err(|source| io_error(path, source))?
        .len();
    if bytes.checked_rem(page).unwrap_or(0) != 0 {
        let detail = format!("{bytes} bytes are not a number of pages of {page}");
        return Err(OutboxError::Damaged {
            path: path.into(),
            detail,
        });
    }
    Ok(())
}

fn version_of(db: &Connection) -> rusqlite::Result<(i32, u32)> {
    let application = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok((application, version))
}

fn is_blank(path: &Path, db: &Connection) -> Result<bool, OutboxError> {
    db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
    .map_err(|error| damaged(path, error))
}

fn set_up(db: &Connection, options: &OutboxOptions) -> rusqlite::Result<()> {
    // Readers of another process don't hold up the writer.
    db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
    // Promise 1: COMMIT returns after the log is on stable storage.
    db.pragma_update(None, "synchronous", "FULL")?;
    if let Some(pages) = options.sqlite.pages_max {
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    db.set_prepared_statement_cache_capacity(64);
    Ok(())
}

fn io_error(path: &Path, source: io::Error) -> OutboxError {
    OutboxError::Open {
        path: path.into(),
        source: Arc::new(source),
    }
}

fn damaged(path: &Path, error: rusqlite::Error) -> OutboxError {
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => OutboxError::NotAnOutbox { path: path.into() },
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            io_error(path, io::Error::other(error))
        }
        Some(ErrorCode::DatabaseCorrupt) => OutboxError::Damaged {
            path: path.into(),
            detail: error.to_string(),
        },
        _ => error.into(),
    }
}
