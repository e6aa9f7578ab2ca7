//! The one thread that touches the file, and its group commit: every job that waits runs in one
//! transaction, and no job is answered before that transaction has reached stable storage.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use share_model::seam::{Executor, NotAccepted, Worker};
use share_model::{ShareId, planted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::check_reserve;
use super::coalesce::{self, Single};
use super::enqueue::Enqueued;
use super::error::OutboxError;

/// Jobs that may wait for the storage; callers beyond it wait for a place.
const QUEUE_MAX: usize = 1024;
/// Jobs of one transaction.
const GROUP_MAX: usize = 256;
/// How long the storage waits before it looks again whether another process has let go of the file.
/// SQLite's own handler waits for up to 100 ms: of many writers most then sleep while nobody writes,
/// and the unlucky sleep longest.
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// So often it looks: for 10 seconds.
const LOOKS_MAX: i32 = 5000;
/// How often a transaction is begun anew while others have the file, each time after all those
/// looks: with many writers somebody is unlucky for long. Nothing that waits behind it goes first,
/// so that a process's ops keep their order.
const BEGINS_MAX: u32 = 6;

/// What waits for the storage.
enum Job {
    Work(Box<dyn Work>),
    Enqueue(Box<Enqueuing>),
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Work(_) => "Work",
            Self::Enqueue(_) => "Enqueue",
        })
    }
}

impl Job {
    fn finish(self, group: Result<(), OutboxError>) {
        match self {
            Self::Work(work) => work.finish(group),
            Self::Enqueue(enqueuing) => enqueuing.answer.finish(group),
        }
    }
}

/// A unit of storage work: atomic within its group's transaction.
trait Work: Send {
    /// Does the work; `false` takes back what it wrote.
    fn run(&mut self, db: &Connection) -> bool;
    /// Answers, after the group's commit; an error stands for the whole group.
    fn finish(self: Box<Self>, group: Result<(), OutboxError>);
}

/// An enqueue that may merge with its neighbours.
struct Enqueuing {
    single: Single,
    /// The outbox has a bound.
    pages_max: Option<u32>,
    answer: Answer<Enqueued>,
}

struct Task<T, F> {
    work: Option<F>,
    answer: Answer<T>,
}

impl<T, F> Work for Task<T, F>
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
        self.answer.done = Some(done);
        keep
    }

    fn finish(self: Box<Self>, group: Result<(), OutboxError>) {
        self.answer.finish(group);
    }
}

/// What a job came to, and who waits for it.
struct Answer<T> {
    done: Option<Result<T, OutboxError>>,
    reply: oneshot::Sender<Result<T, OutboxError>>,
    /// The job's place in the queue, free again when it is answered.
    _place: OwnedSemaphorePermit,
}

impl<T> Answer<T> {
    fn new(place: OwnedSemaphorePermit) -> (Self, oneshot::Receiver<Result<T, OutboxError>>) {
        let (reply, answer) = oneshot::channel();
        let waiting = Self {
            done: None,
            reply,
            _place: place,
        };
        (waiting, answer)
    }

