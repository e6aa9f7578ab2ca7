//! Opening a SQLite file of ours: who may read it, whose it is, whether it is whole. What is refused
//! is left as it was.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};
use share_model::seam::{Entropy, Files, SqliteSettings};
use share_model::{Nonce, planted};

/// How long a writer waits for another process's transaction.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long it waits before it looks again whether it has the file to itself.
const MODE_LOOK_AGAIN: Duration = Duration::from_millis(2);
/// So often it looks: for 10 seconds.
const MODE_LOOKS_MAX: u32 = 5000;

/// How often a transaction is begun in vain while others write, each time after [`BUSY_TIMEOUT`].
const BEGINS_MAX: u32 = 6;

/// Statements that are kept prepared: more than an outbox or a registry has.
const STATEMENTS_MAX: usize = 256;

/// A kind of file, and the marks by which it is known.
#[derive(Debug)]
pub(crate) struct Format {
    /// `PRAGMA application_id`.
    pub(crate) application_id: i32,
    /// `PRAGMA user_version` that this program writes.
    pub(crate) version: u32,
    /// Whether a file that others than its owner may read is refused.
    pub(crate) is_private: bool,
    /// Makes the tables and sets the marks, in one transaction.
    pub(crate) create: fn(&Connection) -> rusqlite::Result<()>,
    /// Takes the tables of an older version to this one, in one transaction.
    pub(crate) migrate: fn(&Connection) -> rusqlite::Result<()>,
}

/// The world, as far as opening a file needs it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seams<'a> {
    pub(crate) sqlite: &'a SqliteSettings,
    pub(crate) files: &'a dyn Files,
    pub(crate) entropy: &'a dyn Entropy,
}

/// Why a file was not opened. It was not touched, but for the last.
#[derive(Debug)]
pub(crate) enum FileError {
    /// The file or its folder can't be opened or made.
    Io(io::Error),
    /// It belongs to something else.
    Foreign,
    /// A newer version wrote it.
    Newer(u32),
    /// It is cut off or damaged.
    Damaged(String),
    /// Others than its owner may read it, by these permissions.
    NotPrivate(u32),
    /// SQLite says something else.
    Sqlite(rusqlite::Error),
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rusqlite::Error> for FileError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase) => Self::Foreign,
            Some(
                ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::SystemIoFailure,
            ) => Self::Io(io::Error::other(error)),
            Some(ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            _ => Self::Sqlite(error),
        }
    }
}

/// Opens the file at `path` for reading and writing, made if it is missing, with its folder.
pub(crate) fn open(
    path: &Path,
    format: &Format,
    seams: Seams<'_>,
) -> Result<Connection, FileError> {
    let folder = folder_of(path);
    if !folder.try_exists()? {
        seams.files.create_private_dir(folder)?;
    }
    if !path.try_exists()? {
        create(path, format, seams)?;
    }
    // Looked at without leave to write first, so that what is refused is left as it was.
    let look = connect(path, seams, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    check(&look, format)?;
    check_length(path, &look)?;
    if format.is_private {
        check_private(path)?;
    }
    drop(look);
    let db = connect(path, seams, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let copies_at_close = |copies: bool| {
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !copies)
            .map(drop)
    };
    // Not before the write-ahead log is durable: of one that a power cut shortens, the file would
    // have a half.
    copies_at_close(false)?;
    let version = check(&db, format)?;
    set_up(&db, seams.sqlite)?;
    keep_recovered(path, &db, seams.files)?;
    copies_at_close(true)?;
    if version < format.version {
        keep_a_copy(path, &db, (version, seams))?;
        (format.migrate)(&db)?;
        // A newer program may have migrated it meanwhile.
        check(&db, format)?;
    }
    Ok(db)
}

/// Makes durable what SQLite has recovered from the write-ahead log, before anything is promised on
/// top of it. After a sync that failed, the log in memory has transactions that the disk has not; the
/// process that met it has ended, and the operating system takes them for written.
///
/// While another process has the file open, nothing is recovered: what failed is not in the index
/// that all share, and the next transaction is written over it.
fn keep_recovered(path: &Path, db: &Connection, files: &dyn Files) -> Result<(), FileError> {
    // This connection has looked into the file: only what the log holds by now was recovered.
    let Some(log) = log_of(path)? else {
        return Ok(());
    };
    let mut begins = 1;
    let transaction = loop {
        match Transaction::new_unchecked(db, TransactionBehavior::Immediate) {
            Err(error) if is_busy(&error) && begins < BEGINS_MAX => begins += 1,
            begun => break begun?,
        }
    };
    // Meanwhile nobody appends to the log, begins it anew or takes it away.
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&log)?;
    files.write_again(&log, &mut file)?;
    Ok(transaction.rollback()?)
}

