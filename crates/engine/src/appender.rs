//! Appenders: the capability to append to a claimed lane.

use share_model::{HistoryId, Incarnation, Nonce, OutboxId, Refusal};

/// Bound to writer, incarnation and history: what a claim gives.
///
/// The first refusal of a whole batch ends it: what was pipelined behind that batch gets the same
/// refusal, for it would otherwise enter a lane from which something is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appender {
    pub(crate) outbox: OutboxId,
    pub(crate) incarnation: Incarnation,
    /// Tells the claim apart from one of the same incarnation that the share gave after it had let
    /// go of a lane that never appended.
    pub(crate) nonce: Nonce,
    pub(crate) history: HistoryId,
    pub(crate) ended: Option<Refusal>,
}

impl Appender {
    /// The outbox whose lane it appends to.
    pub fn outbox(&self) -> OutboxId {
        self.outbox
    }

    /// The incarnation that the claim gave.
    pub fn incarnation(&self) -> Incarnation {
        self.incarnation
    }

    /// The refusal that ended it.
    pub fn ended(&self) -> Option<&Refusal> {
        self.ended.as_ref()
    }
}
