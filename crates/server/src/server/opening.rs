//! From an accepted connection to one that calls can be read from: the handshake of TLS, if the
//! client must or may have it, within a deadline.

use std::io;
use std::time::Duration;

use share_network::tls::{Beginning, Replayed, ServerTls, TlsError, begins_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::listener::{Io, Reach, Transport};
use super::options::TlsMode;
use super::security::Protecting;
use crate::rpc::abort_message;

/// Bytes that are still read of a client that is told why it is not served.
const UNREAD_MAX: u64 = 64 << 10;

/// Why a connection was not served.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("lost before it was served")]
    Lost(#[from] io::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("it began without TLS, which this address asks for")]
    NoTls,
    #[error("nothing came of it within {ms} ms")]
    Deadline { ms: u128 },
}

/// Opens connections of a server.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) protecting: Protecting,
    /// How long the handshake may take.
    pub(super) deadline: Duration,
}

impl Opening {
    /// The bytes of calls. To be called on the runtime that will serve them.
    pub(super) async fn open(
        &self,
        transport: Transport,
        reach: Reach,
    ) -> Result<Box<dyn Io>, OpenError> {
        let io = transport.open()?;
        let Some(tls) = &self.protecting.tls else {
            return Ok(io);
        };
        let is_plain_allowed = match (self.protecting.mode, reach) {
            (TlsMode::Never, _) | (TlsMode::ByAddress, Reach::Machine) => true,
            (TlsMode::Always, _) | (TlsMode::ByAddress, Reach::Network) => false,
        };
        let shaken = shake(io, tls, is_plain_allowed);
        timeout(self.deadline, shaken)
            .await
            .unwrap_or(Err(OpenError::Deadline {
                ms: self.deadline.as_millis(),
            }))
    }
}

async fn shake(
    io: Box<dyn Io>,
    tls: &ServerTls,
    is_plain_allowed: bool,
) -> Result<Box<dyn Io>, OpenError> {
    let (beginning, io) = begins_with(io).await?;
    match beginning {
        Beginning::Tls => Ok(Box::new(tls.accept(io).await?)),
        Beginning::Plain if is_plain_allowed => Ok(Box::new(io)),
        Beginning::Plain => {
            say_why(io).await?;
            Err(OpenError::NoTls)
        }
        Beginning::Nothing => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Tells a client that began without TLS, in the words that it understands.
async fn say_why(mut io: Replayed<Box<dyn Io>>) -> io::Result<()> {
    let bytes = abort_message(
        "this server speaks TLS here: connect by a ref that it gave out since, which has its `pin=`",
    );
    io.write_all(&bytes).await?;
    io.shutdown().await?;
    // What lies unread when a socket is closed resets the connection, and takes the words along.
    let mut unread = io.take(UNREAD_MAX);
    tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
    Ok(())
}