/// The write-ahead log of a file, if it holds anything: SQLite has it beside the file that a link
/// leads to.
fn log_of(path: &Path) -> io::Result<Option<PathBuf>> {
    let mut log = fs::canonicalize(path)?.into_os_string();
    log.push("-wal");
    match fs::metadata(&log) {
        Ok(metadata) => Ok((metadata.len() > 0).then(|| log.into())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The folder that a file is in.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Makes a whole file under another name and puts it in place at once, so that whoever finds a file
/// at `path` finds all of it, also after a crash here.
fn create(path: &Path, format: &Format, seams: Seams<'_>) -> Result<(), FileError> {
    with_new_file(path, path.file_name(), seams, |new| {
        let db = connect(new, seams, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        db.pragma_update(None, "synchronous", "FULL")?;
        (format.create)(&db)?;
        // Now, while nobody else has it: changing the mode wants the file to itself.
        write_ahead(&db)?;
        drop(db);
        match fs::hard_link(new, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error.into()),
            // Made by another process just now: that one it is.
            _ => Ok(()),
        }
    })
}

/// Keeps the file as an older version wrote it, beside it, before it is changed.
fn keep_a_copy(
    path: &Path,
    db: &Connection,
    (version, seams): (u32, Seams<'_>),
) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".version-{version}"));
    let copy = path.with_file_name(&name);
    if copy.try_exists()? {
        return Ok(());
    }
    with_new_file(path, Some(&name), seams, |new| {
        db.execute("VACUUM INTO ?1", [new.to_string_lossy()])?;
        let copied = connect(new, seams, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if version_of(&copied)? != version {
            // Another process has migrated the file just now, and kept its copy before.
            return Ok(());
        }
        drop(copied);
        fs::File::open(new)?.sync_all()?;
        Ok(fs::rename(new, &copy)?)
    })
}

/// Runs `make` on a new private file beside `path`, takes the name away again if it is left over, and
/// makes the folder's new names durable.
fn with_new_file(
    path: &Path,
    name: Option<&std::ffi::OsStr>,
    seams: Seams<'_>,
    make: impl FnOnce(&Path) -> Result<(), FileError>,
) -> Result<(), FileError> {
    let name = name.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut name = name.to_owned();
    name.push(format!(".{}.new", Nonce::random(seams.entropy)));
    let new = path.with_file_name(name);
    let made = seams
        .files
        .write_private(&new, b"")
        .map_err(FileError::from)
        .and_then(|()| make(&new));
    // Left over, it is of no harm.
    let _ = fs::remove_file(&new);
    made?;
    Ok(fs::File::open(folder_of(path))?.sync_all()?)
}

fn connect(path: &Path, seams: Seams<'_>, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = match &seams.sqlite.vfs {
        Some(vfs) => Connection::open_with_flags_and_vfs(path, flags, vfs.as_str())?,
        None => Connection::open_with_flags(path, flags)?,
    };
    db.busy_timeout(BUSY_TIMEOUT)?;
    Ok(db)
}

/// Refuses a file that is not ours, newer, or not whole; does not write. The version that wrote it.
fn check(db: &Connection, format: &Format) -> Result<u32, FileError> {
    let application: i32 = db.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let version = version_of(db)?;
    if is_blank(db)? {
        // What SQLite makes of a file that is shorter than a page.
        let detail = "it is cut off before its first page".into();
        return Err(FileError::Damaged(detail));
    }
    if application != format.application_id {
        return Err(FileError::Foreign);
    }
    if version == 0 {
        // Marks and tables are made in one transaction.
        return Err(FileError::Damaged("it has no version".into()));
    }
    if version > format.version {
        return Err(FileError::Newer(version));
    }
    let verdict: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(match is_of_disk(&verdict) {
            true => FileError::Io(io::Error::other(verdict)),
            false => FileError::Damaged(verdict),
        });
    }
    Ok(version)
}

/// Whether SQLite's verdict is that it could not read: it names the code of what it met. That says
/// nothing of the file, which may be whole.
fn is_of_disk(verdict: &str) -> bool {
    const CODE: &str = "error code=";
    verdict.match_indices(CODE).any(|(at, _)| {
        let digits = verdict[at + CODE.len()..].split(|next: char| !next.is_ascii_digit());
        let code = digits
            .into_iter()
            .next()
            .and_then(|digits| digits.parse::<i32>().ok());
        // An extended code has the primary one in its lowest byte.
        code.is_some_and(|code| code & 0xff == rusqlite::ffi::SQLITE_IOERR)
    })
}

