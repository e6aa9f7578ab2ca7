//! The feed of a loaded share: how far its log is durable, and the newest ops of it.
//!
//! The owner publishes to it after each commit. A reader is only a [`Tail`]: a cursor that takes
//! what follows it from here, or from the store if it is further behind. There is no queue per
//! reader, so none can grow; and since every reader goes by the log's cursors, none can see a gap
//! or a repeat.

mod ring;
mod tail;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::{Cursor, LoggedOp, ShareId};
use tokio::sync::watch;

pub use ring::RingLimits;
pub(crate) use ring::{FromRing, SharedOp};
pub(crate) use tail::{Step, Tail, TailLimits};

use ring::Ring;

/// Where the readers of one share find its durable ops.
#[derive(Debug)]
pub(crate) struct Feed {
    share: ShareId,
    /// Held only to copy references in or out, never across an await.
    ring: Mutex<Ring>,
    /// The cursor up to which the log is durable; only rises. Sent after the ring has the ops.
    head: watch::Sender<Cursor>,
}

impl Feed {
    /// The feed of a share whose log is durable up to `head`.
    pub(crate) fn new(share: ShareId, head: Cursor, limits: RingLimits) -> Arc<Self> {
        Arc::new(Self {
            share,
            ring: Mutex::new(Ring::new(head, limits)),
            head: watch::Sender::new(head),
        })
    }

    /// Makes ops visible that have just become durable; `head` is the share's cursor after them.
    pub(crate) fn publish(&self, ops: Vec<LoggedOp>, head: Cursor) {
        self.ring().push(ops, head);
        self.head.send_if_modified(|known| {
            let rises = head > *known;
            *known = head.max(*known);
            rises
        });
    }

    /// The share.
    pub(crate) fn share(&self) -> ShareId {
        self.share
    }

    /// The cursor up to which ops can be seen.
    pub(crate) fn head(&self) -> Cursor {
        *self.head.borrow()
    }

    /// Whether anybody follows the log here. Ops that come while nobody does are left to the store: who
    /// comes later finds them there, and a writer alone has not the newest ones kept beside.
    pub(crate) fn has_readers(&self) -> bool {
        self.readers() > 0
    }

    /// How many are told of the rises of the head.
    pub(crate) fn readers(&self) -> usize {
        self.head.receiver_count()
    }

    /// Tells of every rise of the head.
    pub(crate) fn watch(&self) -> watch::Receiver<Cursor> {
        self.head.subscribe()
    }

    /// Ops after `cursor`, if they are still in memory.
    pub(crate) fn after(&self, cursor: Cursor, limits: TailLimits) -> FromRing {
        self.ring()
            .after(cursor, limits.chunk_ops_max, limits.chunk_bytes_max)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
