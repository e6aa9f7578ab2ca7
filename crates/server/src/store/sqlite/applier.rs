//! Hands to the [`Writer`] what the redo log has: in bulk, later, and beside the commits.
//!
//! What waits is bounded by the redo log, which has it. On a thread of its own, or inline where
//! nothing may run beside the simulated time; then more is left waiting, so that a crash finds it.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use share_model::seam::Executor;

use super::job::{Job, Work};
use super::redo::{RedoOptions, Row};
use super::shared::Shared;
use super::writer::{Blocked, Failure, Item, Writer};
use crate::store::StoreError;

/// Bytes of records that one run of the writer takes, about: a run is one transaction, which holds memory
/// and the processor to its end. More go in one piece with what they were committed with.
const RUN_BYTES: u64 = 2 << 20;

/// What waits for the writer, and how far that is.
#[derive(Debug)]
pub(super) struct Applier {
    writer: Mutex<Writer>,
    shared: Arc<Shared>,
    state: Mutex<State>,
    changed: Condvar,
    bytes: u64,
    delay: Duration,
    executor: Executor,
}

#[derive(Debug, Default)]
struct State {
    /// Each with the bytes of its records; 0 if it was tried before and there was no room.
    waiting: VecDeque<(u64, Item)>,
    /// Of the records that wait.
    bytes: u64,
    jobs: usize,
    /// Jobs among them that are not to wait for company.
    urgent_jobs: usize,
    /// Somebody waits for all of it.
    is_urgent: bool,
    /// There were records in what was taken last: more may come soon.
    is_busy: bool,
    is_closed: bool,
    /// The thread is gone.
    is_ended: bool,
    /// Runs of the writer that were begun, and that have ended.
    begun: u64,
    ended: u64,
    /// The file has all rows up to here.
    applied: u64,
    /// Why the last run left rows waiting.
    blocked: Option<StoreError>,
}

impl State {
    fn is_due(&self, bytes: u64) -> bool {
        let has_jobs = match self.is_busy || self.bytes > 0 {
            true => self.urgent_jobs > 0,
            false => self.jobs > 0,
        };
        self.is_urgent || has_jobs || self.is_closed || self.bytes >= bytes
    }

    /// Takes what one run does.
    fn take(&mut self) -> Vec<Item> {
        self.begun += 1;
        let (mut items, mut taken) = (Vec::new(), 0);
        while taken < RUN_BYTES
            && let Some((bytes, item)) = self.waiting.pop_front()
        {
            taken += bytes;
            if let Item::Job(job) = &item {
                self.jobs -= 1;
                self.urgent_jobs -= usize::from(job.work.is_urgent());
            }
            items.push(item);
        }
        self.bytes = self.bytes.saturating_sub(taken);
        self.is_urgent &= !self.waiting.is_empty();
        self.is_busy = taken > 0;
        items
    }

    /// Takes back what there was no room for. It waits its time before it is tried again.
    fn take_back(&mut self, blocked: Option<Blocked>) {
        let Some(Blocked { rows, error }) = blocked else {
            self.blocked = None;
            return;
        };
        for rows in rows.into_iter().rev() {
            self.waiting.push_front((0, rows));
        }
        (self.bytes, self.is_urgent) = (0, false);
        self.blocked = Some(error);
    }
}

/// Ends the applier's thread, once all is done that can be, when it is dropped.
#[derive(Debug)]
pub(super) struct Closing {
    applier: Arc<Applier>,
    thread: Option<JoinHandle<()>>,
}

impl Applier {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If its thread can't be started.
    pub(super) fn start(
        writer: Writer,
        shared: Arc<Shared>,
        (options, executor): (&RedoOptions, Executor),
    ) -> io::Result<(Arc<Self>, Closing)> {
        let applier = Arc::new(Self {
            state: Mutex::new(State {
                applied: writer.applied(),
                ..State::default()
            }),
            writer: Mutex::new(writer),
            shared,
            changed: Condvar::new(),
            bytes: options.apply_bytes,
            delay: options.apply_delay,
            executor,
        });
        let thread = match executor {
            Executor::Inline => None,
            Executor::OwnThread => {
                let applier = Arc::clone(&applier);
                let named = thread::Builder::new().name("share-store-apply".into());
                Some(named.spawn(move || applier.serve())?)
            }
        };
        let closing = Closing {
            applier: Arc::clone(&applier),
            thread,
        };
        Ok((applier, closing))
    }

    /// Takes rows that the redo log has.
    pub(super) fn push(&self, rows: Vec<Row>) {
        let bytes: u64 = rows.iter().map(|row| row.new.body().len() as u64).sum();
        let mut state = self.state();
        state.waiting.push_back((bytes, Item::Rows(rows)));
        state.bytes += bytes;
        self.go_on(state);
    }

    /// Takes a job, to be done behind all that was taken before.
    pub(super) fn push_job(&self, job: Job<Work>) {
        let mut state = self.state();
        state.jobs += 1;
        // Inline there is nobody who would come back to it.
        state.is_urgent |= self.executor == Executor::Inline;
        state.urgent_jobs += usize::from(job.work.is_urgent());
        state.waiting.push_back((0, Item::Job(job)));
        self.go_on(state);
    }

    /// Jobs that wait.
    pub(super) fn job_count(&self) -> usize {
        self.state().jobs
    }

    /// The file has all rows up to this position.
    pub(super) fn applied(&self) -> u64 {
        self.state().applied
    }

    /// Why rows wait that can't be taken.
    pub(super) fn blocked(&self) -> Option<StoreError> {
        self.state().blocked.clone()
    }

