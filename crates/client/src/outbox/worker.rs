//! The one thread that touches the file, and its group commit: every job that waits runs in one
//! transaction, and no job is answered before that transaction has reached stable storage.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode};
use share_model::seam::{Executor, NotAccepted, Worker};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::error::OutboxError;

/// Jobs that may wait for the storage; callers beyond it wait for a place.
const QUEUE_MAX: usize = 1024;
/// Jobs of one transaction.
const GROUP_MAX: usize = 256;

/// A unit of storage work: atomic within its group's transaction.
trait Job: Send {
    /// Does the work; `false` takes back what it wrote.
    fn run(&mut self, db: &Connection) -> bool;
    /// Answers, after the group's commit; an error stands for the whole group.
    fn finish(self: Box<Self>, group: Result<(), OutboxError>);
}

struct Task<T, F> {
    work: Option<F>,
    done: Option<Result<T, OutboxError>>,
    reply: oneshot::Sender<Result<T, OutboxError>>,
    /// The job's place in the queue, free again when it is answered.
    _place: OwnedSemaphorePermit,
}

impl<T, F> Job for Task<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, OutboxError> + Send,
{
    fn run(&mut self, db: &Connection) -> bool {
        let Some(work) = self.work.take() else {
            return false;
        };
        let done = work(db);
        let keep = done.is_ok();
        self.done = Some(done);
        keep
    }

    fn finish(self: Box<Self>, group: Result<(), OutboxError>) {
        let answer = match (self.done, group) {
            // A job's own error is the better one: it was taken back whatever became of the group.
            (Some(Err(error)), _) | (_, Err(error)) => Err(error),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(OutboxError::Closed),
        };
        // Who no longer waits has lost nothing: the work is durable.
        let _ = self.reply.send(answer);
    }
}

/// Hands work to the storage thread.
#[derive(Debug)]
pub(super) struct Storage {
    worker: Worker<Box<dyn Job>>,
    places: Arc<Semaphore>,
}

impl Storage {
    pub(super) fn start(executor: Executor, db: Connection) -> std::io::Result<Self> {
        let mut group = Group { db, closed: false };
        let worker = Worker::start(
            executor,
            "share-outbox",
            QUEUE_MAX,
            GROUP_MAX,
            move |jobs| {
                group.commit(jobs);
            },
        )?;
        Ok(Self {
            worker,
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
        })
    }

    /// Runs `work` and returns after its commit. What fails has taken no effect.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first answer, the work may or may not take effect, as a whole.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| OutboxError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let task = Task {
            work: Some(work),
            done: None,
            reply,
            _place: place,
        };
        match self.worker.submit(Box::new(task)) {
            Ok(()) => answer.await.unwrap_or(Err(OutboxError::Closed)),
            Err(NotAccepted::Full(_)) => Err(OutboxError::Busy),
            Err(NotAccepted::Ended(_)) => Err(OutboxError::Closed),
        }
    }
}

struct Group {
    db: Connection,
    /// A commit failed: what is on stable storage is not known any more, so nothing is acked.
    closed: bool,
}

impl Group {
    fn commit(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let result = self.try_commit(&mut jobs);
        if result.is_err() && !self.db.is_autocommit() && self.db.execute_batch("ROLLBACK").is_err()
        {
            self.closed = true;
        }
        for job in jobs {
            job.finish(result.clone());
        }
    }

    fn try_commit(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<(), OutboxError> {
        if self.closed {
            return Err(OutboxError::Closed);
        }
        self.db.execute_batch("BEGIN IMMEDIATE")?;
        for job in jobs {
            self.db.execute_batch("SAVEPOINT job")?;
            if job.run(&self.db) {
                self.db.execute_batch("RELEASE job")?;
            } else if self.db.is_autocommit() {
                // The failure took the whole transaction back with it.
                return Err(OutboxError::Busy);
            } else {
                self.db.execute_batch("ROLLBACK TO job; RELEASE job")?;
            }
        }
        self.db.execute_batch("COMMIT").map_err(|error| {
            // Those say that nothing was committed; after any other, a failed fsync say, it is not
            // known what reached the disk.
            let nothing_committed = matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
            );
            self.closed |= !nothing_committed;
            OutboxError::from(error)
        })
    }
}
