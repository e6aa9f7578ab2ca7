//! Delegation leases, through the outbox's public surface, on real files.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod claims;
mod cycles;
mod enqueueing;
mod model;
mod oracle;
mod place;
mod told;
