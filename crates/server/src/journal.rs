//! The authority journal: a file apart from the data folder that knows which authority has ended, so
//! that a restore never brings it back (`docs/design.md` §5).
//!
//! An entry is durable here before the commit that it tells of is tried ([`JournaledStore`]). At
//! start-up, and in a restore, what the store lacks is applied to it ([`bind`], [`apply`]). The
//! journal also has marks of how far the store had come, by which a data folder shows that was put
//! back from a copy behind the server's back.

mod apply;
mod bind;
mod contents;
mod entry;
mod error;
mod file;
mod frame;
mod guarded;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::UnixMs;
use share_model::seam::{Entropy, Executor, Files, NotAccepted, Worker};
use tokio::sync::{oneshot, watch};
use tracing::{error, info, warn};

use crate::store::StoreError;

pub(crate) use apply::{apply, erase_share, load_share};
pub(crate) use bind::{JournalUse, bind, forget_journal, journal_of, rewritten_record};
pub(crate) use contents::Contents;
pub(crate) use entry::JournalId;
pub use error::JournalError;
pub(crate) use guarded::JournaledStore;

use entry::Entry;
use file::{Disk, LockedFile};

/// Appends that may wait.
const QUEUE_MAX: usize = 1024;
/// Appends that share one fsync.
const GROUP_MAX: usize = 256;
/// A journal of fewer bytes is not made smaller.
const COMPACT_BYTES_MIN: u64 = 64 << 10;

/// What a journal's file says, written again; `None`: it is refused.
pub(crate) fn rewritten(path: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let read = frame::read(path, bytes).ok()?;
    let contents = Contents::of(path, read.entries).ok()?;
    Some(frame::write_file(&contents.entries()))
}

/// An open journal. This process has it for itself.
pub(crate) struct Journal {
    worker: Worker<Job>,
    shared: Arc<Shared>,
}

/// What the writing thread and the others share.
#[derive(Debug)]
struct Shared {
    path: PathBuf,
    /// What is durable in the file. Held for look-ups and copies only, never across I/O.
    contents: Mutex<Contents>,
    /// Why nothing is written any more, once it is so.
    stopped: watch::Sender<Option<Arc<str>>>,
}

/// Entries to be written, and who waits for it.
struct Job {
    entries: Vec<Entry>,
    reply: oneshot::Sender<Result<(), StoreError>>,
}

impl Journal {
    /// Opens a journal; `None` if there is no file. A torn last entry is cut off: nobody acted on
    /// it. Blocks.
    pub(crate) fn open(
        path: &Path,
        files: &Arc<dyn Files>,
        executor: Executor,
    ) -> Result<Option<Self>, JournalError> {
        let Some((file, bytes)) = LockedFile::open(path, files)? else {
            return Ok(None);
        };
        let read = frame::read(path, &bytes)?;
        let mut file = file;
        if read.bytes < bytes.len() as u64 {
            warn!(journal = %path.display(), bytes = bytes.len() as u64 - read.bytes,
                "an entry of the journal that was never finished is cut off");
        }
        // Also makes durable what a process wrote that died before its fsync, or whose fsync failed:
        // it is acted on now.
        file.keep(read.bytes)
            .map_err(JournalError::io("write", path))?;
        let contents = Contents::of(path, read.entries)?;
        Self::start(Box::new(file), contents, read.bytes, executor).map(Some)
    }

    /// Makes a journal that begins with `contents`; a file that is there is replaced. Blocks.
    pub(crate) fn create(
        path: &Path,
        contents: Contents,
        files: &Arc<dyn Files>,
        executor: Executor,
    ) -> Result<Self, JournalError> {
        let bytes = frame::write_file(&contents.entries());
        let file = LockedFile::create(path, &bytes, files)
            .map_err(JournalError::io("make journal", path))?;
        info!(journal = %path.display(), "journal begun");
        Self::start(Box::new(file), contents, bytes.len() as u64, executor)
    }

    fn start(
        disk: Box<dyn Disk>,
        contents: Contents,
        bytes: u64,
        executor: Executor,
    ) -> Result<Self, JournalError> {
        let path = disk.path().to_owned();
        let shared = Arc::new(Shared {
            path: path.clone(),
            contents: Mutex::new(contents),
            stopped: watch::Sender::new(None),
        });
        let mut writer = Writer {
            disk,
            shared: Arc::clone(&shared),
            bytes,
            compact_at: COMPACT_BYTES_MIN.max(bytes.saturating_mul(2)),
        };
        let run = move |jobs| writer.run(jobs);
        let worker = Worker::start(executor, "share-journal", QUEUE_MAX, GROUP_MAX, run)
            .map_err(JournalError::io("start a thread for", &path))?;
        Ok(Self { worker, shared })
    }

