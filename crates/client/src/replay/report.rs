//! What a flush came to.

use share_model::ShareId;

use super::progress::Progress;
use crate::connection::ClientError;
use crate::outbox::Stop;

/// The end of a flush. Counts are those of the flusher since it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlushReport {
    /// Shares that the flush was about.
    pub shares: u64,
    /// What was done.
    pub progress: Progress,
    /// Ops that are kept without an outcome.
    pub pending: u64,
    /// Shares whose replay waits for a person.
    pub stopped: Vec<StoppedShare>,
    /// Shares on which the flush gave up, or that it left to another flusher; empty unless it was told
    /// to.
    pub blocked: Vec<BlockedShare>,
}

impl FlushReport {
    /// Whether every op has an outcome.
    pub fn is_drained(&self) -> bool {
        self.pending == 0
    }

    /// Whether the flush gave up because a server could not be reached.
    pub fn not_reachable(&self) -> bool {
        self.blocked
            .iter()
            .any(|blocked| blocked.error.is_transport())
    }
}

/// A share whose replay waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoppedShare {
    /// The share.
    pub share: ShareId,
    /// Why, and what to do.
    pub stop: Stop,
    /// Ops that are kept.
    pub pending: u64,
}

/// A share that did not move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedShare {
    /// The share.
    pub share: ShareId,
    /// Why, as last seen. [`ClientError::HeldElsewhere`] names the process that replays it.
    pub error: ClientError,
    /// Ops that are kept.
    pub pending: u64,
}
