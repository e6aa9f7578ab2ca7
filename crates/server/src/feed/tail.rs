//! A reader's place in a share's log.

use std::sync::Arc;

use share_model::Cursor;
use tokio::sync::watch;

use super::{Feed, FromRing, SharedOp};
use crate::fault::Fault;
use crate::store::Store;

/// Bounds of a [`Tail`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailLimits {
    /// Ops of one step.
    pub(crate) chunk_ops_max: usize,
    /// Bytes of the mutations of one step, if it has more than one op.
    pub(crate) chunk_bytes_max: u64,
    /// How many ops the log may run ahead of a reader, besides what it had to catch up with when it
    /// began.
    pub(crate) lag_ops_max: u64,
}

/// What comes next for a reader.
#[derive(Debug)]
pub(crate) enum Step {
    /// The next ops of the log, at least one. The tail now stands behind the last one.
    Ops(Vec<SharedOp>),
    /// All that is durable was seen.
    CaughtUp,
    /// The log ran too far ahead: begin again with the document.
    Lagged,
}

/// A cursor that moves along a share's log.
#[derive(Debug)]
pub(crate) struct Tail {
    feed: Arc<Feed>,
    store: Arc<dyn Store>,
    head: watch::Receiver<Cursor>,
    at: Cursor,
    /// How far behind it may be now: falls to `lag_ops_max` while it catches up.
    allowed: u64,
    limits: TailLimits,
}

impl Tail {
    /// A tail that has seen the log up to `at`.
    pub(crate) fn new(
        feed: Arc<Feed>,
        store: Arc<dyn Store>,
        at: Cursor,
        limits: TailLimits,
    ) -> Self {
        let head = feed.watch();
        let mut tail = Self {
            feed,
            store,
            head,
            at,
            allowed: 0,
            limits,
        };
        tail.restart(at);
        tail
    }

    /// Goes on from `at`, which the document of a reset has given.
    pub(crate) fn restart(&mut self, at: Cursor) {
        self.at = at;
        self.allowed = self.behind().saturating_add(self.limits.lag_ops_max);
    }

    /// Whether something is durable that was not seen.
    pub(crate) fn has_more(&self) -> bool {
        self.behind() > 0
    }

    /// Up to where the log was seen.
    pub(crate) fn at(&self) -> Cursor {
        self.at
    }

    /// The next step; never waits for new ops.
    ///
    /// Cancel safe: the tail moves only with what is returned.
    pub(crate) async fn step(&mut self) -> Result<Step, Fault> {
        let head = *self.head.borrow_and_update();
        let behind = self.behind();
        if behind > self.allowed {
            return Ok(Step::Lagged);
        }
        self.allowed = self
            .allowed
            .min(behind.saturating_add(self.limits.lag_ops_max));
        let ops = match self.feed.after(self.at, self.limits) {
            FromRing::AtHead => return Ok(Step::CaughtUp),
            FromRing::Ops(ops) => ops,
            FromRing::Older => self.stored(head).await?,
        };
        match ops.last() {
            Some(last) => {
                self.at = last.cursor;
                Ok(Step::Ops(ops))
            }
            // The log begins above the reader's place.
            None => Ok(Step::Lagged),
        }
    }

    /// Waits until there is something to see. Ends at once if there is.
    pub(crate) async fn more(&mut self) {
        let at = self.at;
        if self.head.wait_for(|head| *head > at).await.is_err() {
            // The sender lives in the feed, which this tail holds.
            std::future::pending::<()>().await;
        }
    }

    async fn stored(&self, head: Cursor) -> Result<Vec<SharedOp>, Fault> {
        let (ops_max, bytes_max) = (self.limits.chunk_ops_max, self.limits.chunk_bytes_max);
        let ops = self
            .store
            .follow(self.feed.share(), self.at, ops_max, bytes_max)
            .await?;
        // The store may know of a commit before its owner knows what became of it.
        let follows = ops
            .first()
            .is_none_or(|first| first.cursor == self.at.next());
        if !follows {
            return Ok(Vec::new());
        }
        let seen = SharedOp::all(ops).take_while(|op| op.cursor <= head);
        Ok(seen.collect())
    }

    fn behind(&self) -> u64 {
        self.feed.head().get().saturating_sub(self.at.get())
    }
}
