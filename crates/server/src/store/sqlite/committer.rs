//! The group committer: decides what is committed, and makes it durable.
//!
//! All commits that wait become one frame of the redo log, with one sync, and every answer leaves
//! after it. Where a share's log ends is known from the tail, else from the index in the file; so a
//! commit asks SQLite for nothing but the head of a share that was idle for long, and gives it
//! nothing: the [`Applier`] does.

use std::collections::HashMap;
use std::sync::Arc;

use rusqlite::Connection;

use share_model::ShareId;

use super::applier::Applier;
use super::job::{Handed, Job, Work, answer_together};
use super::log::PreparedCommit;
use super::redo::{Logged, RedoLog, Row};
use super::shared::Shared;
use super::tail::Head;
use super::writer::{Failure, is_full};
use super::{fault, share_index};
use crate::store::{CommitOutcome, StoreError};

/// How much the tail may outgrow the bound at which it is moved, while there is no room to move it.
const TAIL_FACTOR_MAX: usize = 4;

/// Bounds of the committer.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommitterBounds {
    /// Bytes after which a group is cut.
    pub(super) group_bytes: u64,
    /// Rows of the tail after which the writer moves them into `share_index`.
    pub(super) index_rows: usize,
    /// Jobs that may wait for the writer.
    pub(super) queue_max: usize,
}

/// Commits, in the order of the jobs.
#[derive(Debug)]
pub(super) struct Committer {
    /// Reads `share_index`, and nothing else.
    index: Connection,
    shared: Arc<Shared>,
    redo: RedoLog,
    applier: Arc<Applier>,
    bounds: CommitterBounds,
    /// The position of the last committed row.
    last_position: u64,
}

/// Rows of the group that is being made.
#[derive(Debug, Default)]
struct Staged {
    rows: Vec<Row>,
    heads: HashMap<ShareId, Head>,
}

/// How a group that was staged failed.
enum Failed {
    /// Certainly not committed.
    Refused(StoreError),
    /// As [`Failed::Refused`], for want of room: fewer may fit.
    NoRoom(StoreError),
    /// Nobody knows; the store has stopped.
    InDoubt(StoreError),
}

impl Committer {
    pub(super) fn new(
        index: Connection,
        shared: Arc<Shared>,
        redo: RedoLog,
        applier: Arc<Applier>,
        bounds: CommitterBounds,
    ) -> Self {
        Self {
            index,
            shared,
            redo,
            last_position: applier.applied(),
            applier,
            bounds,
        }
    }

    /// Does the jobs, in order, in groups.
    pub(super) fn run(&mut self, jobs: Vec<Handed>) {
        let mut group = Vec::with_capacity(jobs.len());
        let mut bytes = 0;
        for job in jobs {
            match job {
                Handed::Commit(job) => {
                    bytes += job.permit.bytes();
                    group.push(job);
                    if bytes < self.bounds.group_bytes {
                        continue;
                    }
                    self.commit_group(std::mem::take(&mut group));
                }
                Handed::Work(job) => {
                    self.commit_group(std::mem::take(&mut group));
                    self.pass_on(job);
                }
            }
            bytes = 0;
        }
        self.commit_group(group);
    }

    /// Hands a job on that is not logged: behind all commits before it.
    fn pass_on(&mut self, job: Job<Work>) {
        if let Some(stopped) = self.shared.stopped() {
            return job.answer(CommitOutcome::Refused(stopped));
        }
        if matches!(job.work, Work::BeginWal) && !self.clear_redo() {
            return job.answer(CommitOutcome::Conflict { actual: 0 });
        }
        if self.applier.job_count() >= self.bounds.queue_max {
            return job.answer(CommitOutcome::Refused(StoreError::Overloaded));
        }
        self.applier.push_job(job);
    }

    /// Makes the redo log forget what was erased; whether it could. What it has goes to SQLite first.
    fn clear_redo(&mut self) -> bool {
        if !self.shared.has_erased_in_redo() {
            return true;
        }
        if self.applier.wait_for(self.last_position).is_err() {
            return false;
        }
        match self.redo.clear() {
            Ok(()) => self.shared.set_erased_in_redo(false),
            Err(error) => {
                self.shared
                    .stop(&format!("write of the redo log failed: {error}"));
            }
        }
        !self.shared.has_erased_in_redo()
    }

    fn commit_group(&mut self, jobs: Vec<Job<PreparedCommit>>) {
        if jobs.is_empty() {
            return;
        }
        if let Some(error) = self.shared.stopped().or_else(|| self.blocked()) {
            return answer_all(jobs, &CommitOutcome::Refused(error));
        }
        let mut staged = Staged::default();
        let outcomes: Vec<_> = jobs
            .iter()
            .map(|job| self.stage(&job.work, &mut staged))
            .collect();
        let Staged { rows, .. } = staged;
        match self.make_durable(rows) {
            Ok(()) => answer_together(jobs.into_iter().zip(outcomes)),
            // One may be too large while the others fit.
            Err(Failed::NoRoom(_)) if jobs.len() > 1 => {
                for job in jobs {
                    self.commit_group(vec![job]);
                }
            }
            Err(Failed::Refused(error) | Failed::NoRoom(error)) => {
                answer_all(jobs, &CommitOutcome::Refused(error));
            }
            Err(Failed::InDoubt(stopped)) => {
                answer_all(jobs, &CommitOutcome::Unknown(stopped.to_string()));
            }
        }
    }

