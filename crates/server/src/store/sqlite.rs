//! The store on SQLite: one file, one writer, and what it takes to keep a commit cheap.
//!
//! All commits that wait together share one write into a preallocated file and one sync (`redo`,
//! `committer`). SQLite takes them later and in bulk (`applier`, `writer`): rows at the end of one
//! table (`log`). What finds a row again is in memory (`tail`) until it is moved into a table in bulk
//! (`share_index`). Readers have connections of their own (`reader`). SQL stands in this folder only,
//! one file per table.

mod applier;
mod checkpoint;
mod checkpoint_stream;
mod committer;
mod copying;
mod erasing;
mod fault;
mod job;
mod log;
mod meta;
mod migration;
mod opening;
mod reader;
mod redo;
mod server_record;
mod share_index;
mod shared;
mod slices;
mod tail;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex as PlainMutex, PoisonError};

use async_trait::async_trait;
use rusqlite::InterruptHandle;
use tokio::sync::{Mutex, oneshot};

use share_model::seam::{Entropy, Executor, Files, NotAccepted, SqliteSettings, Worker};
use share_model::{Cursor, Fingerprint, HistoryId, LoggedOp, Seq, ShareId, ShareVersion, WriterId};

use self::applier::{Applier, Closing};
use self::checkpoint::{Finished, Generation};
use self::checkpoint_stream::Encoder;
use self::committer::{Committer, CommitterBounds};
use self::copying::Given;
use self::fault::ReadError;
use self::job::{Answer, Handed, Job, Work};
use self::log::PreparedCommit;
use self::reader::{FollowBounds, Reader};
use self::redo::RedoLog;
use self::shared::Shared;
use self::writer::{DISCARD_PIECES, Writer, WriterBounds};
use super::{
    Checkpoint, CommitOutcome, Copied, Extent, Loaded, LoadedAuthority, ServerRecord, ShareCommit,
    Store, StoreError,
};

pub use redo::RedoOptions;

pub(crate) use copying::utc_name;
pub(crate) use opening::{FILE, Folder, LOCK};

/// Bytes of a server record's name and of its content.
const SERVER_RECORD_BYTES_MAX: u64 = 16 << 20;

/// How a [`SqliteStore`] is opened: bounds, with defaults that suit production.
#[derive(Debug, Clone)]
pub struct SqliteStoreOptions {
    /// How SQLite opens its file.
    pub settings: SqliteSettings,
    /// Where the storage jobs run.
    pub executor: Executor,
    /// Jobs that may wait for the writer, and for each reader; one more is refused as overloaded.
    pub queue_max: usize,
    /// Bytes of records that may wait for the writer; more are refused as overloaded.
    pub waiting_bytes_max: u64,
    /// Jobs of one group commit.
    pub group_max: usize,
    /// Bytes of records after which a group commit takes no more jobs.
    pub group_bytes: u64,
    /// Rows of the log that are indexed in memory, and read at opening, before they are indexed in
    /// the file.
    pub index_rows: usize,
    /// Pages of 16 KiB in the write-ahead log after which it is copied into the file.
    pub wal_pages: u32,
    /// Bytes of one piece of a checkpoint: how long other work may have to wait behind it.
    pub piece_bytes: usize,
    /// The redo log.
    pub redo: RedoOptions,
}

impl Default for SqliteStoreOptions {
    fn default() -> Self {
        Self {
            settings: SqliteSettings::default(),
            executor: Executor::OwnThread,
            queue_max: 1024,
            waiting_bytes_max: 256 << 20,
            group_max: 1024,
            group_bytes: 4 << 20,
            index_rows: 16 << 10,
            wal_pages: 1 << 8,
            piece_bytes: 1 << 20,
            redo: RedoOptions::default(),
        }
    }
}

/// The store on SQLite. Dropping it waits until what was handed over is done.
pub struct SqliteStore {
    // In the order in which they must end: connections before the folder's lock, and the writer's
    // last, for the last connection tidies up the write-ahead log.
    follows: Worker<ReadJob>,
    loads: Worker<ReadJob>,
    copies: Worker<ReadJob>,
    committer: Worker<Handed>,
    _applier: Closing,
    shared: Arc<Shared>,
    /// One checkpoint is written at a time; the newest generation that was given out.
    generation: Mutex<Generation>,
    /// Held for a look or a change only.
    history: PlainMutex<HistoryId>,
    /// Ends a copy that is under way.
    copy_interrupt: Arc<InterruptHandle>,
    piece_bytes: usize,
    _folder: Folder,
}

