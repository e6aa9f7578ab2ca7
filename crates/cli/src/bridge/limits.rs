//! What a bridge holds at most. Rows in `docs/limits.md`.

use std::time::Duration;

/// The bounds of a bridge; those of its HTTP face stand beside them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BridgeLimits {
    /// Records of shares, of deleted ones too: an agent that lost the answer to its unshare asks
    /// again.
    pub(crate) shares_max: usize,
    /// Bytes of JSON that are remembered of what shares say, of all together; those of the share that
    /// was synced longest ago are forgotten first. In memory a value takes some times that.
    pub(crate) values_bytes_max: u64,
    /// Pages of the outbox's file, of 4 KiB each: an agent whose server is away for weeks does not
    /// fill the machine's disk.
    pub(crate) outbox_pages_max: u32,
    /// Events of one request of a plugin.
    pub(crate) events_max: usize,
    /// How long a plugin may wait until everything is there.
    pub(crate) drain_deadline_max: Duration,
}

impl BridgeLimits {
    /// The defaults.
    pub(crate) const DEFAULT: Self = Self {
        shares_max: 16_384,
        values_bytes_max: 128 << 20,
        outbox_pages_max: 1 << 20,
        events_max: 1024,
        drain_deadline_max: Duration::from_secs(60),
    };
}
