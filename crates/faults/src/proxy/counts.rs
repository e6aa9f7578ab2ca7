//! What the proxy has really done so far.

use std::time::Duration;

/// Counters of a proxy since its start; a fault is counted when it fired, not when it was ordered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// Connections of clients that were joined to the upstream.
    pub connections: u64,
    /// Of these, how many are open now.
    pub open: u64,
    /// Client connections closed by a cut, also those that a swallowed reply ended.
    pub cuts: u64,
    /// Cuts after which the server had been sent bytes and its answer had been dropped.
    pub lost_replies: u64,
    /// Bytes read from the server and dropped, whether or not they made a lost reply.
    pub bytes_swallowed: u64,
    /// Bytes handed on from client to server.
    pub bytes_up: u64,
    /// Bytes handed on from server to client.
    pub bytes_down: u64,
    /// Connections reset on arrival, as ordered by `refuse_connections`.
    pub refused: u64,
    /// Connections reset because the upstream could not be reached: no fault of the proxy's own.
    pub unreachable: u64,
    /// Stalls that held bytes back for their time.
    pub stalls: u64,
    /// Times that a partition began to hold a connection's bytes, or its end, in one direction.
    pub partitions: u64,
    /// Pieces that were delayed.
    pub delays: u64,
    /// Pieces that were shorter than what there was to hand on.
    pub splits: u64,
}

/// The counts did not reach the state that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("waited {deadline:?} for the fault proxy, last seen: {last:?}")]
pub struct CountsTimeout {
    /// How long was waited.
    pub deadline: Duration,
    /// The counts when the time was up.
    pub last: ProxyCounts,
}
