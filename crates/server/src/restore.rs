//! Restoring a backup into a data folder whose server is stopped (`docs/design.md` §5 "Restore never
//! brings authority back").
//!
//! Everything is made ready in a folder beside what is there: the copy, checked whole; a new history
//! id; the ends of authority that the journal knows, or of all of it. One rename then decides
//! ([`install`]): a crash at any point leaves the old state or the new one.

mod authority;
mod error;
mod file;
pub(crate) mod install;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_model::seam::Executor;
use share_model::{HistoryId, UnixMs};
use tracing::info;

pub use error::RestoreError;

use crate::factory;
use crate::journal::{Contents, Journal, apply, forget_journal, journal_of};
use crate::seams::Seams;
use crate::server::certificate;
use crate::store::sqlite::{FILE, Folder, utc_name};
use crate::store::{SqliteStore, SqliteStoreOptions, Store};

use file::BackupFile;
use install::{NEW, STAGING, Step, sync_folder};

/// The file with the new owners' refs, in the data folder.
const OWNER_REFS: &str = "owner-refs.jsonl";
/// How the name of a folder begins that keeps what was there before.
pub(crate) const ASIDE: &str = "before-restore-";

/// What is restored, and where.
#[derive(Debug, Clone)]
pub struct RestoreOptions {
    /// The backup.
    pub file: PathBuf,
    /// The data folder; made if it is missing.
    pub data: PathBuf,
    /// The authority journal of the server that the backup is of.
    pub journal: RestoreJournal,
    /// `HOST:PORT` for the owner refs that are minted if the journal is lost. Empty: those of the
    /// factory's ref in the folder, else `127.0.0.1:7420`.
    pub advertise: Vec<String>,
    /// Clock, randomness, files.
    pub seams: Seams,
}

/// The authority journal in a restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RestoreJournal {
    /// It is here: authority that ended after the backup stays ended.
    At(PathBuf),
    /// It is lost: every grant of every share ends, and each share gets a new owner's ref. Here it
    /// would be; if it is there after all, nothing is restored.
    Lost(PathBuf),
}

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Shares that the folder has now.
    pub shares: u64,
    /// When the backup was made, by its server's clock.
    pub backup_at: UnixMs,
    /// The same in UTC, as in the names of what is kept aside: `20261121T095623Z`.
    pub backup_date: String,
    /// The new history id.
    pub history: HistoryId,
    /// Shares whose grants ended: those that the journal names, or all.
    pub ended: u64,
    /// Where what was there before is kept; `None`: there was nothing.
    pub kept_aside: Option<PathBuf>,
    /// The file with the new owner's ref of each share, one JSON object per line; only if the journal
    /// is lost.
    pub owner_refs: Option<PathBuf>,
}

/// Restores a backup. The server of the folder must be stopped. Blocks while it reads and writes;
/// needs no particular runtime.
///
/// # Errors
///
/// If the backup, the journal or the folder can't be used. Then nothing is changed, but for
/// [`RestoreError::Install`], which says what to do.
pub async fn restore(options: RestoreOptions) -> Result<Restored, RestoreError> {
    restore_in_steps(&options, &mut |_| Ok(())).await
}

/// As [`restore`]; a test ends it at a step by an error, as a crash would.
async fn restore_in_steps(
    options: &RestoreOptions,
    step: Step<'_>,
) -> Result<Restored, RestoreError> {
    let mut backup = BackupFile::open(&options.file)?;
    let (data, seams) = (&options.data, &options.seams);
    let journal = open_journal(&options.journal, seams)?;
    let folder = Folder::take(data, &*seams.files)?;
    let staging = data.join(STAGING);
    let prepared = prepare(&staging, &mut backup, journal.as_ref(), (options, step)).await;
    let restored = match prepared {
        Ok(restored) => restored,
        Err(error) => {
            // The error that is returned matters; a left-over goes with the next attempt.
            let _ = fs::remove_dir_all(&staging);
            return Err(error);
        }
    };
    install::decide(data, step).map_err(RestoreError::io("decide the restore of", data))?;
    install::finish(data, step).map_err(|source| RestoreError::Install {
        folder: data.clone(),
        source,
    })?;
    drop(folder);
    info!(data = %data.display(), shares = restored.shares, "backup restored");
    Ok(restored)
}

