//! Checkpoints: so that loading a share reads few records, however long it has lived.

use std::sync::Arc;

use share_engine::{Change, Record};
use share_model::{ShareId, ShareVersion};
use tokio::task::{JoinError, JoinSet};
use tracing::warn;

use super::Surroundings;
use super::share::Share;
use crate::fault::Fault;
use crate::store::{Checkpoint, Store};

/// What a record is reckoned to take besides its mutations.
const RECORD_BYTES: u64 = 64;

/// How much was committed since a checkpoint.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SinceCheckpoint {
    records: u64,
    bytes: u64,
}

impl SinceCheckpoint {
    pub(super) fn add(&mut self, record: &Record) {
        self.records += 1;
        self.bytes += RECORD_BYTES;
        if let Change::Appended(appended) = &record.change {
            for entry in &appended.entries {
                self.bytes += RECORD_BYTES;
                if let Some((op, origin)) = entry.outcome.applied() {
                    self.bytes += op.bytes_from(origin);
                }
            }
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_sub(other.records),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }
}

/// A checkpoint that was tried.
pub(super) struct Tried {
    share: ShareId,
    version: ShareVersion,
    contained: SinceCheckpoint,
    result: Result<(), Fault>,
}

impl Tried {
    pub(super) fn into_result(self) -> Result<(), Fault> {
        self.result
    }
}

/// When a share's next checkpoint is due, and the one that is being stored.
#[derive(Debug, Default)]
pub(super) struct Checkpoints {
    since: SinceCheckpoint,
    /// After a failure: not before this many records.
    not_before: u64,
    storing: JoinSet<Tried>,
}

impl Checkpoints {
    /// The state was loaded, or records were committed: so much lies after the checkpoint.
    pub(super) fn set(&mut self, since: SinceCheckpoint) {
        self.since = since;
    }

    /// What was committed since the last checkpoint.
    pub(super) fn since(&self) -> SinceCheckpoint {
        self.since
    }

    /// Begins to store a checkpoint, if enough was committed since the last one. The state goes on
    /// changing meanwhile: a document's clone is a snapshot.
    pub(super) fn start_if_due(&mut self, share: &Share, around: &Surroundings) {
        let Some(state) = &share.state else {
            return;
        };
        let limits = &around.limits;
        // Rewriting a large document for a few bytes would cost more than reading them again.
        let bytes_due = limits.checkpoint_bytes.max(state.document().bytes());
        let is_due =
            self.since.records >= limits.checkpoint_records || self.since.bytes >= bytes_due;
        if is_due && self.since.records >= self.not_before && self.storing.is_empty() {
            let work = store(share, Arc::clone(&around.store), self.since);
            if let Some(work) = work {
                self.storing.spawn_local(work);
            }
        }
    }

    /// Waits for the checkpoint that is being stored; `None` if there is none. Cancel safe.
    pub(super) async fn done(&mut self) -> Option<Result<Tried, JoinError>> {
        self.storing.join_next().await
    }

    /// Takes note of how it went.
    pub(super) fn settle(&mut self, tried: Result<Tried, JoinError>) {
        let tried = match tried {
            Ok(tried) => tried,
            Err(error) => {
                warn!(%error, "checkpoint ended unexpectedly");
                return;
            }
        };
        match tried.result {
            Ok(()) => {
                self.since = self.since.minus(tried.contained);
                self.not_before = 0;
            }
            Err(fault) => {
                let Tried { share, version, .. } = tried;
                warn!(%share, %version, %fault, "checkpoint not stored, trying later");
                self.not_before = self.since.records.saturating_mul(2);
            }
        }
    }

    /// Waits for what is being stored, then stores the last state, so that the next load is short.
    pub(super) async fn finish(&mut self, share: &Share, around: &Surroundings) {
        while let Some(tried) = self.done().await {
            self.settle(tried);
        }
        // A few records are read as fast as a checkpoint is.
        let is_worth_it = self.since.records.saturating_mul(16) >= around.limits.checkpoint_records;
        if !is_worth_it {
            return;
        }
        if let Some(work) = store(share, Arc::clone(&around.store), self.since) {
            self.settle(Ok(work.await));
        }
    }
}

/// Stores the state as it is now.
pub(super) fn store(
    share: &Share,
    store: Arc<dyn Store>,
    contained: SinceCheckpoint,
) -> Option<impl Future<Output = Tried> + 'static> {
    let state = share.state.as_ref()?;
    let (share, version) = (share.id, state.version());
    let checkpoint = Checkpoint {
        version,
        head: state.checkpoint(),
        document: state.document().clone(),
    };
    Some(async move {
        let result = store.checkpoint(share, checkpoint).await;
        Tried {
            share,
            version,
            contained,
            result: result.map_err(Fault::from),
        }
    })
}