    /// What is durable in the journal. Not to be held across an await.
    pub(crate) fn contents(&self) -> MutexGuard<'_, Contents> {
        self.shared.contents()
    }

    /// Writes entries; they are durable when this returns. Dropped half-way, they may be.
    ///
    /// # Errors
    ///
    /// [`StoreError::Overloaded`]: they are not written. [`StoreError::Stopped`]: nobody knows, and
    /// the process must end.
    pub(crate) async fn append(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        let answer = self.submit(entries)?;
        answer.await.unwrap_or_else(|_| Err(self.ended()))
    }

    /// As [`Journal::append`], for entries that nobody waits for.
    pub(crate) fn append_later(&self, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.submit(entries).map(drop)
    }

    fn submit(
        &self,
        entries: Vec<Entry>,
    ) -> Result<oneshot::Receiver<Result<(), StoreError>>, StoreError> {
        if let Some(stopped) = self.shared.stopped() {
            return Err(stopped);
        }
        let (reply, answer) = oneshot::channel();
        match self.worker.submit(Job { entries, reply }) {
            Ok(()) => Ok(answer),
            Err(NotAccepted::Full(_)) => Err(StoreError::Overloaded),
            Err(NotAccepted::Ended(_)) => Err(self.ended()),
        }
    }

    fn ended(&self) -> StoreError {
        self.shared.stop("its thread has ended")
    }

    /// Waits until nothing is written any more, and says why.
    pub(crate) async fn stopped(&self) -> StoreError {
        let mut stopped = self.shared.stopped.subscribe();
        // The sender lives as long as `self`: waiting ends with a reason only.
        let _ = stopped.wait_for(Option::is_some).await;
        self.shared
            .stopped()
            .unwrap_or_else(|| StoreError::Stopped {
                what: "the journal was closed".into(),
            })
    }
}

impl Shared {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn stopped(&self) -> Option<StoreError> {
        let what = self.stopped.borrow().clone()?;
        Some(StoreError::Stopped { what })
    }

    /// Stops for good; the first reason stays.
    fn stop(&self, what: &str) -> StoreError {
        let what: Arc<str> = format!(
            "the journal {} can't be written: {what}",
            self.path.display()
        )
        .into();
        let is_first = self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| Arc::clone(&what));
            is_first
        });
        if is_first {
            error!(%what, "journal stopped");
        }
        self.stopped().unwrap_or(StoreError::Stopped { what })
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Journal")
            .field("path", &self.shared.path)
            .finish_non_exhaustive()
    }
}

/// A journal's contents without anything in them but a new id.
pub(crate) fn new_contents(
    entropy: &dyn Entropy,
    replaces: Option<JournalId>,
    at: UnixMs,
) -> Contents {
    Contents::begun(JournalId::random(entropy), replaces, at)
}

/// The one that writes.
struct Writer {
    disk: Box<dyn Disk>,
    shared: Arc<Shared>,
    /// Of the file.
    bytes: u64,
    /// Bytes at which the file is written anew with what it must hold.
    compact_at: u64,
}

impl Writer {
    /// Writes what waits with one fsync, then answers.
    fn run(&mut self, mut jobs: Vec<Job>) {
        let stopped = self.shared.stopped();
        let result = stopped.map_or_else(|| self.append(&mut jobs), Err);
        for job in jobs {
            // Who asked may have gone; what was written stands.
            let _ = job.reply.send(result.clone());
        }
        if result.is_ok() && self.bytes >= self.compact_at {
            self.compact();
        }
    }

    fn append(&mut self, jobs: &mut [Job]) -> Result<(), StoreError> {
        self.fill_marks(jobs);
        let entries = jobs.iter().flat_map(|job| &job.entries);
        let mut bytes = Vec::new();
        for entry in entries.clone() {
            frame::push(&mut bytes, entry);
        }
        // After a failed fsync the operating system may have dropped what was written.
        self.disk
            .append(&bytes)
            .map_err(|error| self.shared.stop(&error.to_string()))?;
        self.bytes += bytes.len() as u64;
        let mut contents = self.shared.contents();
        entries.for_each(|entry| contents.take(entry.clone()));
        Ok(())
    }

    /// Says in each mark which shares' entries the store may lack: here, where it is known which
    /// entries come before it.
    fn fill_marks(&self, jobs: &mut [Job]) {
        let mut open = self.shared.contents().open().clone();
        for job in jobs {
            job.entries.retain_mut(|entry| {
                open.extend(entry.share());
                let Entry::Marked(mark) = entry else {
                    return true;
                };
                mark.open = open.iter().copied().collect();
                open.len() <= contents::OPEN_MAX
            });
        }
    }

    /// Replaces the file by one that has only what it must.
    fn compact(&mut self) {
        let bytes = frame::write_file(&self.shared.contents().entries());
        match self.disk.replace(&bytes) {
            Ok(()) => {
                info!(journal = %self.shared.path.display(), from = self.bytes,
                    to = bytes.len() as u64, "journal made smaller");
                self.bytes = bytes.len() as u64;
            }
            Err(file::ReplaceError::Kept(error)) => {
                warn!(journal = %self.shared.path.display(), %error,
                    "journal not made smaller, trying later");
            }
            Err(file::ReplaceError::InDoubt(error)) => {
                self.shared.stop(&error.to_string());
            }
        }
        self.compact_at = COMPACT_BYTES_MIN.max(self.bytes.saturating_mul(2));
    }
}