fn version_of(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// SQLite takes a last page that is cut short as one that ends in zeros. What a crash left, or a disk
/// without room, may look so: then the page stands in the write-ahead log.
fn check_length(path: &Path, db: &Connection) -> Result<(), FileError> {
    let page: u32 = db.pragma_query_value(None, "page_size", |row| row.get(0))?;
    let bytes = fs::metadata(path)?.len();
    if bytes.checked_rem(page.into()).unwrap_or(0) != 0 && log_of(path)?.is_none() {
        let detail = format!("{bytes} bytes are not a number of pages of {page}");
        return Err(FileError::Damaged(detail));
    }
    Ok(())
}

#[cfg(unix)]
fn check_private(path: &Path) -> Result<(), FileError> {
    let permissions = fs::metadata(path)?.permissions();
    match std::os::unix::fs::PermissionsExt::mode(&permissions) & 0o777 {
        mode if mode & 0o077 != 0 => Err(FileError::NotPrivate(mode)),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn check_private(_: &Path) -> Result<(), FileError> {
    Ok(())
}

fn is_blank(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT count(*) = 0 FROM sqlite_schema", [], |row| {
        row.get(0)
    })
}

fn set_up(db: &Connection, settings: &SqliteSettings) -> rusqlite::Result<()> {
    write_ahead(db)?;
    // Promise 1: COMMIT returns after the log is on stable storage.
    let synchronous = match planted!("outbox-synchronous-off") {
        true => "OFF",
        false => "FULL",
    };
    db.pragma_update(None, "synchronous", synchronous)?;
    if let Some(pages) = settings.pages_max {
        db.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
    }
    // One plan for each statement: else SQLite looks at what is bound to a `LIMIT`, and prepares the
    // statement anew whenever that is bound again.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(())
}

/// Readers of another process don't hold up the writer. Changing the mode wants the file to itself,
/// and SQLite does not wait for others then, as it does otherwise.
fn write_ahead(db: &Connection) -> rusqlite::Result<()> {
    let mut looks = 0;
    loop {
        match db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())) {
            Err(error) if is_busy(&error) && looks < MODE_LOOKS_MAX => {
                looks += 1;
                std::thread::park_timeout(MODE_LOOK_AGAIN);
            }
            done => return done,
        }
    }
}

fn is_busy(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
}

#[cfg(test)]
mod tests {
    use share_model::seam::{SystemEntropy, SystemFiles};

    use super::*;

    #[test]
    fn a_file_that_a_newer_program_migrates_meanwhile_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let (sqlite, entropy) = (SqliteSettings::default(), SystemEntropy::default());
        let seams = Seams {
            sqlite: &sqlite,
            files: &SystemFiles,
            entropy: &entropy,
        };
        let mut format = Format {
            application_id: 7,
            version: 1,
            is_private: false,
            create: |db| {
                db.execute_batch(
                    "CREATE TABLE t (a); PRAGMA application_id = 7; PRAGMA user_version = 1",
                )
            },
            migrate: |db| db.execute_batch("PRAGMA user_version = 9"),
        };
        drop(open(&path, &format, seams).unwrap());
        format.version = 2;
        let refused = open(&path, &format, seams).unwrap_err();
        assert!(matches!(refused, FileError::Newer(9)), "{refused:?}");
    }

    /// Two processes found the same old file; the other one was faster.
    #[test]
    fn what_another_process_has_migrated_meanwhile_is_not_kept_as_the_old_version() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let db = Connection::open(&path).unwrap();
        let (sqlite, entropy) = (SqliteSettings::default(), SystemEntropy::default());
        let seams = Seams {
            sqlite: &sqlite,
            files: &SystemFiles,
            entropy: &entropy,
        };
        db.execute_batch("CREATE TABLE t (a); PRAGMA user_version = 2")
            .unwrap();
        keep_a_copy(&path, &db, (1, seams)).unwrap();
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(names(), ["db"]);
        keep_a_copy(&path, &db, (2, seams)).unwrap();
        assert_eq!(names(), ["db", "db.version-2"]);
    }

    #[test]
    fn a_disk_that_can_not_be_read_is_no_damage() {
        let of_disk =
            "*** in database main ***\nTree 6 page 34: unable to get the page. error code=266";
        assert!(is_of_disk(of_disk));
        assert!(is_of_disk("unable to get the page. error code=10 and more"));
        assert!(!is_of_disk(
            "Tree 6 page 34: unable to get the page. error code=11"
        ));
        assert!(!is_of_disk(
            "*** in database main ***\nTree 6 page 34 cell 1: Rowid 2 out of order"
        ));
        assert!(!is_of_disk("error code="));
    }
}
