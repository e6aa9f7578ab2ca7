//! Table `lease`: which flusher replays a share.

use rusqlite::Connection;
use share_model::ShareId;

use super::error::OutboxError;
use super::lanes::{self, Lane};

/// What this module keeps.
pub(super) const TABLES: &[&str] = &[];

/// A flusher's turn at replaying a share. Every step of the replay begins with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) share: ShareId,
}

impl Turn {
    /// The share's own lane, if it is still this flusher's turn.
    pub(crate) fn lane(&self, db: &Connection) -> Result<Lane, OutboxError> {
        lanes::get(db, self.share)
    }
}
