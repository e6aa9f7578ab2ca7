//! The one thread that touches the file. Each call is a transaction of its own.

use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use share_model::seam::{Executor, NotAccepted, Worker};
use tokio::sync::{Semaphore, oneshot};

use super::error::RegistryError;

/// Calls that may wait for the storage; those beyond it wait for a place.
const QUEUE_MAX: usize = 64;

type Job = Box<dyn FnOnce(&mut Storage) + Send>;

/// Hands work to the storage thread.
#[derive(Debug)]
pub(super) struct StorageHandle {
    worker: Worker<Job>,
    places: Arc<Semaphore>,
}

struct Storage {
    db: Connection,
    /// A commit failed: what is on stable storage is not known any more, so nothing is acked.
    is_closed: bool,
}

impl StorageHandle {
    pub(super) fn start(executor: Executor, db: Connection) -> std::io::Result<Self> {
        let mut storage = Storage {
            db,
            is_closed: false,
        };
        let run = move |jobs: Vec<Job>| {
            for job in jobs {
                job(&mut storage);
            }
        };
        Ok(Self {
            worker: Worker::start(executor, "share-registry", QUEUE_MAX, 1, run)?,
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
        })
    }

    /// Runs `work` in a transaction and returns after its commit. What fails has taken no
    /// effect, unless the commit itself did: then nobody knows.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the work takes effect as a whole or not at all.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, RegistryError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, RegistryError> + Send + 'static,
    {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(|_| RegistryError::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |storage| {
            // Who no longer waits has lost nothing: the work is durable.
            let _ = reply.send(storage.transact(work));
            drop(place);
        });
        match self.worker.submit(job) {
            Ok(()) => answer.await.unwrap_or(Err(RegistryError::Closed)),
            Err(NotAccepted::Full(_)) => Err(RegistryError::Busy),
            Err(NotAccepted::Ended(_)) => Err(RegistryError::Closed),
        }
    }
}

impl Storage {
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&Connection) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        if self.is_closed {
            return Err(RegistryError::Closed);
        }
        // At once the only writer: what is read does not change before it is written.
        let transaction = self
            .db
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let done = work(&transaction)?;
        let committed = transaction.commit();
        if let Err(error) = &committed {
            // Those say that nothing was committed; after any other, a failed fsync say, it is not
            // known what reached the disk.
            let nothing_committed = matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
            );
            self.is_closed = !nothing_committed;
        }
        committed?;
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(db: &Connection) -> Result<(), RegistryError> {
        db.execute("INSERT INTO t VALUES (1)", [])?;
        Ok(())
    }

    fn count(db: &Connection) -> Result<u32, RegistryError> {
        Ok(db.query_row("SELECT count(*) FROM t", [], |row| row.get(0))?)
    }

    fn storage() -> StorageHandle {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "PRAGMA foreign_keys = ON; CREATE TABLE t (a); CREATE TABLE p (a INTEGER PRIMARY KEY); \
             CREATE TABLE c (a REFERENCES p (a) DEFERRABLE INITIALLY DEFERRED)",
        )
        .unwrap();
        StorageHandle::start(Executor::OwnThread, db).unwrap()
    }

    #[tokio::test]
    async fn a_call_that_fails_takes_back_what_it_wrote() {
        let storage = storage();
        let fails = |db: &Connection| -> Result<(), RegistryError> {
            insert(db)?;
            Err(RegistryError::NoRoom)
        };
        assert!(storage.run(fails).await.is_err());
        storage.run(insert).await.unwrap();
        assert_eq!(storage.run(count).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn after_a_failed_commit_nothing_is_acked_any_more() {
        let storage = storage();
        // A foreign key that is checked at commit stands in for a commit that fails.
        let broken = storage
            .run(|db| Ok(db.execute("INSERT INTO c VALUES (9)", [])?))
            .await;
        assert!(
            matches!(broken, Err(RegistryError::Storage(_))),
            "{broken:?}"
        );
        let after = storage.run(insert).await;
        assert!(matches!(after, Err(RegistryError::Closed)), "{after:?}");
    }

    #[tokio::test]
    async fn more_calls_than_may_wait_wait_for_a_place() {
        let storage = Arc::new(storage());
        let calls = (0..4 * QUEUE_MAX).map(|_| {
            let storage = Arc::clone(&storage);
            tokio::spawn(async move { storage.run(insert).await })
        });
        for call in calls.collect::<Vec<_>>() {
            call.await.unwrap().unwrap();
        }
        let all = u32::try_from(4 * QUEUE_MAX).unwrap();
        assert_eq!(storage.run(count).await.unwrap(), all);
    }
}
