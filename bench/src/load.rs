//! What a scenario asks of its subject.

/// How many send how much at once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Writers, each with a connection and a share of its own, each with one call in flight.
    pub(crate) writers: usize,
    /// Ops of one call.
    pub(crate) batch_ops: usize,
    /// Bytes of an op's JSON.
    pub(crate) op_bytes: usize,
}
