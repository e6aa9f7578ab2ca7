//! Backups: the store as it is at one moment, while it goes on, with a line before it that says what
//! it is.
//!
//! The copy is a file in the data folder that has no name any more once it is complete: it goes with
//! whoever reads it. Nothing of this runs on the threads of owners or connections.

mod head;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use ring::digest;
use share_model::seam::{Clock, Executor, NotAccepted, Worker};
use share_model::{BackupMade, HistoryId, Refusal, RefusalCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tracing::{info, warn};

use crate::fault::Fault;
use crate::owner::Outcome;
use crate::server::ServerError;
use crate::store::{Store, StoreError};

pub(crate) use head::{Head, HeadError};

/// Bytes that are read in one piece.
const PIECE_BYTES_MAX: usize = 1 << 20;
/// When to try again while another backup is under way.
const RETRY_AFTER_MS: u32 = 5000;
/// How the files begin and end that hold a copy until it is complete.
const NAME: (&str, &str) = ("backup.", ".tmp");
/// Reads that may wait.
const QUEUE_MAX: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// Makes the backups of a server, one at a time.
#[derive(Debug)]
pub(crate) struct Backups {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    history: HistoryId,
    folder: PathBuf,
    room: Arc<Semaphore>,
    reader: Worker<Job>,
    /// Counts the copies that were begun, for their names.
    begun: AtomicU64,
}

/// A backup that is being read. Dropping it gives back its room, on the disk too.
#[derive(Debug)]
pub(crate) struct OpenBackup {
    made: BackupMade,
    /// What is left of the line before the copy.
    head: Vec<u8>,
    copy: File,
    /// Bytes that were not read yet.
    left: u64,
    _room: OwnedSemaphorePermit,
}

/// The file of a copy; removed when this is dropped.
struct Unfinished(PathBuf);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            warn!(file = %self.0.display(), %error, "what is left of a backup is not removed");
        }
    }
}

impl Backups {
    /// For a store whose files lie in `folder`; removes there what a crash left of a backup.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        (clock, history): (Arc<dyn Clock>, HistoryId),
        folder: &Path,
        executor: Executor,
    ) -> Result<Arc<Self>, ServerError> {
        remove_left_overs(folder).map_err(|source| ServerError::File {
            doing: "remove what is left of a backup in",
            path: folder.to_owned(),
            source,
        })?;
        let run = |jobs: Vec<Job>| jobs.into_iter().for_each(|job| job());
        let reader = Worker::start(executor, "share-backup", QUEUE_MAX, 1, run);
        Ok(Arc::new(Self {
            store,
            clock,
            history,
            folder: folder.to_owned(),
            room: Arc::new(Semaphore::new(1)),
            reader: reader.map_err(|source| ServerError::Thread {
                name: "share-backup".to_owned(),
                source,
            })?,
            begun: AtomicU64::new(0),
        }))
    }

    /// Makes a backup. Dropped half-way, nothing of it is left.
    pub(crate) async fn make(&self) -> Outcome<OpenBackup> {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            let refusal = Refusal::new(
                RefusalCode::QuotaExceeded,
                "another backup is under way: try again when it is done",
            );
            return Ok(Err(Refusal {
                retry_after_ms: Some(RETRY_AFTER_MS),
                ..refusal
            }));
        };
        let at = self.clock.now();
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!("{}{number}{}", NAME.0, NAME.1));
        let unfinished = Unfinished(path.clone());
        let failed = |doing| failed(doing, &path);
        create(&path).map_err(failed("make"))?;
        let copied = self.store.copy_to(&path).await?;
        let copy = File::open(&path).map_err(failed("open"))?;
        drop(unfinished);
        let history = self.history;
        let described = self.run(move || {
            let mut copy = copy;
            let (bytes, sha256) = digest_of(&mut copy)?;
            copy.rewind()?;
            let head = Head {
                history,
                at,
                shares: copied.shares,
                format: copied.format,
                bytes,
                sha256,
            };
            let line = head.to_line();
            let whole = whole_digest(&line, &mut copy)?;
            copy.rewind()?;
            Ok((copy, line, bytes, whole))
        });
        let (copy, line, bytes, sha256) = described.await?.map_err(failed("read"))?;
        let made = BackupMade {
            bytes: bytes.saturating_add(line.len() as u64),
            sha256,
            shares: copied.shares,
            history,
            at,
        };
        info!(bytes = made.bytes, shares = made.shares, "backup made");
        Ok(Ok(OpenBackup {
            left: made.bytes,
            made,
            head: line,
            copy,
            _room: room,
        }))
    }

    /// The next piece, at most `bytes_max` bytes (0: as many as there may be); the backup is given
    /// back unless it was the last.
    pub(crate) async fn read(
        &self,
        mut backup: OpenBackup,
        bytes_max: u32,
    ) -> Result<(Vec<u8>, Option<OpenBackup>), Fault> {
        let most = match usize::try_from(bytes_max) {
            Ok(0) | Err(_) => PIECE_BYTES_MAX,
            Ok(most) => most.min(PIECE_BYTES_MAX),
        };
        let piece = self.run(move || {
            let piece = backup.next_piece(most)?;
            Ok((piece, backup))
        });
        let (piece, backup) = piece.await?.map_err(failed("read", &self.folder))?;
        let rest = (backup.left > 0).then_some(backup);
        Ok((piece, rest))
    }

    /// Runs work with files where nobody waits for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<io::Result<T>, Fault> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move || {
            // Who asked may have gone.
            let _ = reply.send(work());
        });
        self.reader.submit(job).map_err(|refused| match refused {
            NotAccepted::Full(_) => Fault::Store(StoreError::Overloaded),
            NotAccepted::Ended(_) => Fault::Draining,
        })?;
        answer.await.map_err(|_| Fault::Draining)
    }
}

impl OpenBackup {
    /// What it holds.
    pub(crate) fn made(&self) -> BackupMade {
        self.made
    }

    fn next_piece(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let from_head = self.head.len().min(most);
        let mut piece: Vec<u8> = self.head.drain(..from_head).collect();
        let wanted = (most - piece.len()) as u64;
        (&mut self.copy).take(wanted).read_to_end(&mut piece)?;
        self.left = self.left.saturating_sub(piece.len() as u64);
        if piece.is_empty() && self.left > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(piece)
    }
}

/// Makes an empty file that only its owner may read.
fn create(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn remove_left_overs(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // SQLite's own files beside it end differently.
        if name.starts_with(NAME.0) && name.contains(NAME.1) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Length and SHA-256 of what is left to read.
pub(crate) fn digest_of(from: &mut impl Read) -> io::Result<(u64, [u8; 32])> {
    let mut context = digest::Context::new(&digest::SHA256);
    let bytes = feed(&mut context, from)?;
    Ok((bytes, finished(context)))
}

fn whole_digest(line: &[u8], copy: &mut File) -> io::Result<[u8; 32]> {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(line);
    feed(&mut context, copy)?;
    Ok(finished(context))
}

fn feed(context: &mut digest::Context, from: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; PIECE_BYTES_MAX];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(read) => {
                context.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn finished(context: digest::Context) -> [u8; 32] {
    let hash = context.finish();
    std::array::from_fn(|at| hash.as_ref()[at])
}

fn failed(doing: &'static str, path: &Path) -> impl Fn(io::Error) -> Fault {
    let path = path.to_owned();
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::Store(StoreError::Full { file: path.clone() })
        }
        _ => Fault::Store(StoreError::Io {
            doing,
            path: path.clone(),
            source: Arc::new(source),
        }),
    }
}
