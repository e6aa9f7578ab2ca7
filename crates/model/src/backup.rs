//! What a server tells of a backup.

use crate::ids::{HistoryId, UnixMs};

/// A backup that a server made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackupMade {
    /// Bytes of the backup.
    pub bytes: u64,
    /// SHA-256 of the backup: who reads it checks it.
    pub sha256: [u8; 32],
    /// Shares in it.
    pub shares: u64,
    /// The server's history when it made the backup; a restore makes a new one.
    pub history: HistoryId,
    /// When the server made it, by its clock.
    pub at: UnixMs,
}
