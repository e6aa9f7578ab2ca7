//! Opening a store's folder: one process, the right file, the right format, a sound end of the log.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use share_model::seam::{Entropy, FileLock, Files, SqliteSettings};
use share_model::{HistoryId, ShareId, planted};

use super::fault::{ReadError, store_error};
use super::migration::{self, APPLICATION_ID};
use super::redo::{self, Recovered, RedoId};
use super::slices::Slices;
use super::tail::{Head, Tail};
use super::{log, meta, share_index};
use crate::restore::install;
use crate::store::StoreError;

/// The store's file in its folder.
pub(crate) const FILE: &str = "shares.sqlite";
/// Held by the process that has the store open.
pub(crate) const LOCK: &str = "lock";
/// There once the store was created: without it, an empty file is a new store; with it, a lost one.
const CREATED: &str = "created";

/// Statements that a connection keeps prepared.
const STATEMENTS_KEPT: usize = 64;

/// How long SQLite waits for another connection. Ours never exclude each other; a person's `sqlite3`
/// may.
pub(super) const BUSY_TIMEOUT_MS: u32 = 5000;

/// Fewer, larger pages than SQLite's default, for a batch is one row. For ever.
const PAGE_BYTES: u64 = 16 << 10;

/// Memory for pages: of the writer, more than a group needs, so that none is written before `COMMIT`.
const CACHE_KIB: i32 = 64 << 10;

/// A folder that this process has for itself.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(super) file: PathBuf,
    /// Ends with this value: to be dropped after every connection.
    _lock: FileLock,
}

impl Folder {
    /// Makes the folder if it is missing, and takes its lock.
    pub(crate) fn take(path: &Path, files: &dyn Files) -> Result<Self, StoreError> {
        files
            .create_private_dir(path)
            .map_err(io_error("create folder", path))?;
        let lock = files
            .try_lock(&path.join(LOCK))
            .map_err(io_error("lock", &path.join(LOCK)))?
            .ok_or_else(|| StoreError::Locked {
                folder: path.to_owned(),
            })?;
        // What a restore had decided before a crash is done first, whoever comes.
        install::recover(path).map_err(io_error("finish the restore of", path))?;
        Ok(Self {
            file: path.join(FILE),
            _lock: lock,
        })
    }

    /// The folder.
    pub(super) fn path(&self) -> &Path {
        self.file.parent().unwrap_or(Path::new("."))
    }

    /// Opens the file for writing, made or migrated if need be.
    pub(super) fn open(
        &self,
        settings: &SqliteSettings,
        files: &dyn Files,
        entropy: &dyn Entropy,
    ) -> Result<Connection, StoreError> {
        let created = self.file.with_file_name(CREATED);
        let was_created = exists(files, &created)?;
        if !was_created && !exists(files, &self.file)? {
            // So that it is readable by its owner only, and durably there. SQLite gives its
            // write-ahead log the same mode.
            files
                .write_private(&self.file, &[])
                .map_err(io_error("create", &self.file))?;
        }
        if was_created {
            self.check_length()?;
        }
        let mut connection = self.connect(settings, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        // Not before the write-ahead log is durable: of one that a power cut shortens, the file would
        // have a half.
        self.copy_at_close(&connection, false)?;
        let format = self.format(&connection, was_created)?;
        self.keep_recovered(&connection, files)?;
        self.copy_at_close(&connection, true)?;
        self.configure(&connection, settings)?;
        let migrated = if format == migration::newest_format() {
            Ok(())
        } else {
            self.migrate(&mut connection, format, (files, entropy))
        };
        migrated?;
        if !was_created {
            files
                .write_private(&created, b"The store in this folder was created.\n")
                .map_err(io_error("create", &created))?;
        }
        Ok(connection)
    }

    /// Whether closing the last connection copies the write-ahead log into the file.
    fn copy_at_close(&self, connection: &Connection, copies: bool) -> Result<(), StoreError> {
        let set = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !copies);
        set.map(drop).map_err(|error| self.fault(error))
    }

    /// Makes durable what SQLite has recovered from the write-ahead log, before anything is promised
    /// on top of it. After a sync that failed, the log in memory has transactions that the disk has
    /// not; the process that met it has ended, and the operating system takes them for written.
    fn keep_recovered(&self, connection: &Connection, files: &dyn Files) -> Result<(), StoreError> {
        let log = self.log()?;
        if length(&log)? == 0 {
            return Ok(());
        }
        // Nobody appends to the log meanwhile, not even by hand.
        let begun = Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
        let transaction = begun.map_err(|error| self.fault(error))?;
        let opened = OpenOptions::new().read(true).write(true).open(&log);
        opened
            .and_then(|mut file| files.write_again(&log, &mut file))
            .map_err(io_error("write again", &log))?;
        transaction.rollback().map_err(|error| self.fault(error))
    }