    /// Why nothing is committed now: SQLite has no room for what is committed already.
    fn blocked(&self) -> Option<StoreError> {
        let is_over = |bounds: CommitterBounds| {
            let most = bounds.index_rows.saturating_mul(TAIL_FACTOR_MAX);
            self.shared.tail().row_count() >= most
        };
        let blocked = self.applier.blocked();
        if !matches!(blocked, Some(StoreError::Full { .. })) && !is_over(self.bounds) {
            return None;
        }
        // There may be by now.
        match self.applier.wait_for(self.last_position) {
            Ok(()) if is_over(self.bounds) => Some(StoreError::Full {
                file: self.shared.file.clone(),
            }),
            Ok(()) => None,
            Err(error) => Some(error),
        }
    }

    /// Makes rows durable, and seen.
    fn make_durable(&mut self, rows: Vec<Row>) -> Result<(), Failed> {
        let Some(last) = rows.last().map(|row| row.header.position) else {
            return Ok(());
        };
        loop {
            match self.redo.append(&rows, self.applier.applied()) {
                Ok(Logged::Done) => break,
                Ok(Logged::After(position)) => {
                    self.applier.wait_for(position).map_err(Failed::Refused)?;
                }
                Ok(Logged::Never) => return self.put(rows, last),
                Err(error) => {
                    let what = format!("write of the redo log failed: {error}");
                    return Err(Failed::InDoubt(self.shared.stop(&what)));
                }
            }
        }
        self.last_position = last;
        self.shared.synced(last);
        {
            let mut tail = self.shared.tail();
            rows.iter()
                .cloned()
                .for_each(|row| tail.push_unapplied(row));
        }
        self.applier.push(rows);
        Ok(())
    }

    /// Puts rows into the file at once.
    fn put(&mut self, rows: Vec<Row>, last: u64) -> Result<(), Failed> {
        self.applier
            .wait_for(self.last_position)
            .map_err(Failed::Refused)?;
        match self.applier.put(&rows) {
            Ok(()) => {}
            Err(Failure::NotCommitted(error)) => {
                let is_full = is_full(&error);
                let error = self.not_committed(error);
                return Err(match is_full {
                    true => Failed::NoRoom(error),
                    false => Failed::Refused(error),
                });
            }
            Err(Failure::InDoubt(error)) => {
                let what = format!("commit failed: {error}");
                return Err(Failed::InDoubt(self.shared.stop(&what)));
            }
        }
        self.last_position = last;
        self.shared.synced(last);
        {
            let mut tail = self.shared.tail();
            rows.iter().for_each(|row| tail.push(row.share, row.header));
        }
        self.applier.maintain();
        Ok(())
    }

    /// What a commit comes to behind those that are staged.
    fn stage(&self, commit: &PreparedCommit, staged: &mut Staged) -> CommitOutcome<u64> {
        match self.head(commit.share, staged) {
            Ok(head) => self.stage_after(head, commit, staged),
            Err(error) => CommitOutcome::Refused(self.not_committed(error)),
        }
    }

    fn stage_after(
        &self,
        mut head: Head,
        commit: &PreparedCommit,
        staged: &mut Staged,
    ) -> CommitOutcome<u64> {
        let share = commit.share;
        if head.version != commit.expected {
            return CommitOutcome::Conflict {
                actual: head.version.get(),
            };
        }
        let before = staged.rows.len();
        let first = self.last_position + before as u64 + 1;
        for (position, new) in (first..).zip(&commit.rows) {
            if new
                .cursor_before
                .is_some_and(|before| before != head.cursor)
            {
                staged.rows.truncate(before);
                return CommitOutcome::Refused(StoreError::Invalid {
                    share,
                    what: "the cursor does not follow the share's",
                });
            }
            let header = new.header_after(head, position);
            head = Head::from(&header);
            staged.rows.push(Row {
                share,
                header,
                new: Arc::clone(new),
            });
        }
        staged.heads.insert(share, head);
        CommitOutcome::Done
    }

    /// Where the share's log ends behind what is staged; zero if there is no such share.
    fn head(&self, share: ShareId, staged: &Staged) -> rusqlite::Result<Head> {
        if let Some(head) = staged.heads.get(&share) {
            return Ok(*head);
        }
        let head = self.shared.tail().head(share);
        match head {
            Some(head) => Ok(head),
            None => Ok(share_index::last(&self.index, share)?.unwrap_or_default()),
        }
    }

    /// What a failure means before anything was committed: the store goes on only if room or time can
    /// mend it.
    fn not_committed(&self, error: rusqlite::Error) -> StoreError {
        let what = error.to_string();
        let error = fault::store_error(error, "write", &self.shared.file);
        match error {
            StoreError::Full { .. } | StoreError::Overloaded => error,
            _ => self.shared.stop(&format!("write failed: {what}")),
        }
    }
}

fn answer_all(jobs: Vec<Job<PreparedCommit>>, outcome: &CommitOutcome<u64>) {
    answer_together(jobs.into_iter().map(|job| (job, outcome.clone())));
}
