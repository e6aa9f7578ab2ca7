//! The replay: drains the outbox by redeem, claim, append, and records what became of each op
//! (`docs/design.md` §§3, 7).
//!
//! [`flusher`] decides which shares are replayed, [`lane`] replays one of them, [`reaction`] says
//! what an answer other than an ack means.

mod exchange;
mod flusher;
mod gather;
mod handle;
mod lane;
mod options;
mod progress;
mod reaction;
mod report;
mod traffic;

pub use handle::{Flusher, FlusherError};
pub use options::{FlushOptions, FlusherOptions, HeldShares};
pub use progress::Progress;
pub use report::{BlockedShare, FlushReport, StoppedShare};