    fn finish(self, group: Result<(), OutboxError>) {
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
    worker: Worker<Job>,
    places: Arc<Semaphore>,
    /// What goes with the next job, whichever that is: no more than there are places.
    patient: Mutex<Vec<Job>>,
    /// Enqueues that have no op of their own.
    coalesced: Arc<AtomicU64>,
}

impl Storage {
    pub(super) fn start(executor: Executor, mut db: Connection) -> std::io::Result<Self> {
        db.busy_handler(Some(wait_for_others))
            .map_err(std::io::Error::other)?;
        let coalesced = Arc::new(AtomicU64::new(0));
        let mut group = Group {
            db,
            closed: false,
            coalesced: Arc::clone(&coalesced),
        };
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
            patient: Mutex::default(),
            coalesced,
        })
    }

    /// Runs `work` and returns after its commit. What fails has taken no effect, unless the commit
    /// itself did: then nobody knows.
    ///
    /// # Cancel safety
    ///
    /// Dropped before its first answer, the work may or may not take effect, as a whole.
    pub(super) async fn run<T, F>(&self, work: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        let (job, done) = task(self.place().await?, work);
        self.submit(job)?;
        done.await.unwrap_or(Err(OutboxError::Closed))
    }

    /// The same, with the next job that comes: it costs no commit of its own then. Without one it goes
    /// by itself when `patience` ends.
    ///
    /// # Cancel safety
    ///
    /// As [`Storage::run`].
    pub(super) async fn run_with_others<T, F>(
        &self,
        work: F,
        patience: impl Future<Output = ()>,
    ) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        let (job, mut done) = task(self.place().await?, work);
        self.patient().push(job);
        tokio::select! {
            biased;
            answer = &mut done => return answer.unwrap_or(Err(OutboxError::Closed)),
            () = patience => self.submit_patient()?,
        }
        done.await.unwrap_or(Err(OutboxError::Closed))
    }

    /// Runs `work` in its turn, if there is a place for it; nobody hears what became of it.
    pub(super) fn run_unheard<F>(&self, work: F)
    where
        F: FnOnce(&Connection) -> Result<(), OutboxError> + Send + 'static,
    {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            return;
        };
        let (job, _) = task(place, work);
        // Not taken, it is not done: the caller counts on neither.
        drop(self.submit(job));
    }

    /// Enqueues an op, or lets it go into that of a neighbour, and returns after the commit. What
    /// fails has taken no effect, unless the commit itself did: then nobody knows.
    pub(super) async fn enqueue(
        &self,
        single: Single,
        pages_max: Option<u32>,
    ) -> Result<Enqueued, OutboxError> {
        let (answer, done) = Answer::new(self.place().await?);
        let enqueuing = Enqueuing {
            single,
            pages_max,
            answer,
        };
        self.submit(Job::Enqueue(Box::new(enqueuing)))?;
        done.await.unwrap_or(Err(OutboxError::Closed))
    }

    /// Enqueues that have no op of their own, so far.
    pub(super) fn coalesced(&self) -> u64 {
        self.coalesced.load(Ordering::Relaxed)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, OutboxError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| OutboxError::Closed)
    }

    /// Hands over a job, behind those that waited for one.
    fn submit(&self, job: Job) -> Result<(), OutboxError> {
        self.submit_patient()?;
        self.submit_now(job)
    }

    fn submit_patient(&self) -> Result<(), OutboxError> {
        let jobs = std::mem::take(&mut *self.patient());
        jobs.into_iter().try_for_each(|job| self.submit_now(job))
    }

    fn patient(&self) -> MutexGuard<'_, Vec<Job>> {
        self.patient.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn submit_now(&self, job: Job) -> Result<(), OutboxError> {
        self.worker.submit(job).map_err(|refused| match refused {
            NotAccepted::Full(_) => OutboxError::Busy,
            NotAccepted::Ended(_) => OutboxError::Closed,
        })
    }
}

