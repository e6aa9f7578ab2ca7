//! The durable outbox: every op is on stable storage before the agent goes on
//! (`docs/design.md` §7).
//!
//! SQL stands in the modules below, one per table. Everything that touches the file runs on one
//! storage thread, in group commits ([`worker`]).

mod admission;
mod batches;
mod coalesce;
mod cut;
mod delegation;
mod details;
mod enqueue;
mod entry;
mod error;
mod file;
mod lanes;
mod lease;
mod lookup;
mod members;
mod ops;
mod options;
mod outcome;
mod outcomes;
mod own_way;
mod progress;
mod prune;
mod record;
mod recoveries;
mod refused;
mod repeats;
mod replan;
mod replaying;
mod requeue;
mod resolve;
mod schema;
mod send;
mod sql;
mod standing;
mod status;
mod stop;
mod streamed;
mod waiting;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use share_model::seam::Sleep;
use share_model::{OpId, OutboxKey, ShareId, ShareRef, planted};
use tokio::sync::{broadcast, watch};

pub use delegation::{
    AgentOutbox, AgentSession, Claim, ClaimedOps, DelegateOptions, DelegatedCycle, Delegation,
    DelegationError, Ending, Gone, LeaseEvent, LeaseEventKind, Scope, ScopeError,
};
pub use details::{DependencyDetails, GroupDetails, OpDetails};
pub use enqueue::{DependsOn, Enqueued, Grouping, NewOp};
pub use error::OutboxError;
pub(crate) use lease::{HeldBy, Holder, LeaseLook, RENEWAL, Turn};
pub(crate) use members::Fresh;
pub use options::{OutboxOptions, Retention, RetryPolicy};
pub use outcome::{Failure, Outcome, OutcomeEvent};
pub use outcomes::{Heard, Outcomes};
pub use progress::RowState;
pub(crate) use record::Answer as RecordedAnswer;
pub use recoveries::{LostOps, Recovery, RecoveryEvent};
pub(crate) use replan::Standing;
pub(crate) use replaying::{ClaimCheck, Held, OpenLane, Opening, Rest};
pub use resolve::ResolveError;
pub(crate) use send::Taken;
pub use status::{Resolution, Row, RowFilter, RowPosition, ShareStatus};
pub use stop::Stop;

use coalesce::Single;
use outcomes::EVENTS_MAX;
use worker::Storage;

/// Pages that enqueueing leaves free when the outbox has a bound, so that a full outbox can still
/// record outcomes, which frees room.
const RESERVE_DIVISOR: u32 = 8;

/// A durable queue of ops for shares, in one file.
///
/// A handle: clones mean the same outbox. Several processes may open one file; each share is
/// replayed by one [`Flusher`] at a time.
///
/// ```
/// use share_client::{NewOp, Outbox, OutboxOptions};
/// use share_model::{Mutation, ShareRef};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("state/share.sqlite");
/// # let text = format!("share://h:1/{0}/{0}?epoch=1#{1}", "0".repeat(32), "A".repeat(43));
/// let outbox = Outbox::open(&path, OutboxOptions::default())?;
/// let reference: ShareRef = text.parse()?;
/// let share = reference.share;
/// outbox.use_ref(reference).await?;
///
/// let put = Mutation::Put { key: "session".into(), json: r#"{"title":"hello"}"#.into() };
/// let first = outbox.enqueue(share, NewOp::of(put)).await?;
/// // On stable storage from here on, whatever becomes of this process.
/// assert_eq!(first.seq.get(), 1);
/// # Ok(())
/// # }
/// ```
///
/// [`Flusher`]: crate::Flusher
#[derive(Debug, Clone)]
pub struct Outbox {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    options: OutboxOptions,
    storage: Storage,
    /// What tells the file from a copy of it.
    file: Option<String>,
    /// Told when there may be something new to replay: the commits that it was told for.
    changes: watch::Sender<u64>,
    outcomes: broadcast::Sender<OutcomeEvent>,
}

/// As whose an enqueue is, and how long it may wait for company; by default the file owner's, and not
/// at all.
#[derive(Default)]
struct Manner {
    session: Option<delegation::Acting>,
    patience: Option<Sleep>,
}

/// What [`Outbox::use_ref`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefUse {
    /// The share is new to the outbox.
    New,
    /// The outbox had this very ref.
    Same,
    /// The ref took the place of an older one.
    Replaced,
    /// The outbox has a ref of a later epoch, which stays: a bump ended what this one opens.
    Older,
}