    /// The write-ahead log: SQLite has it beside the file that a link leads to.
    fn log(&self) -> Result<PathBuf, StoreError> {
        let file = fs::canonicalize(&self.file);
        let mut log = file
            .map_err(io_error("look at", &self.file))?
            .into_os_string();
        log.push("-wal");
        Ok(log.into())
    }

    /// SQLite reads a last page that was cut short as one that ends with zeros. Only what a crash
    /// left, with the page in the write-ahead log, may look so.
    fn check_length(&self) -> Result<(), StoreError> {
        let bytes = length(&self.file)?;
        if bytes % PAGE_BYTES != 0 && length(&self.log()?)? == 0 {
            return Err(self.lost(&format!("it was cut short to {bytes} bytes")));
        }
        Ok(())
    }

    /// Opens the file for reading.
    pub(super) fn open_reader(&self, settings: &SqliteSettings) -> Result<Connection, StoreError> {
        self.connect(settings, OpenFlags::SQLITE_OPEN_READ_ONLY)
    }

    fn connect(
        &self,
        settings: &SqliteSettings,
        mode: OpenFlags,
    ) -> Result<Connection, StoreError> {
        let flags = mode | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = match &settings.vfs {
            None => Connection::open_with_flags(&self.file, flags),
            Some(vfs) => Connection::open_with_flags_and_vfs(&self.file, flags, vfs.as_str()),
        };
        let connection = opened.map_err(|error| self.missing_or(error))?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
        connection
            .pragma_update(None, "busy_timeout", BUSY_TIMEOUT_MS)
            .and_then(|()| connection.pragma_update(None, "trusted_schema", false))
            .map_err(|error| self.fault(error))?;
        Ok(connection)
    }

    /// The format of the file, 0 if it is new; nothing is changed yet.
    fn format(&self, connection: &Connection, was_created: bool) -> Result<u32, StoreError> {
        let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get(0));
        let read = number("application_id").and_then(|application: u32| {
            let format: u32 = number("user_version")?;
            let objects: u32 =
                connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            Ok((application, format, objects))
        });
        let file = self.file.clone();
        match read {
            Ok((0, 0, 0)) if was_created => Err(self.lost("it is empty, but held a store")),
            Ok((0, 0, 0)) => Ok(0),
            Ok((APPLICATION_ID, format, _)) if format > migration::newest_format() => {
                Err(StoreError::Newer {
                    file,
                    found: format,
                    supported: migration::newest_format(),
                })
            }
            Ok((APPLICATION_ID, format, objects)) if format > 0 && objects > 0 => Ok(format),
            Ok((APPLICATION_ID, ..)) => Err(self.lost("its tables are gone")),
            Ok(_) => Err(StoreError::Foreign { file }),
            Err(error) => match self.fault(error) {
                StoreError::Corrupt { .. } if !was_created => Err(StoreError::Foreign { file }),
                error => Err(error),
            },
        }
    }

    fn configure(
        &self,
        connection: &Connection,
        settings: &SqliteSettings,
    ) -> Result<(), StoreError> {
        let configured = || {
            // Only has an effect on a new file.
            connection.pragma_update(None, "page_size", PAGE_BYTES)?;
            // Readers don't block the writer, and a commit is one sequential write and one sync.
            let mode: String =
                connection
                    .pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            // Acked is durable: COMMIT returns after the write-ahead log was synced.
            let synchronous = match planted!("synchronous-normal") {
                true => "NORMAL",
                false => "FULL",
            };
            connection.pragma_update(None, "synchronous", synchronous)?;
            // What is deleted is overwritten: a share's content goes with it, also what earlier
            // checkpoints had of it.
            connection.pragma_update(None, "secure_delete", true)?;
            // The writer does it itself, after it has answered, and sees when it fails.
            connection.pragma_update(None, "wal_autocheckpoint", 0)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            // Damage in a page is an error when it is read, not a wrong answer.
            connection.pragma_update(None, "cell_size_check", true)?;
            if let Some(pages_max) = settings.pages_max {
                connection.pragma_update_and_check(
                    None,
                    "max_page_count",
                    pages_max,
                    |_| Ok(()),
                )?;
            }
            Ok(mode)
        };
        match configured().map_err(|error| self.fault(error))? {
            mode if mode == "wal" => Ok(()),
            mode => Err(self.lost(&format!("journal mode is {mode}, not wal"))),
        }
    }

    fn migrate(
        &self,
        connection: &mut Connection,
        format: u32,
        (files, entropy): (&dyn Files, &dyn Entropy),
    ) -> Result<(), StoreError> {
        if format > 0 {
            let copy = migration::side_copy_path(&self.file, format);
            // An earlier copy is from an attempt that did not get further.
            files
                .write_private(&copy, &[])
                .map_err(io_error("create", &copy))?;
            migration::side_copy(connection, &copy).map_err(|error| self.fault(error))?;
        }
        migration::migrate(connection, format, HistoryId::random(entropy))
            .map_err(|error| self.fault(error))
    }

    fn fault(&self, error: rusqlite::Error) -> StoreError {
        store_error(error, "open", &self.file)
    }

    fn missing_or(&self, error: rusqlite::Error) -> StoreError {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::CannotOpen) if !self.file.exists() => {
                self.lost("it is missing, but the folder held a store")
            }
            _ => self.fault(error),
        }
    }

    fn lost(&self, what: &str) -> StoreError {
        StoreError::Corrupt {
            file: self.file.clone(),
            share: None,
            version: None,
            what: what.to_owned(),
        }
    }
}