/// A job, and where its answer comes.
fn task<T, F>(
    place: OwnedSemaphorePermit,
    work: F,
) -> (Job, oneshot::Receiver<Result<T, OutboxError>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
{
    let (answer, done) = Answer::new(place);
    let work = Some(work);
    (Job::Work(Box::new(Task { work, answer })), done)
}

/// Another process has the file: nothing in this one can tell when it lets go.
fn wait_for_others(looks: i32) -> bool {
    std::thread::park_timeout(LOOK_AGAIN);
    looks < LOOKS_MAX
}

struct Group {
    db: Connection,
    /// A commit failed: what is on stable storage is not known any more, so nothing is acked.
    closed: bool,
    coalesced: Arc<AtomicU64>,
}

impl Group {
    fn commit(&mut self, mut jobs: Vec<Job>) {
        let mut result = self.try_commit(&mut jobs);
        if result.is_err() && planted!("enqueue-ignores-failed-commit") {
            result = Ok(());
        }
        if result.is_err() && !self.db.is_autocommit() && self.db.execute_batch("ROLLBACK").is_err()
        {
            self.closed = true;
        }
        for job in jobs {
            job.finish(result.clone());
        }
    }

    fn try_commit(&mut self, jobs: &mut [Job]) -> Result<(), OutboxError> {
        if self.closed {
            return Err(OutboxError::Closed);
        }
        self.begin()?;
        let units = units(jobs);
        if let [only] = units.as_slice()
            && let [_] = only.as_slice()
        {
            return self.commit_alone(jobs, only);
        }
        let mut merged = 0;
        for unit in units {
            match unit.as_slice() {
                only @ [_] => drop(self.attempt(jobs, only)?),
                several => match self.attempt(jobs, several)? {
                    Some(count) => merged += count,
                    // Together it did not work: whose fault it is shows when each is by itself.
                    None => {
                        for each in several {
                            self.attempt(jobs, &[*each])?;
                        }
                    }
                },
            }
        }
        self.end()?;
        self.coalesced.fetch_add(merged, Ordering::Relaxed);
        Ok(())
    }

    /// A job that nobody else's stands beside: what takes it back takes back the transaction.
    fn commit_alone(&mut self, jobs: &mut [Job], unit: &[usize]) -> Result<(), OutboxError> {
        if run(&self.db, jobs, unit).is_some() {
            return self.end();
        }
        if self.db.is_autocommit() {
            // The failure took it back already.
            return Err(OutboxError::Busy);
        }
        Ok(self.statement("ROLLBACK")?)
    }

    /// Ends the transaction: what was done in it is durable then.
    fn end(&mut self) -> Result<(), OutboxError> {
        self.statement("COMMIT").map_err(|error| {
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

    /// Begins the transaction, however many other processes want to.
    fn begin(&self) -> Result<(), OutboxError> {
        let mut begun = Err(OutboxError::Busy);
        for _ in 0..BEGINS_MAX {
            begun = self.statement("BEGIN IMMEDIATE").map_err(OutboxError::from);
            if !matches!(begun, Err(OutboxError::Busy)) {
                break;
            }
        }
        begun
    }

    /// Runs a statement that every group needs, prepared once.
    fn statement(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(drop)
    }

    /// Does the jobs `unit` as one, or takes back what they wrote. How many calls have no op of
    /// their own; `None` if it was taken back.
    fn attempt(&self, jobs: &mut [Job], unit: &[usize]) -> Result<Option<u64>, OutboxError> {
        self.statement("SAVEPOINT job")?;
        let done = run(&self.db, jobs, unit);
        if done.is_some() {
            self.statement("RELEASE job")?;
        } else if self.db.is_autocommit() {
            // The failure took the whole transaction back with it.
            return Err(OutboxError::Busy);
        } else {
            self.db.execute_batch("ROLLBACK TO job; RELEASE job")?;
        }
        Ok(done)
    }
}

/// Which jobs are done as one: neighbours that may merge, of which only enqueues of other shares
/// stand in between. By the place of the first.
fn units(jobs: &[Job]) -> Vec<Vec<usize>> {
    let mut units: Vec<Vec<usize>> = Vec::with_capacity(jobs.len());
    // Of each share, the unit of its last enqueue, and that.
    let mut open: HashMap<ShareId, (usize, &Single)> = HashMap::new();
    for (at, job) in jobs.iter().enumerate() {
        let Job::Enqueue(enqueuing) = job else {
            // It may do anything, so that nothing behind it goes before it.
            open.clear();
            units.push(vec![at]);
            continue;
        };
        let single = &enqueuing.single;
        let unit = match open.get(&single.share()) {
            Some((unit, before)) if single.may_follow(before) => *unit,
            _ => {
                units.push(Vec::new());
                units.len() - 1
            }
        };
        if let Some(unit) = units.get_mut(unit) {
            unit.push(at);
        }
        open.insert(single.share(), (unit, single));
    }
    units
}

/// Does the jobs `unit`, one piece of work or enqueues that may merge; `None` if nothing of it may
/// be kept.
fn run(db: &Connection, jobs: &mut [Job], unit: &[usize]) -> Option<u64> {
    if let [only] = unit
        && let Some(Job::Work(work)) = jobs.get_mut(*only)
    {
        return work.run(db).then_some(0);
    }
    let calls: Vec<&Enqueuing> = unit
        .iter()
        .filter_map(|at| enqueuing(jobs.get(*at)?))
        .collect();
    let singles: Vec<&Single> = calls.iter().map(|call| &call.single).collect();
    let pages_max = calls.iter().find_map(|call| call.pages_max);
    let done = coalesce::enqueue(db, &singles).and_then(|done| {
        pages_max.map_or(Ok(()), |pages_max| check_reserve(db, pages_max))?;
        Ok(done)
    });
    let (answers, merged) = match done {
        Ok(done) => (done.answers, Some(done.merged)),
        Err(error) => (vec![Err(error); unit.len()], None),
    };
    for (at, answer) in unit.iter().zip(answers) {
        if let Some(Job::Enqueue(enqueuing)) = jobs.get_mut(*at) {
            enqueuing.answer.done = Some(answer);
        }
    }
    merged
}

fn enqueuing(job: &Job) -> Option<&Enqueuing> {
    match job {
        Job::Enqueue(enqueuing) => Some(enqueuing),
        Job::Work(_) => None,
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
    async fn a_patient_job_goes_before_the_next_one_and_by_itself_when_its_patience_ends() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let storage = storage(&path);
        let mut patient = Box::pin(storage.run_with_others(insert, std::future::pending()));
        assert!((&mut patient).now_or_never().is_none());
        storage.run(|_| Ok(())).await.unwrap();
        // Answered in its turn, it is durable before what came behind it is answered.
        assert_eq!(count(&path), 1);
        patient.await.unwrap();
        let impatient = storage.run_with_others(insert, std::future::ready(()));
        impatient.await.unwrap();
        assert_eq!(count(&path), 2);
    }

    #[tokio::test]
    async fn a_job_that_fails_by_itself_is_taken_back_and_the_next_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let storage = storage(&path);
        let fail = |db: &Connection| -> Result<(), OutboxError> {
            insert(db)?;
            Err(OutboxError::Full)
        };
        let failed = storage.run(fail).await;
        assert!(matches!(failed, Err(OutboxError::Full)), "{failed:?}");
        assert_eq!(count(&path), 0);
        storage.run(insert).await.unwrap();
        assert_eq!(count(&path), 1);
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

    /// Who has the file, until a transaction was begun in vain three times.
    static HOLDER: Mutex<Option<Connection>> = Mutex::new(None);
    static IN_VAIN: AtomicU64 = AtomicU64::new(0);

    fn give_up_at_once(_: i32) -> bool {
        if IN_VAIN.fetch_add(1, Ordering::Relaxed) == 2 {
            drop(HOLDER.lock().unwrap().take());
        }
        false
    }

    #[test]
    fn a_transaction_that_finds_the_file_busy_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        let mut db = Connection::open(&path).unwrap();
        db.execute_batch("CREATE TABLE t (a)").unwrap();
        db.busy_handler(Some(give_up_at_once)).unwrap();
        let holder = Connection::open(&path).unwrap();
        holder.execute_batch("BEGIN IMMEDIATE").unwrap();
        *HOLDER.lock().unwrap() = Some(holder);
        let group = Group {
            db,
            closed: false,
            coalesced: Arc::default(),
        };
        group.begin().unwrap();
        assert_eq!(IN_VAIN.load(Ordering::Relaxed), 3);
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
