//! What became of an op, and of a batch.

use serde::{Deserialize, Serialize};

use crate::document::MutationError;
use crate::ids::{Cursor, Epoch};
use crate::op::Identity;

/// What became of one op.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum OpOutcome {
    // The order of the variants is persisted: keep stable.
    /// Applied now; the share's cursor after it.
    Applied(Cursor),
    /// Applied earlier; the cursor that it got then.
    Duplicate(Cursor),
    /// Not applied, and why. A hole, which the same op may fill later.
    Rejected(RejectReason),
    /// Whether it was applied can't be told any more. Final for the server; a person decides.
    InDoubt,
    /// Given up at the client's request. Final.
    Abandoned,
}

impl OpOutcome {
    /// The cursor that the op has in the log, if it is known to be there.
    pub fn cursor(&self) -> Option<Cursor> {
        match self {
            Self::Applied(cursor) | Self::Duplicate(cursor) => Some(*cursor),
            Self::Rejected(_) | Self::InDoubt | Self::Abandoned => None,
        }
    }
}

/// Why an op was not applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum RejectReason {
    // The order of the variants is persisted: keep stable.
    /// The op was abandoned under its first identity. Final: enqueue a new op.
    #[error("the op was abandoned under its first identity")]
    Abandoned,
    /// A dependency has not been applied; it may come.
    #[error("depends on seq {} of outbox {}, which is not applied", .0.seq, .0.outbox)]
    DependencyMissing(Identity),
    /// A dependency was abandoned. Final.
    #[error("depends on seq {} of outbox {}, which was abandoned", .0.seq, .0.outbox)]
    DependencyAbandoned(Identity),
    /// Whether a dependency was applied can't be told.
    #[error("depends on seq {} of outbox {}, of which nothing is known any more", .0.seq, .0.outbox)]
    DependencyUnknown(Identity),
    /// The mutation does not fit the document.
    #[error("invalid mutation: {0}")]
    InvalidMutation(MutationError),
    /// Another op of the same atomic group was rejected.
    #[error("another op of the same atomic group was rejected")]
    AtomicGroupFailed,
    /// Compare-and-append: the share's cursor was another one.
    #[error("the share's cursor is {actual}, the batch expects {expected}")]
    CursorMismatch {
        /// What the batch expects.
        expected: Cursor,
        /// What the share had.
        actual: Cursor,
    },
}

impl RejectReason {
    /// Whether the same op may be applied by a later try, without anything changed but the share.
    pub fn may_change(&self) -> bool {
        match self {
            Self::DependencyMissing(_)
            | Self::InvalidMutation(_)
            | Self::AtomicGroupFailed
            | Self::CursorMismatch { .. } => true,
            Self::Abandoned | Self::DependencyAbandoned(_) | Self::DependencyUnknown(_) => false,
        }
    }
}

/// The answer to a batch that passed as a whole. Durable when given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ack {
    /// The share's cursor after the batch.
    pub cursor: Cursor,
    /// The share's epoch.
    pub epoch: Epoch,
    /// What became of each entry, in the order of the batch.
    pub outcomes: Vec<OpOutcome>,
}
