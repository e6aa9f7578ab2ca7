//! The writer of the file: the one place where a transaction begins and ends.
//!
//! It takes over what the redo log has made durable, and does what is not logged: what belongs to
//! the server and to checkpoints. All that waits goes into one transaction, and what is answered is
//! answered after `COMMIT` returned. What fails before `COMMIT` is certainly not committed; what
//! fails in it is in doubt, and the store stops, for after a failed fsync the operating system may
//! have dropped what was written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use share_model::{ShareId, ShareVersion, planted};

use super::checkpoint::{Finished, Generation};
use super::erasing::Begun;
use super::job::{Job, Work};
use super::opening::BUSY_TIMEOUT_MS;
use super::redo::Row;
use super::shared::Shared;
use super::slices::Slices;
use super::{checkpoint, erasing, fault, log, meta, server_record, share_index};
use crate::store::{CommitOutcome, StoreError};

/// Pieces of a left-over that are emptied in one transaction.
pub(super) const DISCARD_PIECES: u64 = 16;

/// What the writer takes, in order.
#[derive(Debug)]
pub(super) enum Item {
    /// Rows that the redo log has, behind all that were taken before.
    Rows(Vec<Row>),
    /// Something else.
    Job(Job<Work>),
}

/// What could not be taken, and why: there is no room, or somebody else has the file.
#[derive(Debug)]
pub(super) struct Blocked {
    pub(super) rows: Vec<Item>,
    pub(super) error: StoreError,
}

/// Bounds of the writer.
#[derive(Debug, Clone, Copy)]
pub(super) struct WriterBounds {
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
    /// The position of the last row that the file has durably.
    applied: u64,
    /// Pages in the write-ahead log, as of the last commit.
    wal_pages: Arc<AtomicU32>,
    /// Pages that it had when it was copied last. While a reader holds on to it, as a backup does,
    /// it does not begin again, and to look at all of it at every commit would cost more than it
    /// gives.
    copied_pages: u32,
    /// The write-ahead log may have what was erased.
    is_erasing: bool,
}

/// What the transaction that is open has.
#[derive(Debug, Default)]
struct Staged {
    /// The position of the last row that was inserted.
    last: Option<u64>,
    /// Whether there is anything to commit.
    is_dirty: bool,
    slices: Slices,
}

