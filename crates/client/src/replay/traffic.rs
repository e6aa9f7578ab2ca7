//! What the replays of all shares have in common: counts, and who is held up by what.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use share_model::{ShareId, UnixMs};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, watch};

use super::progress::Progress;
use crate::connection::ClientError;
use crate::outbox::{Outcome, OutcomeEvent};

/// A share that can't go on for now.
#[derive(Debug, Clone)]
pub(super) struct Blocked {
    /// When it first could not.
    pub(super) since: UnixMs,
    /// Why, as last seen.
    pub(super) error: ClientError,
}

/// Shared by the replays of one flusher, on one thread.
#[derive(Debug)]
pub(super) struct Traffic {
    progress: watch::Sender<Progress>,
    blocked: RefCell<BTreeMap<ShareId, Blocked>>,
    /// When a share's server was last seen to be in the state that the outbox knows.
    checked: RefCell<BTreeMap<ShareId, UnixMs>>,
    /// A share has nothing more to send, is blocked, or stands still.
    pub(super) turned: Notify,
    /// Somebody waits for a flush: those who wait out a back-off try at once.
    pub(super) hurry: Notify,
    /// So many wait for a flush.
    waiters: Cell<usize>,
    /// One per connection that may be open at the same time.
    places: Semaphore,
    /// Shares that wait for a place.
    waiting: Cell<usize>,
    /// A share has begun to wait for a place: connections with nothing to send are given up.
    crowd: Notify,
}

impl Traffic {
    pub(super) fn new(progress: watch::Sender<Progress>, places: usize) -> Self {
        Self {
            progress,
            places: Semaphore::new(places.max(1)),
            waiters: Cell::new(0),
            waiting: Cell::new(0),
            crowd: Notify::new(),
            blocked: RefCell::default(),
            checked: RefCell::default(),
            turned: Notify::new(),
            hurry: Notify::new(),
        }
    }

    /// A place for a connection. `None`: never, since the semaphore is never closed.
    pub(super) async fn place(&self) -> Option<SemaphorePermit<'_>> {
        if let Ok(place) = self.places.try_acquire() {
            return Some(place);
        }
        let _waiting = Waiting::begin(&self.waiting);
        self.crowd.notify_waiters();
        self.places.acquire().await.ok()
    }

    /// Ends when a share waits for a place.
    pub(super) async fn crowded(&self) {
        let crowd = self.crowd.notified();
        if self.waiting.get() == 0 {
            crowd.await;
        }
    }

    /// So many wait for a flush now.
    pub(super) fn set_waiters(&self, waiters: usize) {
        self.waiters.set(waiters);
    }

    /// Ends when somebody waits for a flush.
    pub(super) async fn waited_for(&self) {
        let hurry = self.hurry.notified();
        if self.waiters.get() == 0 {
            hurry.await;
        }
    }

    pub(super) fn progress(&self) -> Progress {
        *self.progress.borrow()
    }

    pub(super) fn connected(&self) {
        self.progress
            .send_modify(|progress| progress.connections += 1);
    }

    pub(super) fn sent(&self, ops: usize, resent: bool) {
        let ops = ops as u64;
        self.progress.send_modify(|progress| {
            progress.sent += ops;
            if resent {
                progress.resent += ops;
            }
        });
    }

    pub(super) fn ended(&self, events: &[OutcomeEvent]) {
        self.progress.send_modify(|progress| {
            for event in events {
                match event.outcome {
                    Outcome::Applied(_) => progress.applied += 1,
                    Outcome::Duplicate(_) => progress.duplicates += 1,
                    Outcome::DeadLetter(_) => progress.rejected += 1,
                    Outcome::InDoubt => progress.in_doubt += 1,
                }
            }
        });
    }

    /// The share can't go on, and since when.
    pub(super) fn block(&self, share: ShareId, error: ClientError, now: UnixMs) {
        let mut blocked = self.blocked.borrow_mut();
        let since = blocked.get(&share).map_or(now, |earlier| earlier.since);
        blocked.insert(share, Blocked { since, error });
        self.turned.notify_one();
    }

    /// The share's server has what the outbox knows that it has, or no one can tell.
    pub(super) fn check(&self, share: ShareId, now: UnixMs) {
        self.checked.borrow_mut().insert(share, now);
    }

    /// When [`Traffic::check`] was called last for the share.
    pub(super) fn checked(&self, share: ShareId) -> Option<UnixMs> {
        self.checked.borrow().get(&share).copied()
    }

    /// The share's server answers. What it asks to wait for lasts on.
    pub(super) fn reached(&self, share: ShareId) {
        let mut blocked = self.blocked.borrow_mut();
        blocked.retain(|of, by| *of != share || !by.error.is_transport());
    }

    /// The share goes on.
    pub(super) fn unblock(&self, share: ShareId) {
        self.blocked.borrow_mut().remove(&share);
    }

    pub(super) fn blocked(&self, share: ShareId) -> Option<Blocked> {
        self.blocked.borrow().get(&share).cloned()
    }
}

/// Counts who waits, also when the wait is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn begin(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
