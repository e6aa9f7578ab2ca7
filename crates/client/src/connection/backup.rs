//! Making a backup of all that a server stores.

use std::io::{self, Write};
use std::time::Duration;

use ring::digest;
use share_model::{BackupMade, FactoryRef};
use share_proto::wire;

use super::connector::Connector;
use super::error::ClientError;
use super::factory::Redeeming;
use super::peer::in_time;

/// Bytes that are asked for at a time: as many as a server gives.
const PIECE_BYTES: u32 = 1 << 20;
/// How long a server may take to make its copy, before the first byte is read.
const MAKE_TIMEOUT: Duration = Duration::from_secs(3600);

/// Why there is no backup. What was written until then is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The server refused, or could not be talked to. Safe to try again: that begins a new backup.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// What came could not be written.
    #[error("the backup can't be written")]
    Write(#[source] io::Error),
    /// What came is not what the server made.
    #[error("{bytes} bytes came that are not the {expected} bytes that the server made: try again")]
    Damaged {
        /// Bytes that came.
        bytes: u64,
        /// Bytes that the server told.
        expected: u64,
    },
}

impl From<capnp::Error> for BackupError {
    fn from(error: capnp::Error) -> Self {
        Self::Client(error.into())
    }
}

/// Makes a backup of all that the server of `factory` stores, as it is at one moment after this was
/// called, and writes it to `to`; `progress` is told how many of its bytes have come, of how many.
/// Needs a [`tokio::task::LocalSet`]; see [`on_own_thread`](crate::on_own_thread) where there is
/// none.
///
/// Length and SHA-256 are checked before this returns: what was written is the backup only then, and
/// durable only once the caller has synced it.
///
/// # Errors
///
/// If the server refuses (`quotaExceeded`: another backup is under way), if it could not be talked
/// to, if `to` fails, or if what came is not what the server made.
///
/// # Cancel safety
///
/// Dropped half-way, the server throws its copy away.
pub async fn backup(
    connector: &dyn Connector,
    factory: &FactoryRef,
    to: &mut dyn Write,
    mut progress: impl FnMut(u64, u64),
) -> Result<BackupMade, BackupError> {
    let redeeming = Redeeming::start(connector, factory).await?;
    let making = redeeming.factory().backup_request().send();
    let (_peer, _) = redeeming.answer().await?;

    let made = tokio::time::timeout(MAKE_TIMEOUT, making.promise).await;
    let response = made.map_err(|_| ClientError::NoAnswer {
        timeout_ms: u64::try_from(MAKE_TIMEOUT.as_millis()).unwrap_or(u64::MAX),
    })??;
    let made = wire::read_backup_outcome(response.get()?.get_outcome()?);
    let made = made
        .map_err(ClientError::from)?
        .map_err(ClientError::from)?;
    let backup = response.get()?.get_backup()?;

    let mut context = digest::Context::new(&digest::SHA256);
    let mut bytes = 0;
    loop {
        let mut read = backup.read_request();
        read.get().set_bytes_max(PIECE_BYTES);
        let response = in_time(read.send().promise).await?;
        let piece = response.get()?;
        let data = piece.get_data()?;
        to.write_all(data).map_err(BackupError::Write)?;
        context.update(data);
        bytes += data.len() as u64;
        progress(bytes, made.bytes);
        if piece.get_done() {
            break;
        }
        // Whatever a server sends, this ends.
        if data.is_empty() || bytes >= made.bytes {
            break;
        }
    }
    let expected = made.bytes;
    if bytes != expected || context.finish().as_ref() != made.sha256 {
        return Err(BackupError::Damaged { bytes, expected });
    }
    to.flush().map_err(BackupError::Write)?;
    Ok(made)
}

#[cfg(test)]
mod tests;
