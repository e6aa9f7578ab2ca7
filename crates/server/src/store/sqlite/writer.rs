//! The group committer: the one place where a transaction begins and ends.
//!
//! All that waits goes into one transaction, and every answer leaves after `COMMIT` returned. What
//! fails before `COMMIT` is certainly not committed; what fails in it is in doubt, and the store
//! stops, for after a failed fsync the operating system may have dropped what was written.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use share_model::{HistoryId, ShareId, ShareVersion, planted};

use super::checkpoint::{Finished, Generation};
use super::erasing::Begun;
use super::log::{PreparedCommit, RowHeader};
use super::opening::BUSY_TIMEOUT_MS;
use super::shared::{Permit, Shared};
use super::tail::Head;
use super::{checkpoint, erasing, fault, log, meta, server_record, share_index};
use crate::store::{CommitOutcome, StoreError};

/// How much the tail may outgrow the bound at which it is moved, while there is no room to move it.
const TAIL_FACTOR_MAX: usize = 4;

/// Something to be written.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) work: Work,
    /// Room among what waits; free again once the job is done.
    pub(super) permit: Permit,
    pub(super) reply: oneshot::Sender<CommitOutcome<u64>>,
}

/// What is to be written.
#[derive(Debug)]
pub(super) enum Work {
    /// Records of a share.
    Commit(PreparedCommit),
    /// A record of the server.
    ServerRecord {
        name: String,
        expected: u64,
        content: Vec<u8>,
    },
    /// Begins a checkpoint; a conflict if the share has one as new.
    BeginCheckpoint {
        share: ShareId,
        version: ShareVersion,
        generation: Generation,
    },
    /// One piece of a checkpoint.
    Piece {
        generation: Generation,
        number: u64,
        body: Vec<u8>,
    },
    /// Ends a checkpoint.
    FinishCheckpoint(Finished),
    /// Empties some pieces of a left-over.
    Discard { generation: Generation, pieces: u64 },
    /// Another history id.
    History(HistoryId),
    /// Makes a share's records up to a version unseen.
    BeginErase {
        share: ShareId,
        through: ShareVersion,
    },
    /// Empties some of the records that are unseen; a conflict if there are none.
    EraseRows(ShareId),
    /// Makes the write-ahead log begin anew, for it has what was erased; a conflict if a reader
    /// holds on to it: then it is done later.
    BeginWal,
}

/// Bounds of the writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriterBounds {
    /// Bytes after which a group is cut.
    pub(super) group_bytes: u64,
    /// Rows of the tail after which they go into `share_index`.
    pub(super) index_rows: usize,
    /// Pages of the write-ahead log after which it is copied into the file.
    pub(super) wal_pages: u32,
}

/// Writes, on the one connection that may.
#[derive(Debug)]
pub(super) struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    bounds: WriterBounds,
    /// The position of the last committed row.
    last_position: u64,
    /// Pages in the write-ahead log, as of the last commit.
    wal_pages: Arc<AtomicU32>,
    /// Pages that it had when it was copied last. While a reader holds on to it, as a backup does,
    /// it does not begin again, and to look at all of it at every commit would cost more than it
    /// gives.
    copied_pages: u32,
    /// The write-ahead log may have what was erased.
    is_erasing: bool,
}

/// Rows of the transaction that is open.
#[derive(Debug, Default)]
struct Staged {
    rows: Vec<(ShareId, RowHeader)>,
    heads: HashMap<ShareId, Head>,
    /// Whether there is anything to commit.
    is_dirty: bool,
}

/// How a transaction failed.
enum Failure {
    /// Before `COMMIT`, or refused by it: nothing of it is there.
    NotCommitted(rusqlite::Error),
    /// In `COMMIT`: nobody knows.
    InDoubt(rusqlite::Error),
}