/// How a transaction failed.
pub(super) enum Failure {
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
        applied: u64,
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
            applied,
            wal_pages,
            copied_pages: 0,
            is_erasing: false,
        })
    }

    /// The position of the last row that the file has durably.
    pub(super) fn applied(&self) -> u64 {
        self.applied
    }

    /// Takes all of it, in order. Rows for which there is no room are given back, with all rows
    /// behind them; jobs are answered.
    pub(super) fn run(&mut self, items: Vec<Item>) -> Result<(), Blocked> {
        let mut blocked = None;
        let mut group = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Item::Job(job) if matches!(job.work, Work::BeginErase { .. } | Work::BeginWal) => {
                    self.take(std::mem::take(&mut group), &mut blocked);
                    self.erase(job);
                }
                item => group.push(item),
            }
        }
        self.take(group, &mut blocked);
        self.maintain();
        blocked.map_or(Ok(()), Err)
    }

    /// Puts rows into the file, alone and at once.
    ///
    /// # Errors
    ///
    /// As the transaction fails.
    pub(super) fn put(&mut self, rows: &[Row]) -> Result<(), Failure> {
        self.transaction(|writer, staged| writer.insert(rows, staged))
    }

    /// Does a job that does not go with others.
    fn erase(&mut self, job: Job<Work>) {
        if let Work::BeginErase { share, through } = job.work {
            // Rows are erased where they are indexed.
            let has_rows = |writer: &Self| {
                let tail = writer.shared.tail();
                let first = tail.headers(share).first().map(|row| row.version);
                first.is_some_and(|first| first <= through)
            };
            if self.shared.stopped().is_none() && has_rows(self) {
                self.index_tail();
            }
            if has_rows(self) {
                let file = self.shared.file.clone();
                let full = StoreError::Full { file };
                let refused = self.shared.stopped().unwrap_or(full);
                return job.answer(CommitOutcome::Refused(refused));
            }
            self.is_erasing = true;
            self.shared.set_erased_in_redo(true);
            return self.take(vec![Item::Job(job)], &mut None);
        }
        let is_done = self.shared.stopped().is_none() && self.begin_wal();
        let outcome = match (self.shared.stopped(), is_done) {
            (Some(stopped), _) => CommitOutcome::Refused(stopped),
            (None, true) => CommitOutcome::Done,
            (None, false) => CommitOutcome::Conflict { actual: 0 },
        };
        job.answer(outcome);
    }

    /// Takes items in one transaction, or each in its own if that has no room.
    fn take(&mut self, mut items: Vec<Item>, blocked: &mut Option<Blocked>) {
        if let Some(blocked) = blocked {
            // Rows stay in the order of the log.
            let is_row = |item: &mut Item| matches!(item, Item::Rows(_));
            blocked.rows.extend(items.extract_if(.., is_row));
            // Whoever asks for all of it does not get it.
            let settles = |item: &mut Item| matches!(item, Item::Job(job) if matches!(job.work, Work::Settle));
            let refused = CommitOutcome::Refused(blocked.error.clone());
            answer_all(items.extract_if(.., settles).collect(), &refused);
        }
        if items.is_empty() {
            return;
        }
        if let Some(stopped) = self.shared.stopped() {
            return answer_all(items, &CommitOutcome::Refused(stopped));
        }
        match self.transaction(|writer, staged| {
            let done = items.iter().map(|item| writer.apply_item(item, staged));
            done.collect::<rusqlite::Result<Vec<_>>>()
        }) {
            Ok(outcomes) => {
                for (item, outcome) in items.into_iter().zip(outcomes) {
                    if let Item::Job(job) = item {
                        job.answer(outcome);
                    }
                }
            }
            // One may be too large while the others fit.
            Err(Failure::NotCommitted(error)) if is_full(&error) && items.len() > 1 => {
                for item in items {
                    self.take(vec![item], blocked);
                }
            }
            Err(Failure::NotCommitted(error)) => {
                let error = self.not_committed(error);
                let is_row = |item: &mut Item| matches!(item, Item::Rows(_));
                let rows: Vec<_> = items.extract_if(.., is_row).collect();
                answer_all(items, &CommitOutcome::Refused(error.clone()));
                if !rows.is_empty() {
                    *blocked = Some(Blocked { rows, error });
                }
            }
            Err(Failure::InDoubt(error)) => {
                let stopped = self.shared.stop(&format!("commit failed: {error}"));
                answer_all(items, &CommitOutcome::Unknown(stopped.to_string()));
            }
        }
    }

    fn apply_item(&self, item: &Item, staged: &mut Staged) -> rusqlite::Result<CommitOutcome<u64>> {
        match item {
            Item::Rows(rows) => {
                self.insert(rows, staged)?;
                Ok(CommitOutcome::Done)
            }
            Item::Job(job) => self.apply(&job.work, staged),
        }
    }

    fn insert(&self, rows: &[Row], staged: &mut Staged) -> rusqlite::Result<()> {
        log::insert(&self.connection, rows, &mut staged.slices)?;
        staged.last = rows.last().map(|row| row.header.position).or(staged.last);
        staged.is_dirty = true;
        Ok(())
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
            return Err(match is_full(&error) && self.is_at(self.applied) {
                true => Failure::NotCommitted(error),
                false => Failure::InDoubt(error),
            });
        }
        if let Some(last) = staged.last {
            self.applied = last;
            // Not within the statement, to whose end the tail is held.
            let in_file = self.shared.tail().applied(last);
            drop(in_file);
        }
        self.shared.synced(self.applied);
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
    pub(super) fn not_committed(&self, error: rusqlite::Error) -> StoreError {
        let what = error.to_string();
        let error = fault::store_error(error, "write", &self.shared.file);
        match error {
            StoreError::Full { .. } | StoreError::Overloaded => error,
            _ => self.shared.stop(&format!("write failed: {what}")),
        }
    }

    fn apply(&self, work: &Work, staged: &mut Staged) -> rusqlite::Result<CommitOutcome<u64>> {
        let outcome = match work {
            // All that was handed over before is in the file.
            Work::Settle => return Ok(CommitOutcome::Done),
            Work::ServerRecord {
                name,
                expected,
                content,
            } => server_record::put(&self.connection, name, *expected, content)?,
            Work::Checkpoint { finished, body } => self.checkpoint(finished, body)?,
            Work::BeginCheckpoint {
                share,
                version,
                generation,
            } => self.begin_checkpoint(*share, *version, *generation)?,
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

    /// The share's version, whether the file has its records yet or not; zero if there is no such
    /// share.
    fn version(&self, share: ShareId) -> rusqlite::Result<ShareVersion> {
        let head = self.shared.tail().head(share);
        let head = match head {
            Some(head) => head,
            None => share_index::last(&self.connection, share)?.unwrap_or_default(),
        };
        Ok(head.version)
    }

    fn checkpoint(&self, finished: &Finished, body: &[u8]) -> rusqlite::Result<CommitOutcome<u64>> {
        let (share, version, generation) = (finished.share, finished.version, finished.generation);
        let begun = self.begin_checkpoint(share, version, generation)?;
        if !matches!(begun, CommitOutcome::Done) {
            return Ok(begun);
        }
        let old = checkpoint::current(&self.connection, share)?;
        checkpoint::insert_piece(&self.connection, generation, 0, body)?;
        checkpoint::finish(&self.connection, finished)?;
        if let Some((_, old)) = old {
            // A large one takes longer: what is left of it is found as such.
            checkpoint::discard(&self.connection, old, DISCARD_PIECES)?;
        }
        Ok(begun)
    }

    fn begin_checkpoint(
        &self,
        share: ShareId,
        version: ShareVersion,
        generation: Generation,
    ) -> rusqlite::Result<CommitOutcome<u64>> {
        if version == ShareVersion::ZERO || version > self.version(share)? {
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
    pub(super) fn maintain(&mut self) {
        if self.shared.stopped().is_some() {
            return;
        }
        if self.shared.tail().applied_count() >= self.bounds.index_rows {
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
            let rows = writer.shared.tail().applied_rows();
            let last = share_index::insert(&writer.connection, &rows, &mut staged.slices)?;
            if let Some(last) = last {
                meta::set_indexed_through(&writer.connection, last)?;
                staged.is_dirty = true;
            }
            Ok(last)
        });
        match indexed {
            Ok(Some(last)) => self.shared.tail().forget_through(last),
            Ok(None) => {}
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
        if self.shared.has_erased_in_redo() {
            return true;
        }
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

pub(super) fn is_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::DiskFull)
}

fn answer_all(items: Vec<Item>, outcome: &CommitOutcome<u64>) {
    for item in items {
        if let Item::Job(job) = item {
            job.answer(outcome.clone());
        }
    }
}
