//! The one thread that touches the file, and its group commit: every job that waits runs in one
//! transaction, and no job is answered before that transaction has reached stable storage.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};
use share_model::seam::{Executor, NotAccepted, Sleep, Worker};
use share_model::{ShareId, UnixMs, planted};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::check_reserve;
use super::coalesce::{self, Single};
use super::enqueue::Enqueued;
use super::error::OutboxError;
use super::waiting::Waiting;

/// Jobs that may wait for the storage; callers beyond it wait for a place.
const QUEUE_MAX: usize = 1024;
/// Calls of one transaction, each with what waited to go along.
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
    /// What goes together is handed over together, so that one transaction has it.
    worker: Worker<Vec<Job>>,
    places: Arc<Semaphore>,
    /// What goes with the next job, whichever that is: no more than there are places.
    waiting: Mutex<Waiting<Job>>,
    /// Enqueues that have no op of their own.
    coalesced: Arc<AtomicU64>,
    /// Transactions that are durable.
    commits: Arc<AtomicU64>,
}

impl Storage {
    pub(super) fn start(executor: Executor, mut db: Connection) -> std::io::Result<Self> {
        db.busy_handler(Some(wait_for_others))
            .map_err(std::io::Error::other)?;
        let (coalesced, commits) = (Arc::default(), Arc::default());
        let mut group = Group {
            db,
            closed: false,
            coalesced: Arc::clone(&coalesced),
            commits: Arc::clone(&commits),
        };
        let worker = Worker::start(
            executor,
            "share-outbox",
            QUEUE_MAX,
            GROUP_MAX,
            move |jobs| {
                group.commit(jobs.into_iter().flatten().collect());
            },
        )?;
        Ok(Self {
            worker,
            places: Arc::new(Semaphore::new(QUEUE_MAX)),
            waiting: Mutex::new(Waiting::new()),
            coalesced,
            commits,
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
        self.submit(Some(job))?;
        answer(done).await
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
        let (job, done) = task(self.place().await?, work);
        let round = self.waiting().add_step(job);
        self.answer_in_company(done, (round, patience)).await
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
        drop(self.submit(Some(job)));
    }

    /// Enqueues an op, or lets it go into that of a neighbour, and returns after the commit. What
    /// fails has taken no effect, unless the commit itself did: then nobody knows.
    pub(super) async fn enqueue(
        &self,
        single: Single,
        pages_max: Option<u32>,
        patience: Option<Sleep>,
    ) -> Result<Enqueued, OutboxError> {
        let (answer, done) = Answer::new(self.place().await?);
        let enqueuing = Enqueuing {
            single,
            pages_max,
            answer,
        };
        let job = Job::Enqueue(Box::new(enqueuing));
        self.enqueue_job((job, done), patience).await
    }

    /// Runs work that enqueues. With `patience` it waits for company until that ends, and goes before
    /// the steps that wait likewise.
    pub(super) async fn run_enqueue<T, F>(
        &self,
        work: F,
        patience: Option<Sleep>,
    ) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        let job = task(self.place().await?, work);
        self.enqueue_job(job, patience).await
    }

    async fn enqueue_job<T>(
        &self,
        (job, done): (Job, oneshot::Receiver<Result<T, OutboxError>>),
        patience: Option<Sleep>,
    ) -> Result<T, OutboxError> {
        // Also without patience: it goes before the steps that wait.
        let (round, may_wait) = self.waiting().add_enqueue(job);
        if patience.is_none() || !may_wait {
            self.submit(None)?;
        }
        match patience {
            Some(patience) => self.answer_in_company(done, (round, patience)).await,
            None => answer(done).await,
        }
    }

    /// Waits for the answer to a job that waits for company; when `patience` ends before it has gone,
    /// it goes. Once it has gone, it hurries nobody who came behind it.
    async fn answer_in_company<T>(
        &self,
        mut done: oneshot::Receiver<Result<T, OutboxError>>,
        (round, patience): (u64, impl Future<Output = ()>),
    ) -> Result<T, OutboxError> {
        tokio::select! {
            biased;
            answer = &mut done => return answer.unwrap_or(Err(OutboxError::Closed)),
            () = patience => {
                let waiting = self.waiting();
                if waiting.is_waiting(round) {
                    self.submit_with(waiting, None)?;
                }
            }
        }
        answer(done).await
    }

    /// Whether an enqueue of a stream that comes now is to wait for company.
    pub(super) fn is_steady(&self, now: UnixMs, delay: Duration) -> bool {
        self.waiting().is_steady(now, delay)
    }

    /// Enqueues that have no op of their own, so far.
    pub(super) fn coalesced(&self) -> u64 {
        self.coalesced.load(Ordering::Relaxed)
    }

    /// Transactions that are durable, so far: of a job that was answered, that one is among them.
    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Acquire)
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, OutboxError> {
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map_err(|_| OutboxError::Closed)
    }

    /// Hands over what waits for company, and then `job`. Who comes meanwhile stays behind it.
    fn submit(&self, job: Option<Job>) -> Result<(), OutboxError> {
        self.submit_with(self.waiting(), job)
    }

    fn submit_with(
        &self,
        mut waiting: MutexGuard<'_, Waiting<Job>>,
        job: Option<Job>,
    ) -> Result<(), OutboxError> {
        let mut jobs = waiting.take();
        jobs.extend(job);
        if jobs.is_empty() {
            return Ok(());
        }
        self.worker.submit(jobs).map_err(|refused| match refused {
            NotAccepted::Full(_) => OutboxError::Busy,
            NotAccepted::Ended(_) => OutboxError::Closed,
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<Job>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What was enqueued and is not waited for any more goes along in the end.
impl Drop for Storage {
    fn drop(&mut self) {
        // Not taken, it is not done: nobody counts on either.
        drop(self.submit(None));
    }
}

async fn answer<T>(done: oneshot::Receiver<Result<T, OutboxError>>) -> Result<T, OutboxError> {
    done.await.unwrap_or(Err(OutboxError::Closed))
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
    commits: Arc<AtomicU64>,
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
        let ended = self.statement("COMMIT").map_err(|error| {
            // Those say that nothing was committed; after any other, a failed fsync say, it is not
            // known what reached the disk.
            let nothing_committed = matches!(
                error.sqlite_error_code(),
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::DiskFull)
            );
            self.closed |= !nothing_committed;
            OutboxError::from(error)
        });
        self.commits.fetch_add(1, Ordering::AcqRel);
        ended
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
mod tests;
