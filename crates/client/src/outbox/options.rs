//! What a caller may choose about an outbox.

use std::sync::Arc;
use std::time::Duration;

use share_model::Limits;
use share_model::seam::{
    Clock, Entropy, Executor, Files, Processes, SqliteSettings, SystemClock, SystemEntropy,
    SystemFiles, SystemProcesses,
};

/// How an outbox is opened. The default is right for an agent; the seams are for simulations.
///
/// ```
/// use share_client::OutboxOptions;
///
/// let small_batches = OutboxOptions { batch_ops_max: Some(8), ..OutboxOptions::default() };
/// assert_eq!(small_batches.retention.ops_max, 50_000);
/// ```
#[derive(Debug, Clone)]
pub struct OutboxOptions {
    /// Where the storage work runs.
    pub executor: Executor,
    /// How SQLite opens the file; its `pages_max` bounds the outbox.
    pub sqlite: SqliteSettings,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Where keys, nonces, ids and jitter come from.
    pub entropy: Arc<dyn Entropy>,
    /// The file system for folder, ignore file and locks.
    pub files: Arc<dyn Files>,
    /// Which processes live, to tell whether a lease still means something.
    pub processes: Arc<dyn Processes>,
    /// The limits for ops of a share whose server has not told its own yet.
    pub limits: Limits,
    /// Cut batches to at most this many ops, where the server would take more.
    pub batch_ops_max: Option<u32>,
    /// Cut batches to at most this many bytes, where the server would take more.
    pub batch_bytes_max: Option<u64>,
    /// Whether enqueues that wait for the same commit may become one op where that comes to the same:
    /// `put` after `put` on one key, `appendText` after `appendText` on one string.
    pub coalesce: bool,
    /// How long an op of a stream ([`Outbox::enqueue_streamed`]) may wait for others before it is
    /// committed, so that one sync of the disk makes all of them durable. Zero: not at all.
    ///
    /// 50 ms: a stream of 200 tokens a second costs a tenth of its commits, and a viewer sees each
    /// token soon enough to take it for the model's pace. It is longer than the replay lets ops
    /// gather, whose steps are then there when the ops become durable.
    ///
    /// [`Outbox::enqueue_streamed`]: crate::Outbox::enqueue_streamed
    pub commit_delay: Duration,
    /// How long settled ops are kept.
    pub retention: Retention,
    /// How long rejected ops are tried again.
    pub retry: RetryPolicy,
}

impl Default for OutboxOptions {
    fn default() -> Self {
        Self {
            executor: Executor::OwnThread,
            sqlite: SqliteSettings::default(),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            files: Arc::new(SystemFiles),
            processes: Arc::new(SystemProcesses),
            limits: Limits::DEFAULT,
            batch_ops_max: None,
            batch_bytes_max: None,
            coalesce: true,
            commit_delay: Duration::from_millis(50),
            retention: Retention::default(),
            retry: RetryPolicy::default(),
        }
    }
}

/// How long settled ops of a share are kept, for the case that its server is restored from a
/// backup. Whichever bound is met first; an outbox with a bound also drops them when the room is
/// needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Age.
    pub age_max: Duration,
    /// Bytes of entries per share.
    pub bytes_max: u64,
    /// Ops per share.
    pub ops_max: u64,
}

impl Retention {
    /// While a backlog is replayed, twice as much is kept, of the same age: what is settled then was
    /// stored already, and to drop it can wait for a pause.
    pub(super) fn while_replaying(self, is_backlog: bool) -> Self {
        let factor = if is_backlog { 2 } else { 1 };
        Self {
            age_max: self.age_max,
            bytes_max: self.bytes_max.saturating_mul(factor),
            ops_max: self.ops_max.saturating_mul(factor),
        }
    }
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            age_max: Duration::from_secs(7 * 24 * 3600),
            bytes_max: 256 << 20,
            ops_max: 50_000,
        }
    }
}

/// How long a rejected op that something may still change is tried again, before it is given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Rejections after which an op is given up.
    pub attempts_max: u32,
    /// Time since its first rejection after which an op is given up.
    pub age_max: Duration,
    /// The first wait; each further one is twice as long.
    pub delay: Duration,
    /// The longest wait.
    pub delay_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts_max: 8,
            age_max: Duration::from_secs(60),
            delay: Duration::from_millis(250),
            delay_max: Duration::from_secs(10),
        }
    }
}