impl Outbox {
    /// Opens the outbox at `path`, made if it is missing: in a folder for its owner only, with an
    /// ignore file if the folder is new or empty.
    ///
    /// # Errors
    ///
    /// If the file is not an outbox, written by a newer version, damaged, or can't be opened. It is
    /// then left as it was.
    pub fn open(path: &Path, options: OutboxOptions) -> Result<Self, OutboxError> {
        let db = file::open(path, &options)?;
        if planted!("seq-reused-after-restart") {
            lanes::count_pending_only(&db)?;
        }
        let file = lease::file_identity(path, &options);
        let storage = Storage::start(options.executor, db).map_err(|source| OutboxError::Open {
            path: path.into(),
            source: Arc::new(source),
        })?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.into(),
                options,
                storage,
                file,
                changes: watch::Sender::new(0),
                outcomes: broadcast::Sender::new(EVENTS_MAX),
            }),
        })
    }

    /// Opens `reference`'s share for ops. The newest ref of a share takes the place of earlier
    /// ones; given again or anew, it lets a replay that waits for a person try again.
    ///
    /// The first ref of a share mints its lane: the outbox key is durable before anything is
    /// enqueued.
    ///
    /// # Errors
    ///
    /// If the storage does not take it.
    pub async fn use_ref(&self, reference: ShareRef) -> Result<RefUse, OutboxError> {
        let key = OutboxKey::random(&*self.inner.options.entropy);
        let used = self
            .run(move |db| {
                let Some(lane) = lanes::find(db, reference.share)? else {
                    lanes::insert(db, &reference, &key)?;
                    return Ok(RefUse::New);
                };
                if reference.epoch < lane.reference.epoch {
                    return Ok(RefUse::Older);
                }
                if lane.stop.as_ref().is_some_and(Stop::ends_with_a_ref) {
                    lanes::set_stop(db, &lane, None)?;
                }
                let same = reference.expose() == lane.reference.expose();
                lanes::set_ref(db, &lane, &reference)?;
                Ok(if same { RefUse::Same } else { RefUse::Replaced })
            })
            .await?;
        self.changed();
        Ok(used)
    }

    /// Enqueues one op; it is on stable storage when this returns.
    ///
    /// # Errors
    ///
    /// If the op could never be applied, names what the outbox does not hold, or the storage does
    /// not take it: then nothing of it is stored. After [`OutboxError::Storage`] and
    /// [`OutboxError::Closed`] nobody knows whether it is; give it an id to find out.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the op may or may not be enqueued; give it an id to find out.
    pub async fn enqueue(&self, share: ShareId, op: NewOp) -> Result<Enqueued, OutboxError> {
        let enqueued = self.enqueue_all(share, vec![op], Grouping::Loose).await?;
        enqueued.into_iter().next().ok_or(OutboxError::Closed)
    }

    /// Enqueues ops, in order: all are on stable storage when this returns, or none is.
    ///
    /// ```
    /// # use share_client::{DependsOn, Grouping, NewOp, Outbox, OutboxOptions};
    /// # use share_model::{Mutation, OpId, ShareRef};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// # let outbox = Outbox::open(&folder.path().join("o.sqlite"), OutboxOptions::default())?;
    /// # let text = format!("share://h:1/{0}/{0}?epoch=1#{1}", "0".repeat(32), "A".repeat(43));
    /// # let reference: ShareRef = text.parse()?;
    /// # let share = reference.share;
    /// # outbox.use_ref(reference).await?;
    /// let id = OpId::from_bytes([1; 16]);
    /// let put = Mutation::Put { key: "a".into(), json: r#""x""#.into() };
    /// let append = Mutation::AppendText { key: "a".into(), pointer: "".into(), text: "y".into() };
    /// let ops = vec![
    ///     NewOp { id: Some(id), ..NewOp::of(put) },
    ///     NewOp { depends_on: vec![DependsOn::Op(id)], ..NewOp::of(append) },
    /// ];
    /// let atomic = Grouping::Atomic { expected_cursor: None };
    /// assert_eq!(outbox.enqueue_all(share, ops, atomic).await?.len(), 2);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Outbox::enqueue`].
    pub async fn enqueue_all(
        &self,
        share: ShareId,
        ops: Vec<NewOp>,
        grouping: Grouping,
    ) -> Result<Vec<Enqueued>, OutboxError> {
        self.enqueue_by(Manner::default(), share, ops, grouping)
            .await
    }

    async fn enqueue_by(
        &self,
        Manner { session, patience }: Manner,
        share: ShareId,
        ops: Vec<NewOp>,
        grouping: Grouping,
    ) -> Result<Vec<Enqueued>, OutboxError> {
        let options = &self.inner.options;
        let may_merge = options.coalesce && Single::may_be(&ops, grouping);
        let with_ids = ops.into_iter().map(|op| {
            let id = op.id;
            (
                op,
                id.unwrap_or_else(|| OpId::new(&*options.clock, &*options.entropy)),
            )
        });
        let call = enqueue::Call {
            share,
            ops: with_ids.collect(),
            grouping,
            now: options.clock.now(),
            limits: options.limits,
        };
        let enqueued = match options.sqlite.pages_max {
            _ if may_merge => {
                self.enqueue_single(Single::of(session, call), patience)
                    .await?
            }
            None => {
                let enqueueing =
                    move |db: &Connection| delegation::enqueue(db, session.as_ref(), call);
                self.inner.storage.run_enqueue(enqueueing, patience).await?
            }
            Some(_) => {
                let enqueueing =
                    move |db: &Connection| delegation::enqueue(db, session.as_ref(), call.clone());
                self.run_in_room(patience, enqueueing).await?
            }
        };
        self.committed();
        Ok(enqueued)
    }

    /// Enqueues an op that may merge with its neighbours.
    async fn enqueue_single(
        &self,
        single: Single,
        mut patience: Option<Sleep>,
    ) -> Result<Vec<Enqueued>, OutboxError> {
        let pages_max = self.inner.options.sqlite.pages_max;
        loop {
            let storage = &self.inner.storage;
            let tried = storage.enqueue(single.clone(), pages_max, patience.take());
            match tried.await {
                Err(OutboxError::Full)
                    if pages_max.is_some() && self.run(prune::for_room).await? => {}
                tried => return tried.map(|enqueued| vec![enqueued]),
            }
        }
    }

    /// Enqueues that have no op of their own, since this outbox was opened here: they wait for the
    /// same commit as an earlier one and went into its op ([`OutboxOptions::coalesce`]).
    pub fn coalesced(&self) -> u64 {
        self.inner.storage.coalesced()
    }

    /// Runs work that enqueues. In an outbox with a bound, settled ops give up their room before
    /// their retention is over; what is not settled never does.
    async fn run_in_room<T, F>(
        &self,
        mut patience: Option<Sleep>,
        work: F,
    ) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: Fn(&Connection) -> Result<T, OutboxError> + Clone + Send + 'static,
    {
        let pages_max = self.inner.options.sqlite.pages_max;
        loop {
            let work = work.clone();
            let within = move |db: &Connection| {
                let done = work(db)?;
                pages_max.map_or(Ok(()), |pages_max| check_reserve(db, pages_max))?;
                Ok(done)
            };
            match self
                .inner
                .storage
                .run_enqueue(within, patience.take())
                .await
            {
                Err(OutboxError::Full) if self.run(prune::for_room).await? => {}
                tried => return tried,
            }
        }
    }

    /// How every share stands, in the order in which the outbox came to know them.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn shares(&self) -> Result<Vec<ShareStatus>, OutboxError> {
        self.run(status::shares).await
    }

    /// Up to `limit` ops that pass `filter`, after the place `after`: by share, then by lane, then by
    /// seq.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn rows(
        &self,
        filter: RowFilter,
        after: Option<RowPosition>,
        limit: usize,
    ) -> Result<Vec<Row>, OutboxError> {
        self.run(move |db| status::rows(db, &filter, after, limit))
            .await
    }

    /// How each of these ops of a share stands, in their order; `None` for one that the outbox does
    /// not hold (any more).
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn rows_of(
        &self,
        share: ShareId,
        ops: Vec<OpId>,
    ) -> Result<Vec<Option<Row>>, OutboxError> {
        self.run(move |db| status::rows_of_ops(db, share, &ops))
            .await
    }

    /// What was done about a copied or restored outbox, or a restored server: up to `limit` events
    /// after the event numbered `after`, oldest first. The newest thousand are kept.
    ///
    /// # Errors
    ///
    /// If the storage fails.
    pub async fn recoveries(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<RecoveryEvent>, OutboxError> {
        self.run(move |db| recoveries::list(db, after, limit)).await
    }

    /// The outcomes that this process's flusher records from now on. Those of another process that
    /// replays the same file are seen in [`Outbox::rows`] only.
    pub fn outcomes(&self) -> Outcomes {
        Outcomes(self.inner.outcomes.subscribe())
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.inner.path
    }

    pub(crate) fn options(&self) -> &OutboxOptions {
        &self.inner.options
    }

    /// Sees when there may be something new to replay.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.inner.changes.subscribe()
    }

    fn changed(&self) {
        self.inner.changes.send_modify(|_| {});
    }

    /// As [`Outbox::changed`], said once by all whose ops became durable in the same commit.
    fn committed(&self) {
        let commits = self.inner.storage.commits();
        self.inner
            .changes
            .send_if_modified(|seen| std::mem::replace(seen, commits) != commits);
    }

    /// Tells those who listen; that nobody does is no loss, for the outcomes are stored.
    fn tell(&self, events: &[OutcomeEvent]) {
        for event in events {
            let _ = self.inner.outcomes.send(event.clone());
        }
    }

    async fn run<T, F>(&self, work: F) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        self.inner.storage.run(work).await
    }

    /// Runs work in the transaction of whatever comes next, or in one of its own when `patience` ends.
    async fn run_with_others<T, F>(
        &self,
        work: F,
        patience: impl Future<Output = ()>,
    ) -> Result<T, OutboxError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, OutboxError> + Send + 'static,
    {
        self.inner.storage.run_with_others(work, patience).await
    }
}

fn check_reserve(db: &Connection, pages_max: u32) -> Result<(), OutboxError> {
    let number = |sql| {
        db.prepare_cached(sql)?
            .query_row([], |row| row.get::<_, u32>(0))
    };
    let used = number("PRAGMA page_count")?.saturating_sub(number("PRAGMA freelist_count")?);
    if used > pages_max - pages_max / RESERVE_DIVISOR {
        return Err(OutboxError::Full);
    }
    Ok(())
}