type ReadJob = Box<dyn FnOnce(&mut Reader) + Send>;

impl SqliteStore {
    /// Opens the store in `folder`, made if it is missing. Blocks while it reads the log's end.
    ///
    /// # Errors
    ///
    /// [`StoreError::Locked`] if another process, or another store in this one, has it open;
    /// [`StoreError::Foreign`], [`StoreError::Newer`] or [`StoreError::Corrupt`] if what stands
    /// there can't be used; nothing is changed then.
    pub fn open(
        folder: &Path,
        options: &SqliteStoreOptions,
        files: Arc<dyn Files>,
        entropy: &dyn Entropy,
    ) -> Result<Self, StoreError> {
        let folder = Folder::take(folder, &*files)?;
        let mut connection = folder.open(&options.settings, &*files, entropy)?;
        let read_error = |error: ReadError| error.into_store_error(&folder.file);
        // What can't be used is left as it is.
        opening::read_tail(&connection).map_err(read_error)?;
        let history = meta::history(&connection).map_err(|error| read_error(error.into()))?;
        let generation =
            checkpoint::newest_generation(&connection).map_err(|error| read_error(error.into()))?;
        let id = opening::take_over(&folder, &mut connection, (&*files, entropy))?;
        let redo = RedoLog::open(folder.path(), files, &options.redo, id);
        let mut redo = redo.map_err(redo_error(&folder))?;
        if meta::is_erasing(&connection).map_err(|error| read_error(error.into()))? {
            redo.clear().map_err(redo_error(&folder))?;
        }
        erasing::finish(&mut connection).map_err(read_error)?;
        let (tail, last_position) = opening::read_tail(&connection).map_err(read_error)?;
        let shared = Shared::new(folder.file.clone(), tail, options.waiting_bytes_max);
        shared.found(last_position);
        let shared = Arc::new(shared);
        let bounds = WriterBounds {
            index_rows: options.index_rows,
            wal_pages: options.wal_pages,
        };
        let writer = Writer::new(connection, Arc::clone(&shared), bounds, last_position)
            .map_err(|error| read_error(error.into()))?;
        let (applier, closing) = Applier::start(
            writer,
            Arc::clone(&shared),
            (&options.redo, options.executor),
        )
        .map_err(thread_error(&folder))?;
        let start_reader = |name, connection| {
            let mut reader = Reader::new(connection, Arc::clone(&shared));
            let run = move |jobs: Vec<ReadJob>| jobs.into_iter().for_each(|job| job(&mut reader));
            Worker::start(options.executor, name, options.queue_max, 1, run)
                .map_err(thread_error(&folder))
        };
        let open_reader = || folder.open_reader(&options.settings);
        let copying = open_reader()?;
        let copy_interrupt = Arc::new(copying.get_interrupt_handle());
        let bounds = CommitterBounds {
            group_bytes: options.group_bytes,
            index_rows: options.index_rows,
            queue_max: options.queue_max,
        };
        let mut committer =
            Committer::new(open_reader()?, Arc::clone(&shared), redo, applier, bounds);
        Ok(Self {
            follows: start_reader("share-store-follow", open_reader()?)?,
            loads: start_reader("share-store-load", open_reader()?)?,
            copies: start_reader("share-store-copy", copying)?,
            copy_interrupt,
            committer: Worker::start(
                options.executor,
                "share-store-commit",
                options.queue_max,
                options.group_max,
                move |jobs| committer.run(jobs),
            )
            .map_err(thread_error(&folder))?,
            _applier: closing,
            shared,
            generation: Mutex::new(generation),
            history: PlainMutex::new(history),
            piece_bytes: options.piece_bytes.max(1),
            _folder: folder,
        })
    }

