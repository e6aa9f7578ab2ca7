//! What the writer, the readers and the callers of one open store share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::tail::Tail;
use crate::store::{Extent, StoreError};

/// What the writer, the readers and the callers of one open store share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: PathBuf,
    /// Held for look-ups and copies only, never across a call of SQLite.
    tail: Mutex<Tail>,
    /// Why the store has stopped, once it has.
    stopped: watch::Sender<Option<Arc<str>>>,
    /// The position of the last record that was found at opening or committed since.
    last: AtomicU64,
    /// The position of the last record that is certainly synced; 0: no commit yet.
    durable: AtomicU64,
    /// The redo log may have what was erased.
    erased_in_redo: AtomicBool,
    waiting_bytes: AtomicU64,
    waiting_bytes_max: u64,
}

impl Shared {
    pub(super) fn new(file: PathBuf, tail: Tail, waiting_bytes_max: u64) -> Self {
        Self {
            file,
            tail: Mutex::new(tail),
            stopped: watch::Sender::new(None),
            last: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            erased_in_redo: AtomicBool::new(false),
            waiting_bytes: AtomicU64::new(0),
            waiting_bytes_max,
        }
    }

    /// Whether the redo log may have what was erased.
    pub(super) fn has_erased_in_redo(&self) -> bool {
        self.erased_in_redo.load(Ordering::Acquire)
    }

    pub(super) fn set_erased_in_redo(&self, has: bool) {
        self.erased_in_redo.store(has, Ordering::Release);
    }

    /// The log was found to end at `position`; nobody knows whether all of it was synced.
    pub(super) fn found(&self, position: u64) {
        self.last.store(position, Ordering::Release);
    }

    /// A commit was synced, and with it all up to `position`.
    pub(super) fn synced(&self, position: u64) {
        self.last.fetch_max(position, Ordering::AcqRel);
        self.durable.fetch_max(position, Ordering::AcqRel);
    }

    pub(super) fn extent(&self) -> Extent {
        Extent {
            records: self.last.load(Ordering::Acquire),
            durable: self.durable.load(Ordering::Acquire),
        }
    }

    pub(super) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the store for good; the first reason stays.
    pub(super) fn stop(&self, what: &str) -> StoreError {
        let is_first = self.stopped.send_if_modified(|stopped| {
            let is_first = stopped.is_none();
            stopped.get_or_insert_with(|| what.into());
            is_first
        });
        if is_first {
            tracing::error!(file = %self.file.display(), what, "store stopped");
        }
        self.stopped()
            .unwrap_or(StoreError::Stopped { what: what.into() })
    }

    /// Why the store has stopped, if it has.
    pub(super) fn stopped(&self) -> Option<StoreError> {
        let what = self.stopped.borrow().clone()?;
        Some(StoreError::Stopped { what })
    }

    /// Waits until the store has stopped.
    pub(super) async fn until_stopped(&self) -> StoreError {
        let mut stopped = self.stopped.subscribe();
        // The sender lives as long as `self`: waiting ends with a reason only.
        let what = match stopped.wait_for(Option::is_some).await {
            Ok(what) => what.clone(),
            Err(_) => None,
        };
        StoreError::Stopped {
            what: what.unwrap_or_else(|| "it was closed".into()),
        }
    }

    /// Room for `bytes` among what waits for the writer, until the permit is dropped. Alone, a job
    /// may have any size.
    pub(super) fn admit(self: &Arc<Self>, bytes: u64) -> Result<Permit, StoreError> {
        let max = self.waiting_bytes_max;
        self.waiting_bytes
            .try_update(Ordering::AcqRel, Ordering::Acquire, |waiting| {
                let sum = waiting.saturating_add(bytes);
                (waiting == 0 || sum <= max).then_some(sum)
            })
            .map_err(|_| StoreError::Overloaded)?;
        Ok(Permit {
            shared: Arc::clone(self),
            bytes,
        })
    }
}

/// Room that a waiting job takes.
#[derive(Debug)]
pub(super) struct Permit {
    shared: Arc<Shared>,
    bytes: u64,
}

impl Permit {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared
            .waiting_bytes
            .fetch_sub(self.bytes, Ordering::AcqRel);
    }
}