impl Writer {
    pub(super) fn new(
        connection: Connection,
        shared: Arc<Shared>,
        bounds: WriterBounds,
        last_position: u64,
    ) -> rusqlite::Result<Self> {
        let wal_pages = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&wal_pages);
        let mut connection = connection;
        connection.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, pages| {
            seen.store(u32::try_from(pages).unwrap_or(0), Ordering::Relaxed);
            Ok(())
        }))?;
        Ok(Self {
            connection,
            shared,
            bounds,
            last_position,
            wal_pages,
            copied_pages: 0,
            is_erasing: false,
        })
    }

    /// Does the jobs, in order, in groups.
    pub(super) fn run(&mut self, jobs: Vec<Job>) {
        let mut group = Vec::with_capacity(jobs.len());
        let mut bytes = 0;
        for job in jobs {
            if let Work::BeginErase { .. } | Work::BeginWal = job.work {
                self.commit_group(std::mem::take(&mut group));
                self.erase(job);
                continue;
            }
            bytes += job.permit.bytes();
            group.push(job);
            if bytes >= self.bounds.group_bytes {
                self.commit_group(std::mem::take(&mut group));
                bytes = 0;
            }
        }
        self.commit_group(group);
        self.maintain();
    }

    /// Does a job that does not go with others.
    fn erase(&mut self, job: Job) {
        if let Work::BeginErase { share, through } = job.work {
            // Rows are erased where they are indexed.
            let has_rows = |writer: &Self| {
                let tail = writer.shared.tail();
                let first = tail.rows(share).first().map(|row| row.version);
                first.is_some_and(|first| first <= through)
            };
            if self.shared.stopped().is_none() && has_rows(self) {
                self.index_tail();
            }
            if has_rows(self) {
                let file = self.shared.file.clone();
                let full = StoreError::Full { file };
                let refused = self.shared.stopped().unwrap_or(full);
                return answer(job, CommitOutcome::Refused(refused));
            }
            self.is_erasing = true;
            return self.commit_group(vec![job]);
        }
        let is_done = self.shared.stopped().is_none() && self.begin_wal();
        let outcome = match (self.shared.stopped(), is_done) {
            (Some(stopped), _) => CommitOutcome::Refused(stopped),
            (None, true) => CommitOutcome::Done,
            (None, false) => CommitOutcome::Conflict { actual: 0 },
        };
        answer(job, outcome);
    }

    fn commit_group(&mut self, jobs: Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        if let Some(stopped) = self.shared.stopped() {
            return answer_all(jobs, &CommitOutcome::Refused(stopped));
        }
        match self.transaction(|writer, staged| {
            let applied = jobs.iter().map(|job| writer.apply(&job.work, staged));
            applied.collect::<rusqlite::Result<Vec<_>>>()
        }) {
            Ok(outcomes) => {
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    answer(job, outcome);
                }
            }
            // One may be too large while the others fit.
            Err(Failure::NotCommitted(error)) if is_full(&error) && jobs.len() > 1 => {
                for job in jobs {
                    self.commit_group(vec![job]);
                }
            }
            Err(Failure::NotCommitted(error)) => {
                let error = self.not_committed(error);
                answer_all(jobs, &CommitOutcome::Refused(error));
            }
            Err(Failure::InDoubt(error)) => {
                let stopped = self.shared.stop(&format!("commit failed: {error}"));
                answer_all(jobs, &CommitOutcome::Unknown(stopped.to_string()));
            }
        }
    }

    /// Runs `fill` in a transaction and commits what it staged.
    fn transaction<T>(
        &mut self,
        fill: impl FnOnce(&mut Self, &mut Staged) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.connection
            .execute_batch("BEGIN IMMEDIATE")
            .map_err(Failure::NotCommitted)?;
        let mut staged = Staged::default();
        let filled = match fill(self, &mut staged) {
            Ok(filled) => filled,
            Err(error) => {
                self.roll_back();
                return Err(Failure::NotCommitted(error));
            }
        };
        if !staged.is_dirty {
            self.roll_back();
            return Ok(filled);
        }
        if let Err(error) = self.connection.execute_batch("COMMIT") {
            self.roll_back();
            if planted!("failed-sync-ignored") {
                return Ok(filled);
            }
            // No room means that a frame of the write-ahead log could not be written whole, so the
            // last one, which commits, is not there. Failed writes and syncs have other codes.
            return Err(match is_full(&error) && self.is_at(self.last_position) {
                true => Failure::NotCommitted(error),
                false => Failure::InDoubt(error),
            });
        }
        self.last_position += staged.rows.len() as u64;
        self.shared.synced(self.last_position);
        let mut tail = self.shared.tail();
        for (share, row) in staged.rows {
            tail.push(share, row);
        }
        Ok(filled)
    }

    /// Whether the log ends at `position`.
    fn is_at(&self, position: u64) -> bool {
        log::last_position(&self.connection).is_ok_and(|last| last == position)
    }

    /// SQLite rolls back by itself after some errors.
    fn roll_back(&self) {
        if self.connection.is_autocommit() {
            return;
        }
        if let Err(error) = self.connection.execute_batch("ROLLBACK") {
            self.shared.stop(&format!("rollback failed: {error}"));
        }
    }

    /// What a failure before `COMMIT` means: the store goes on only if room or time can mend it.
    fn not_committed(&self, error: rusqlite::Error) -> StoreError {
        let what = error.to_string();
        let error = fault::store_error(error, "write", &self.shared.file);
        match error {
            StoreError::Full { .. } | StoreError::Overloaded => error,
            _ => self.shared.stop(&format!("write failed: {what}")),
        }
    }

    fn apply(&self, work: &Work, staged: &mut Staged) -> rusqlite::Result<CommitOutcome<u64>> {
        let outcome = match work {
            Work::Commit(commit) => self.append(commit, staged)?,
            Work::ServerRecord {
                name,
                expected,
                content,
            } => server_record::put(&self.connection, name, *expected, content)?,
            Work::BeginCheckpoint {
                share,
                version,
                generation,
            } => self.begin_checkpoint(*share, *version, *generation, staged)?,
            Work::Piece {
                generation,
                number,
                body,
            } => {
                checkpoint::insert_piece(&self.connection, *generation, *number, body)?;
                CommitOutcome::Done
            }
            Work::FinishCheckpoint(finished) => {
                checkpoint::finish(&self.connection, finished)?;
                CommitOutcome::Done
            }
            Work::Discard { generation, pieces } => {
                checkpoint::discard(&self.connection, *generation, *pieces)?;
                CommitOutcome::Done
            }
            Work::History(history) => {
                meta::set_history(&self.connection, *history)?;
                CommitOutcome::Done
            }
            Work::BeginErase { share, through } => self.begin_erase(*share, *through)?,
            Work::EraseRows(share) => match erasing::empty_rows(&self.connection, *share)? {
                true => CommitOutcome::Done,
                false => CommitOutcome::Conflict { actual: 0 },
            },
            // Not within a transaction: see `erase`.
            Work::BeginWal => CommitOutcome::Conflict { actual: 0 },
        };
        staged.is_dirty |= matches!(outcome, CommitOutcome::Done);
        Ok(outcome)
    }

    fn append(
        &self,
        commit: &PreparedCommit,
        staged: &mut Staged,
    ) -> rusqlite::Result<CommitOutcome<u64>> {
        let share = commit.share;
        let mut head = self.head(share, staged)?;
        if head.version != commit.expected {
            return Ok(CommitOutcome::Conflict {
                actual: head.version.get(),
            });
        }
        if self.shared.tail().row_count() >= self.bounds.index_rows.saturating_mul(TAIL_FACTOR_MAX)
        {
            let file = self.shared.file.clone();
            return Ok(CommitOutcome::Refused(StoreError::Full { file }));
        }
        // All is checked before anything is written.
        let mut headers = Vec::with_capacity(commit.rows.len());
        let first = self.last_position + staged.rows.len() as u64 + 1;
        for (position, row) in (first..).zip(&commit.rows) {
            if row
                .cursor_before
                .is_some_and(|before| before != head.cursor)
            {
                return Ok(CommitOutcome::Refused(StoreError::Invalid {
                    share,
                    what: "the cursor does not follow the share's",
                }));
            }
            let header = row.header_after(head, position);
            head = Head::from(&header);
            headers.push(header);
        }
        for (row, header) in commit.rows.iter().zip(headers) {
            log::insert(&self.connection, share, row, &header)?;
            staged.rows.push((share, header));
        }
        staged.heads.insert(share, head);
        Ok(CommitOutcome::Done)
    }

    /// Where the share's log ends within the open transaction; zero if there is no such share.
    fn head(&self, share: ShareId, staged: &Staged) -> rusqlite::Result<Head> {
        if let Some(head) = staged.heads.get(&share) {
            return Ok(*head);
        }
        let head = self.shared.tail().head(share);
        match head {
            Some(head) => Ok(head),
            None => Ok(share_index::last(&self.connection, share)?.unwrap_or_default()),
        }
    }

    fn begin_checkpoint(
        &self,
        share: ShareId,
        version: ShareVersion,
        generation: Generation,
        staged: &Staged,
    ) -> rusqlite::Result<CommitOutcome<u64>> {
        if version == ShareVersion::ZERO || version > self.head(share, staged)?.version {
            return Ok(CommitOutcome::Refused(StoreError::Invalid {
                share,
                what: "a checkpoint is of a version that the share does not have",
            }));
        }
        match checkpoint::current(&self.connection, share)? {
            Some((actual, _)) if actual >= version => Ok(CommitOutcome::Conflict {
                actual: actual.get(),
            }),
            _ => {
                checkpoint::begin(&self.connection, generation)?;
                Ok(CommitOutcome::Done)
            }
        }
    }

    fn begin_erase(
        &self,
        share: ShareId,
        through: ShareVersion,
    ) -> rusqlite::Result<CommitOutcome<u64>> {
        Ok(match erasing::begin(&self.connection, share, through)? {
            Begun::Now => CommitOutcome::Done,
            Begun::Before => CommitOutcome::Conflict {
                actual: through.get(),
            },
            Begun::NoCheckpoint => CommitOutcome::Refused(StoreError::Invalid {
                share,
                what: "records are erased of which no checkpoint is stored",
            }),
        })
    }

    /// What keeps memory, opening and the write-ahead log bounded; after the answers.
    fn maintain(&mut self) {
        if self.shared.stopped().is_some() {
            return;
        }
        if self.shared.tail().row_count() >= self.bounds.index_rows {
            self.index_tail();
        }
        let pages = self.wal_pages.load(Ordering::Relaxed);
        if pages < self.copied_pages {
            self.copied_pages = 0;
        }
        if pages >= self.copied_pages.saturating_add(self.bounds.wal_pages) {
            self.copied_pages = pages;
            if !self.is_erasing || !self.begin_wal() {
                self.copy_wal();
            }
        }
    }

    /// Moves the tail into `share_index`.
    fn index_tail(&mut self) {
        let indexed = self.transaction(|writer, staged| {
            // A copy, for readers look at the tail meanwhile; only this thread changes it.
            let tail = writer.shared.tail().clone();
            let last = share_index::insert(&writer.connection, &tail)?;
            if let Some(last) = last {
                meta::set_indexed_through(&writer.connection, last)?;
            }
            staged.is_dirty = true;
            Ok(())
        });
        match indexed {
            Ok(()) => self.shared.tail().clear(),
            // Full: the tail stays, and the next commits try again.
            Err(Failure::NotCommitted(error)) => drop(self.not_committed(error)),
            Err(Failure::InDoubt(error)) => {
                self.shared
                    .stop(&format!("commit of the index failed: {error}"));
            }
        }
    }

    /// Makes the write-ahead log begin anew, so that nothing that was erased is in it; whether that
    /// was possible.
    fn begin_wal(&mut self) -> bool {
        // A reader may have its time: commits don't wait for it.
        let wait = |ms| self.connection.busy_timeout(Duration::from_millis(ms));
        let begun = wait(0).and_then(|()| erasing::begin_wal(&self.connection));
        let begun = wait(u64::from(BUSY_TIMEOUT_MS)).and(begun);
        match begun {
            Ok(true) => {}
            Ok(false) => return false,
            Err(error) => {
                drop(self.not_committed(error));
                return false;
            }
        }
        self.wal_pages.store(0, Ordering::Relaxed);
        self.copied_pages = 0;
        let ended = self.transaction(|writer, staged| {
            staged.is_dirty = true;
            meta::end_erasing(&writer.connection)
        });
        match ended {
            Ok(()) => self.is_erasing = false,
            Err(Failure::NotCommitted(error)) => drop(self.not_committed(error)),
            Err(Failure::InDoubt(error)) => {
                self.shared
                    .stop(&format!("commit after erasing failed: {error}"));
            }
        }
        true
    }

    /// Copies the write-ahead log into the file, so that it starts again at its beginning. Here and
    /// not within `COMMIT`: nobody waits for it to be answered, and its failure is seen.
    fn copy_wal(&self) {
        let copied = self
            .connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        if let Err(error) = copied {
            // Full or busy: all is in the write-ahead log, and the next commits try again.
            drop(self.not_committed(error));
        }
    }
}

fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn answer(job: Job, outcome: CommitOutcome<u64>) {
    let Job { permit, reply, .. } = job;
    // Before the answer: who has it finds the room free.
    drop(permit);
    // Who asked may have gone; what was committed stands.
    let _ = reply.send(outcome);
}

fn answer_all(jobs: Vec<Job>, outcome: &CommitOutcome<u64>) {
    for job in jobs {
        answer(job, outcome.clone());
    }
}
