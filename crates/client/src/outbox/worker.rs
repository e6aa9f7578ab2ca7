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

    /// Runs `work` in its turn, if there is a place for it; nobody hears what became of it.
    pub(super) fn run_unheard<F>(&self, work: F)
    where
        F: FnOnce(&Connection) -> Result<(), OutboxError> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let (reply, _) = oneshot::channel();
        let task = Task {
            work: Some(work),
            done: None,
            reply,
            _place: place,
        };
        // Not taken, it is not done: the caller counts on neither.
        drop(self.worker.submit(Box::new(task)));
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::mpsc;

    use futures_util::FutureExt;

    use super::*;

    fn count(path: &Path) -> u32 {
        let db = Connection::open(path).unwrap();
        db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))
            .unwrap()
    }

    fn insert(db: &Connection) -> Result<(), OutboxError> {
        db.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    fn storage(path: &Path) -> Storage {
        let db = Connection::open(path).unwrap();
        db.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
            .unwrap();
        db.execute_batch("PRAGMA foreign_keys = ON; CREATE TABLE t (a)")
            .unwrap();
        Storage::start(Executor::OwnThread, db).unwrap()
    }

    #[tokio::test]
    async fn jobs_that_wait_together_commit_together_and_none_is_answered_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let storage = Arc::new(storage(&path));
        let (go, going) = mpsc::channel::<()>();
        let first = storage.run(move |_| {
            going.recv().unwrap();
            Ok(())
        });
        let mut jobs = vec![tokio::spawn({
            let storage = Arc::clone(&storage);
            async move { storage.run(insert).await }
        })];
        tokio::task::yield_now().await;
        let mut first = Box::pin(first);
        assert!((&mut first).now_or_never().is_none());
        for _ in 0..10 {
            let storage = Arc::clone(&storage);
            jobs.push(tokio::spawn(async move { storage.run(insert).await }));
        }
        let last = storage.run({
            let path = path.clone();
            move |db| {
                // The eleven are done on this connection, and not yet seen by any other.
                let inside: u32 = db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?;
                Ok((inside, count(&path)))
            }
        });
        tokio::task::yield_now().await;
        let mut last = Box::pin(last);
        assert!((&mut last).now_or_never().is_none());
        go.send(()).unwrap();
        first.await.unwrap();
        let (inside, outside) = last.await.unwrap();
        assert_eq!(inside, 11);
        assert!(outside <= 1, "{outside} rows were committed one by one");
        for job in jobs {
            job.await.unwrap().unwrap();
        }
        assert_eq!(count(&path), 11);
    }

    #[tokio::test]
    async fn a_job_that_fails_takes_back_its_own_writes_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let storage = storage(&path);
        let fail = |db: &Connection| -> Result<(), OutboxError> {
            insert(db)?;
            Err(OutboxError::Full)
        };
        let (good, bad, also) =
            tokio::join!(storage.run(insert), storage.run(fail), storage.run(insert));
        assert!(matches!(bad, Err(OutboxError::Full)));
        good.unwrap();
        also.unwrap();
        assert_eq!(count(&path), 2);
    }

    /// What a caller does when nothing reaches the disk any more: no ack on hope.
    #[tokio::test]
    async fn after_a_failed_commit_nothing_is_acked_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let storage = storage(&path);
        storage
            .run(|db| {
                // A foreign key that is checked at commit stands in for a commit that fails.
                db.execute_batch(
                    "CREATE TABLE p (a INTEGER PRIMARY KEY); \
                     CREATE TABLE c (a REFERENCES p (a) DEFERRABLE INITIALLY DEFERRED)",
                )?;
                Ok(())
            })
            .await
            .unwrap();
        let broken = storage
            .run(|db| Ok(db.execute("INSERT INTO c VALUES (9)", [])?))
            .await;
        assert!(matches!(broken, Err(OutboxError::Storage(_))), "{broken:?}");
        assert!(matches!(
            storage.run(insert).await,
            Err(OutboxError::Closed)
        ));
        assert_eq!(count(&path), 0);
    }
}
