//! Counts of what the replay did, as it does it.

/// What a flusher has done since it began. Ops, not batches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Ops sent, those that were sent again included.
    pub sent: u64,
    /// Of `sent`: ops that had been sent before, perhaps by an earlier process.
    pub resent: u64,
    /// Ops applied at their first arrival.
    pub applied: u64,
    /// Ops that turned out to be applied earlier.
    pub duplicates: u64,
    /// Ops that were rejected for good: dead letters.
    pub rejected: u64,
    /// Ops that ended in doubt.
    pub in_doubt: u64,
    /// Connections that were made.
    pub connections: u64,
}

impl Progress {
    /// Ops that have ended.
    pub fn ended(&self) -> u64 {
        self.applied + self.duplicates + self.rejected + self.in_doubt
    }
}