    /// Hands work over, as `handed` says; the answer is to be awaited.
    fn submit<W>(&self, bytes: u64, work: W, handed: fn(Job<W>) -> Handed) -> Submitted {
        if let Some(stopped) = self.shared.stopped() {
            return Submitted::Answered(CommitOutcome::Refused(stopped));
        }
        let permit = match self.shared.admit(bytes) {
            Ok(permit) => permit,
            Err(error) => return Submitted::Answered(CommitOutcome::Refused(error)),
        };
        let (reply, answer) = oneshot::channel();
        let job = Job {
            work,
            permit,
            reply,
        };
        match self.committer.submit(handed(job)) {
            Ok(()) => Submitted::Waiting(answer),
            Err(NotAccepted::Full(_)) => {
                Submitted::Answered(CommitOutcome::Refused(StoreError::Overloaded))
            }
            Err(NotAccepted::Ended(_)) => Submitted::Answered(CommitOutcome::Refused(
                self.shared.stop("the storage thread has ended"),
            )),
        }
    }

    async fn answer(&self, submitted: Submitted) -> CommitOutcome<u64> {
        match submitted {
            Submitted::Answered(outcome) => outcome,
            Submitted::Waiting(answer) => match answer.await {
                Ok(answer) => answer.into_outcome(),
                Err(_) => {
                    // The thread panicked while it had the job.
                    let stopped = self.shared.stop("the storage thread has ended");
                    CommitOutcome::Unknown(stopped.to_string())
                }
            },
        }
    }

    /// Writes something of a checkpoint; `false` if it is not wanted any more.
    async fn write(&self, bytes: u64, work: Work) -> Result<bool, StoreError> {
        match self.answer(self.submit(bytes, work, Handed::Work)).await {
            CommitOutcome::Done => Ok(true),
            CommitOutcome::Conflict { .. } => Ok(false),
            CommitOutcome::Refused(error) => Err(error),
            CommitOutcome::Unknown(what) => Err(self.shared.stop(&what)),
        }
    }

    async fn read<T: Send + 'static>(
        &self,
        worker: &Worker<ReadJob>,
        read: impl FnOnce(&mut Reader) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if let Some(stopped) = self.shared.stopped() {
            return Err(stopped);
        }
        let (reply, answer) = oneshot::channel();
        let job: ReadJob = Box::new(move |reader| {
            // Who asked may have gone.
            let _ = reply.send(read(reader));
        });
        let ended = || self.shared.stop("a reading thread has ended");
        worker.submit(job).map_err(|refused| match refused {
            NotAccepted::Full(_) => StoreError::Overloaded,
            NotAccepted::Ended(_) => ended(),
        })?;
        answer
            .await
            .map_err(|_| ended())?
            .map_err(|error| error.into_store_error(&self.shared.file))
    }

    async fn write_checkpoint(
        &self,
        generation: &mut Generation,
        share: ShareId,
        checkpoint: Checkpoint,
    ) -> Result<(), StoreError> {
        *generation = generation.next();
        let mut finished = Finished {
            share,
            version: checkpoint.version,
            generation: *generation,
            piece_count: 1,
        };
        let mut encoder = Encoder::new(&checkpoint.head, checkpoint.document);
        let (first, second);
        (first, encoder) = self.next_piece(encoder).await?;
        (second, encoder) = self.next_piece(encoder).await?;
        let body = first.unwrap_or_default();
        if second.is_none() {
            let bytes = body.len() as u64;
            self.write(bytes, Work::Checkpoint { finished, body })
                .await?;
            return Ok(());
        }
        let begin = Work::BeginCheckpoint {
            share,
            version: finished.version,
            generation: finished.generation,
        };
        if !self.write(0, begin).await? {
            return Ok(());
        }
        let pieces = (vec![Some(body), second], encoder);
        finished.piece_count = self.write_pieces(finished.generation, pieces).await?;
        self.write(0, Work::FinishCheckpoint(finished)).await?;
        Ok(())
    }

    /// Writes the pieces of a generation: those that are made, then what follows; how many they were.
    async fn write_pieces(
        &self,
        generation: Generation,
        (made, mut encoder): (Vec<Option<Vec<u8>>>, Encoder),
    ) -> Result<u64, StoreError> {
        let mut made = made.into_iter();
        let mut piece_count = 0;
        loop {
            let piece = match made.next() {
                Some(piece) => piece,
                None => {
                    let (piece, rest) = self.next_piece(encoder).await?;
                    encoder = rest;
                    piece
                }
            };
            let Some(body) = piece else {
                return Ok(piece_count);
            };
            if piece_count >= checkpoint::PIECES_MAX {
                let max = checkpoint::PIECES_MAX.saturating_mul(self.piece_bytes as u64);
                return Err(StoreError::TooLarge {
                    what: "the checkpoint",
                    bytes: max,
                    max,
                });
            }
            let bytes = body.len() as u64;
            let piece = Work::Piece {
                generation,
                number: piece_count,
                body,
            };
            self.write(bytes, piece).await?;
            piece_count += 1;
        }
    }

    /// The next piece of a checkpoint. Made on a reader's thread: it takes time, and neither the caller
    /// nor a commit should wait.
    async fn next_piece(
        &self,
        mut encoder: Encoder,
    ) -> Result<(Option<Vec<u8>>, Encoder), StoreError> {
        let piece_bytes = self.piece_bytes;
        let encode = move |_: &mut Reader| Ok((encoder.next_piece(piece_bytes), encoder));
        self.read(&self.loads, encode).await
    }

    /// Reads everything that is stored, and says what is damaged. Takes as long as that takes.
    pub(crate) async fn check(&self) -> Result<(), StoreError> {
        self.write(0, Work::Settle).await?;
        let check = |reader: &mut Reader| copying::check(reader.connection());
        self.read(&self.copies, check).await
    }

    fn known_history(&self) -> HistoryId {
        *self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties every generation that no checkpoint names.
    async fn discard_left_overs(&self) -> Result<(), StoreError> {
        let oldest = |reader: &mut Reader| Ok(checkpoint::left_over(reader.connection())?);
        while let Some(generation) = self.read(&self.loads, oldest).await? {
            let pieces = DISCARD_PIECES;
            self.write(0, Work::Discard { generation, pieces }).await?;
        }
        Ok(())
    }
}