    /// Waits until the file has all rows up to `position`, which were handed over.
    ///
    /// # Errors
    ///
    /// [`StoreError::Full`] or [`StoreError::Overloaded`] if it was tried and there is no room, or
    /// somebody else has the file; [`StoreError::Stopped`].
    pub(super) fn wait_for(&self, position: u64) -> Result<(), StoreError> {
        let mut state = self.state();
        let run = state.begun + 1;
        loop {
            if state.applied >= position {
                return Ok(());
            }
            if let Some(stopped) = self.shared.stopped() {
                return Err(stopped);
            }
            if state.is_ended {
                return Err(self.shared.stop("the storage thread has ended"));
            }
            if let Some(error) = state.blocked.clone().filter(|_| state.ended >= run) {
                return Err(error);
            }
            state.is_urgent = true;
            state = match self.executor {
                Executor::Inline => {
                    self.go_on(state);
                    self.state()
                }
                Executor::OwnThread => {
                    self.changed.notify_all();
                    let woken = self.changed.wait(state);
                    woken.unwrap_or_else(PoisonError::into_inner)
                }
            };
        }
    }

    /// Puts rows into the file that the redo log does not have, behind all that were handed over and
    /// that are there.
    ///
    /// # Errors
    ///
    /// As the transaction fails.
    pub(super) fn put(&self, rows: &[Row]) -> Result<(), Failure> {
        let mut writer = self.writer();
        writer.put(rows)?;
        self.state().applied = writer.applied();
        Ok(())
    }

    /// Does what keeps memory bounded, after [`Applier::put`].
    pub(super) fn maintain(&self) {
        self.writer().maintain();
    }

    fn go_on(&self, state: MutexGuard<'_, State>) {
        if !state.is_due(self.bytes) {
            // The thread begins to count its delay.
            if state.waiting.len() == 1 {
                self.changed.notify_all();
            }
            return;
        }
        match self.executor {
            Executor::OwnThread => self.changed.notify_all(),
            Executor::Inline => {
                drop(state);
                self.run_all();
            }
        }
    }

    fn run(&self) {
        // Taken under the writer's lock: what was taken first is done first.
        let mut writer = self.writer();
        let items = self.state().take();
        let blocked = writer.run(items).err();
        let applied = writer.applied();
        drop(writer);
        let mut state = self.state();
        state.applied = applied;
        state.ended = state.begun;
        state.take_back(blocked);
        self.changed.notify_all();
    }

    /// Runs until nothing waits that can be done.
    fn run_all(&self) {
        loop {
            self.run();
            let state = self.state();
            let is_blocked = state.blocked.is_some() && state.jobs == 0;
            if state.waiting.is_empty() || is_blocked {
                return;
            }
        }
    }

    fn serve(&self) {
        let ending = Ending(self);
        loop {
            let state = self.state();
            let idle = |state: &mut State| state.waiting.is_empty() && !state.is_due(self.bytes);
            let state = self.changed.wait_while(state, idle);
            let state = state.unwrap_or_else(PoisonError::into_inner);
            let undue = |state: &mut State| !state.is_due(self.bytes);
            let waited = self.changed.wait_timeout_while(state, self.delay, undue);
            let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            let is_last = state.is_closed;
            drop(state);
            if is_last {
                self.run_all();
                break;
            }
            self.run();
        }
        drop(ending);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says that the thread is gone, also if it panicked.
struct Ending<'a>(&'a Applier);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.state().is_ended = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let mut state = self.applier.state();
        state.is_closed = true;
        self.applier.go_on(state);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by itself.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn waiting(bytes: &[u64]) -> State {
        let rows = |bytes: &u64| (*bytes, Item::Rows(Vec::new()));
        State {
            waiting: bytes.iter().map(rows).collect(),
            bytes: bytes.iter().sum(),
            ..State::default()
        }
    }

    #[test]
    fn a_run_takes_what_is_first_until_it_has_enough_and_the_rest_is_still_due() {
        let mut state = waiting(&[RUN_BYTES - 1, 1, 5, 7]);
        state.is_urgent = true;
        assert_eq!(state.take().len(), 2);
        assert!(state.is_urgent && state.bytes == 12);
        assert_eq!(state.take().len(), 2);
        assert!(!state.is_urgent && state.bytes == 0);
        assert_eq!(waiting(&[RUN_BYTES * 3, 1]).take().len(), 1, "at least one");
    }

    #[test]
    fn what_there_is_no_room_for_waits_its_time_with_what_is_behind_it() {
        let mut state = waiting(&[RUN_BYTES, 3, 4]);
        let rows = state.take();
        let error = StoreError::Full {
            file: PathBuf::new(),
        };
        state.take_back(Some(Blocked { rows, error }));
        assert!(!state.is_due(1) && state.blocked.is_some());
        let bytes: Vec<_> = state.waiting.iter().map(|(bytes, _)| *bytes).collect();
        assert_eq!(bytes, [0, 3, 4]);
    }

    #[test]
    fn a_checkpoint_waits_for_company_only_while_there_are_commits() {
        let one = |urgent_jobs, is_busy| State {
            jobs: 1,
            urgent_jobs,
            is_busy,
            ..State::default()
        };
        assert!(one(0, false).is_due(9));
        assert!(!one(0, true).is_due(9));
        assert!(one(1, true).is_due(9));
        let beside = State {
            jobs: 1,
            ..waiting(&[5])
        };
        assert!(!beside.is_due(9) && beside.is_due(5));
    }
}