/// Takes what only the redo log has into the file, durably, and gives the log another id.
pub(super) fn take_over(
    folder: &Folder,
    connection: &mut Connection,
    (files, entropy): (&dyn Files, &dyn Entropy),
) -> Result<RedoId, StoreError> {
    let sql = |error| store_error(error, "open", &folder.file);
    let mut rows = Vec::new();
    let applied = log::last_position(connection).map_err(sql)?;
    if let Some(id) = meta::redo(connection).map_err(sql)? {
        let recovered = redo::recover(folder.path(), files, (id, applied))
            .map_err(io_error("read the redo log beside", &folder.file))?;
        rows = match recovered {
            Recovered::Rows(rows) => rows,
            Recovered::Damaged(what) => return Err(folder.lost(&what)),
        };
    }
    let id = RedoId::random(entropy);
    let taken = connection.transaction().and_then(|transaction| {
        log::insert(&transaction, &rows, &mut Slices::default())?;
        meta::set_redo(&transaction, id)?;
        transaction.commit()
    });
    taken.map_err(sql)?;
    if !rows.is_empty() {
        tracing::info!(file = %folder.file.display(), rows = rows.len(), "redo log taken over");
    }
    Ok(id)
}

/// Makes the tail again, by the headers of the log's end, and says where the log ends. Checks that
/// neither the log nor a share's versions have a gap there.
pub(super) fn read_tail(connection: &Connection) -> Result<(Tail, u64), ReadError> {
    let mut last = meta::indexed_through(connection)?;
    let indexed_through = last;
    let mut tail = Tail::at(indexed_through);
    let mut heads: HashMap<ShareId, Head> = HashMap::new();
    log::headers_after(connection, indexed_through, |share, row| {
        if row.position != last + 1 {
            return Err(ReadError::file(format!(
                "the log has no position {}, but {}",
                last + 1,
                row.position
            )));
        }
        let head = match heads.get(&share) {
            Some(head) => *head,
            None => share_index::last(connection, share)?.unwrap_or_default(),
        };
        if row.version != head.version.next() || row.cursor_before() != head.cursor {
            let missing = head.version.next();
            return Err(ReadError::record(share, missing, "it is missing"));
        }
        heads.insert(share, Head::from(&row));
        tail.push(share, row);
        last = row.position;
        Ok(())
    })?;
    if tail.row_count() == 0 && log::last_position(connection)? != last {
        return Err(ReadError::file("the log ends before its index does"));
    }
    Ok((tail, last))
}

/// Bytes of a file; none if it is missing.
fn length(path: &Path) -> Result<u64, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(error) => Err(io_error("look at", path)(error)),
    }
}

fn exists(files: &dyn Files, path: &Path) -> Result<bool, StoreError> {
    match files.read(path, 0) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::FileTooLarge => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(io_error("read", path)(error)),
    }
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io {
        doing,
        path,
        source: Arc::new(source),
    }
}