/// What became of handing work to the writer.
enum Submitted {
    Answered(CommitOutcome<u64>),
    Waiting(oneshot::Receiver<Answer>),
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, share: ShareId) -> Result<Option<Loaded>, StoreError> {
        self.read(&self.loads, move |reader| reader.load(share))
            .await
    }

    async fn load_authority(
        &self,
        share: ShareId,
        since: ShareVersion,
    ) -> Result<Option<LoadedAuthority>, StoreError> {
        self.read(&self.loads, move |reader| {
            reader.load_authority(share, since)
        })
        .await
    }

    async fn commit(&self, commits: Vec<ShareCommit>) -> Vec<CommitOutcome> {
        // All are handed over before one is awaited: they share a group commit.
        let submitted: Vec<Submitted> = commits
            .iter()
            .map(|commit| match PreparedCommit::of(commit) {
                Ok(prepared) => self.submit(prepared.bytes(), prepared, Handed::Commit),
                Err(error) => Submitted::Answered(CommitOutcome::Refused(error)),
            })
            .collect();
        let mut outcomes = Vec::with_capacity(submitted.len());
        for submitted in submitted {
            outcomes.push(self.answer(submitted).await.of_share());
        }
        outcomes
    }

    async fn follow(
        &self,
        share: ShareId,
        after: Cursor,
        ops_max: usize,
        bytes_max: u64,
    ) -> Result<Vec<LoggedOp>, StoreError> {
        let bounds = FollowBounds { ops_max, bytes_max };
        let follow = move |reader: &mut Reader| reader.follow(share, after, bounds);
        self.read(&self.follows, follow).await
    }

    async fn lookup(
        &self,
        share: ShareId,
        wanted: Vec<(WriterId, Seq)>,
    ) -> Result<Vec<Option<(Fingerprint, Cursor)>>, StoreError> {
        let lookup = move |reader: &mut Reader| reader.lookup(share, &wanted);
        self.read(&self.loads, lookup).await
    }

    async fn checkpoint(&self, share: ShareId, checkpoint: Checkpoint) -> Result<(), StoreError> {
        let mut generation = self.generation.lock().await;
        // What a crash or a caller that went away has left.
        self.discard_left_overs().await?;
        let written = self
            .write_checkpoint(&mut generation, share, checkpoint)
            .await;
        // The earlier generation, or what was written of this one: it takes room.
        let discarded = self.discard_left_overs().await;
        written.and(discarded)
    }

    async fn erase(&self, share: ShareId, through: ShareVersion) -> Result<(), StoreError> {
        // What earlier checkpoints say must go as well, and none may leave more meanwhile.
        let _generation = self.generation.lock().await;
        self.discard_left_overs().await?;
        self.write(0, Work::BeginErase { share, through }).await?;
        while self.write(0, Work::EraseRows(share)).await? {}
        self.write(0, Work::BeginWal).await?;
        Ok(())
    }

    async fn shares(
        &self,
        after: Option<ShareId>,
        limit: usize,
    ) -> Result<Vec<(ShareId, ShareVersion)>, StoreError> {
        self.read(&self.loads, move |reader| reader.shares(after, limit))
            .await
    }

    async fn history(&self) -> Result<HistoryId, StoreError> {
        match self.shared.stopped() {
            Some(stopped) => Err(stopped),
            None => Ok(self.known_history()),
        }
    }

    async fn renew_history(&self, history: HistoryId) -> Result<(), StoreError> {
        self.write(0, Work::History(history)).await?;
        *self.history.lock().unwrap_or_else(PoisonError::into_inner) = history;
        Ok(())
    }

    async fn extent(&self) -> Result<Extent, StoreError> {
        match self.shared.stopped() {
            Some(stopped) => Err(stopped),
            None => Ok(self.shared.extent()),
        }
    }

    async fn copy_to(&self, to: &Path) -> Result<Copied, StoreError> {
        let given = Given::new(Arc::clone(&self.copy_interrupt));
        let (to, is_up) = (to.to_owned(), given.is_up());
        let copy = move |reader: &mut Reader| copying::copy(reader.connection(), &to, &is_up);
        let copied = match self.write(0, Work::Settle).await {
            Ok(_) => self.read(&self.copies, copy).await,
            Err(error) => Err(error),
        };
        given.done();
        copied
    }

    async fn server_record(&self, name: &str) -> Result<Option<ServerRecord>, StoreError> {
        let name = name.to_owned();
        let get = move |reader: &mut Reader| server_record::get(reader.connection(), &name);
        self.read(&self.loads, get).await
    }

    async fn put_server_record(
        &self,
        name: &str,
        expected_version: u64,
        bytes: Vec<u8>,
    ) -> CommitOutcome<u64> {
        let size = name.len() as u64 + bytes.len() as u64;
        if size > SERVER_RECORD_BYTES_MAX {
            return CommitOutcome::Refused(StoreError::TooLarge {
                what: "the server record",
                bytes: size,
                max: SERVER_RECORD_BYTES_MAX,
            });
        }
        let work = Work::ServerRecord {
            name: name.to_owned(),
            expected: expected_version,
            content: bytes,
        };
        self.answer(self.submit(size, work, Handed::Work)).await
    }

    async fn stopped(&self) -> StoreError {
        self.shared.until_stopped().await
    }
}

impl CommitOutcome<u64> {
    fn of_share(self) -> CommitOutcome {
        match self {
            Self::Done => CommitOutcome::Done,
            Self::Conflict { actual } => CommitOutcome::Conflict {
                actual: ShareVersion::new(actual),
            },
            Self::Unknown(what) => CommitOutcome::Unknown(what),
            Self::Refused(error) => CommitOutcome::Refused(error),
        }
    }
}

fn redo_error(folder: &Folder) -> impl Fn(std::io::Error) -> StoreError {
    |source| StoreError::Io {
        doing: "open the redo log beside",
        path: folder.file.clone(),
        source: Arc::new(source),
    }
}

fn thread_error(folder: &Folder) -> impl Fn(std::io::Error) -> StoreError {
    |source| StoreError::Io {
        doing: "start a storage thread for",
        path: folder.file.clone(),
        source: Arc::new(source),
    }
}

/// A copy that is under way ends, or closing would wait for it.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.copy_interrupt.interrupt();
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.shared.file)
            .field("history", &self.known_history())
            .finish_non_exhaustive()
    }
}