/// Keeps the server's own certificate, which refs pin, if the folder has one. The key goes first, as
/// when both were made.
fn keep_certificate(data: &Path, new: &Path, seams: &Seams) -> Result<(), RestoreError> {
    for name in [certificate::KEY_FILE, certificate::CERTIFICATE_FILE] {
        let (from, to) = (data.join(name), new.join(name));
        match seams.files.read(&from, certificate::FILE_BYTES_MAX) {
            Ok(bytes) => {
                let written = seams.files.write_private(&to, &bytes);
                written.map_err(RestoreError::io("write", &to))?;
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(RestoreError::io("read", &from)(error)),
        }
    }
    Ok(())
}

fn open_journal(journal: &RestoreJournal, seams: &Seams) -> Result<Option<Journal>, RestoreError> {
    match journal {
        RestoreJournal::At(path) => match Journal::open(path, &seams.files, Executor::Inline)? {
            Some(journal) => Ok(Some(journal)),
            None => Err(RestoreError::NoJournal { path: path.clone() }),
        },
        RestoreJournal::Lost(path) if path.exists() => {
            Err(RestoreError::JournalThere { path: path.clone() })
        }
        RestoreJournal::Lost(_) => Ok(None),
    }
}

/// Makes everything ready in `staging`.
async fn prepare(
    staging: &Path,
    backup: &mut BackupFile,
    journal: Option<&Journal>,
    (options, step): (&RestoreOptions, Step<'_>),
) -> Result<Restored, RestoreError> {
    let RestoreOptions { data, seams, .. } = options;
    let files = &*seams.files;
    let new = staging.join(NEW);
    let made = files.create_private_dir(&new);
    made.map_err(RestoreError::io("make folder", &new))?;
    failing(step("made"), staging)?;
    backup.copy_to(&new.join(FILE))?;
    failing(step("copied"), staging)?;
    let found = factory::read_file(seams, &data.join(factory::FILE));
    // One that can't be read stays with what is kept aside, and the server makes another.
    let factory = found.ok().flatten();
    let content = |error| RestoreError::Content {
        file: options.file.clone(),
        source: Box::new(error),
    };
    let opened = open(&new, seams).map_err(|error| content(error.into()))?;
    opened
        .check()
        .await
        .map_err(|error| content(error.into()))?;
    let history = HistoryId::random(&*seams.entropy);
    opened.renew_history(history).await?;
    failing(step("renewed"), staging)?;
    let contents = journal.map(|journal| journal.contents().clone());
    let (ended, refs) = match (&options.journal, &contents) {
        (RestoreJournal::At(path), Some(contents)) => {
            (end_by_journal(&opened, path, contents, seams).await?, None)
        }
        _ => {
            let served = authority::served(&options.advertise, factory.as_ref());
            let refs = authority::end_all(&opened, seams, &served).await?;
            factory::revoke_children(&opened, seams.clock.now()).await?;
            forget_journal(&opened).await?;
            (refs.count(), Some(refs.to_lines()))
        }
    };
    failing(step("ended"), staging)?;
    let shares = count_shares(&opened).await?;
    drop(opened);
    let write = |path: &Path, bytes: &[u8]| {
        let written = files.write_private(path, bytes);
        written.map_err(RestoreError::io("write", path))
    };
    if let Some(factory) = &factory {
        let line = format!("{}\n", factory.expose());
        write(&new.join(factory::FILE), line.as_bytes())?;
    }
    keep_certificate(data, &new, seams)?;
    if let Some(lines) = &refs {
        write(&new.join(OWNER_REFS), lines.as_bytes())?;
    }
    let backup_at = backup.head().at;
    let backup_date = date(backup_at, data)?;
    let aside = aside_name(data, seams)?;
    let kept = install::has_content(data).map_err(RestoreError::io("look into", data))?;
    write(&staging.join(install::ASIDE_FILE), aside.as_bytes())?;
    sync_files(&new).map_err(RestoreError::io("write", &new))?;
    failing(step("prepared"), staging)?;
    Ok(Restored {
        shares,
        backup_at,
        backup_date,
        history,
        ended,
        kept_aside: kept.then(|| data.join(aside)),
        owner_refs: refs.map(|_| data.join(OWNER_REFS)),
    })
}

fn failing(step: io::Result<()>, staging: &Path) -> Result<(), RestoreError> {
    step.map_err(RestoreError::io("prepare", staging))
}

fn open(folder: &Path, seams: &Seams) -> Result<SqliteStore, crate::store::StoreError> {
    let options = SqliteStoreOptions {
        executor: Executor::Inline,
        ..SqliteStoreOptions::default()
    };
    SqliteStore::open(folder, &options, Arc::clone(&seams.files), &*seams.entropy)
}

/// Ends what the journal says has ended; the journal must be the backup's own.
async fn end_by_journal(
    store: &dyn Store,
    path: &Path,
    contents: &Contents,
    seams: &Seams,
) -> Result<u64, RestoreError> {
    let bound = journal_of(store).await?;
    if bound.is_some_and(|id| id != contents.id() && Some(id) != contents.replaces()) {
        return Err(RestoreError::OtherJournal {
            path: path.to_owned(),
        });
    }
    let now = seams.clock.now();
    let applied = apply(store, contents, now, |_| true).await?;
    Ok(applied.shares)
}

async fn count_shares(store: &dyn Store) -> Result<u64, RestoreError> {
    let (mut count, mut after) = (0, None);
    loop {
        let page = store.shares(after, 1024).await?;
        let Some((last, _)) = page.last() else {
            return Ok(count);
        };
        after = Some(*last);
        count += page.len() as u64;
    }
}

/// A name for what is kept aside that nothing has yet.
fn aside_name(data: &Path, seams: &Seams) -> Result<String, RestoreError> {
    let date = date(seams.clock.now(), data)?;
    let plain = format!("{ASIDE}{date}");
    let numbered = (2_u32..).map(|number| format!("{plain}-{number}"));
    let mut names = std::iter::once(plain.clone()).chain(numbered);
    // The numbers do not run out before the disk does.
    Ok(names
        .find(|name| !data.join(name).exists())
        .unwrap_or(plain))
}

fn date(at: UnixMs, data: &Path) -> Result<String, RestoreError> {
    utc_name(at)
        .map_err(|error| RestoreError::io("name what is kept of", data)(io::Error::other(error)))
}

/// Makes the files of a folder, and their names, durable.
fn sync_files(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::File::open(entry?.path())?.sync_all()?;
    }
    sync_folder(folder)
}
