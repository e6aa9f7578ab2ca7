//! What a server tells of a backup.

use share_model::{BackupMade, HistoryId, UnixMs};

use super::error::WireError;
use super::field::{bytes, from_one};
use crate::share_capnp::backup_made;

/// Reads what a server tells of a backup.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_backup_made(reader: backup_made::Reader<'_>) -> Result<BackupMade, WireError> {
    Ok(BackupMade {
        bytes: from_one(reader.get_bytes(), "backupMade.bytes")?,
        sha256: bytes(reader.get_sha256(), "backupMade.sha256")?,
        shares: reader.get_shares(),
        history: HistoryId::from_bytes(bytes(reader.get_history(), "backupMade.history")?),
        at: UnixMs::new(reader.get_at()),
    })
}

/// Fills what a server tells of a backup.
pub fn write_backup_made(made: &BackupMade, mut builder: backup_made::Builder<'_>) {
    builder.set_bytes(made.bytes);
    builder.set_sha256(&made.sha256);
    builder.set_shares(made.shares);
    builder.set_history(&made.history.to_bytes());
    builder.set_at(made.at.get());
}
