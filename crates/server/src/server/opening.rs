//! From an accepted connection to one that can be read from: the handshake of TLS, if the
//! client must or may have it, within a deadline.

use std::io;
use std::time::Duration;

use share_network::tls::{Beginning, Replayed, ServerTls, TlsError, begins_with};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::listener::{Io, Reach, Transport};
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

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    Rpc,
    Http,
}

/// Opens connections of a server.
#[derive(Debug, Clone)]
pub(super) struct Opening {
    pub(super) protecting: Protecting,
    /// In which words a client is told why it is not served.
    pub(super) speech: Speech,
    /// How long the handshake may take.
    pub(super) deadline: Duration,
}

impl Opening {
    /// The bytes of calls or requests. To be called on the runtime that will serve them.
    pub(super) async fn open(
        &self,
        transport: Transport,
        reach: Reach,
    ) -> Result<Box<dyn Io>, OpenError> {
        let io = transport.open()?;
        let Some(tls) = &self.protecting.tls else {
            return Ok(io);
        };
        let why_not_plain = match self.protecting.is_plain_allowed(reach) {
            true => None,
            false => Some(self.speech),
        };
        let shaken = shake(io, tls, why_not_plain);
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
    why_not_plain: Option<Speech>,
) -> Result<Box<dyn Io>, OpenError> {
    let (beginning, io) = begins_with(io).await?;
    match beginning {
        Beginning::Tls => Ok(Box::new(tls.accept(io).await?)),
        Beginning::Plain => match why_not_plain {
            None => Ok(Box::new(io)),
            Some(speech) => {
                say_why(io, speech).await?;
                Err(OpenError::NoTls)
            }
        },
        Beginning::Nothing => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
    }
}

/// Tells a client that began without TLS, in the words that it understands.
async fn say_why(mut io: Replayed<Box<dyn Io>>, speech: Speech) -> io::Result<()> {
    let bytes = match speech {
        Speech::Rpc => abort_message(
            "this server speaks TLS here: connect by a ref that it gave out since, which has its \
             `pin=`",
        ),
        Speech::Http => bad_request("this server speaks TLS here: ask by https://"),
    };
    io.write_all(&bytes).await?;
    io.shutdown().await?;
    // What lies unread when a socket is closed resets the connection, and takes the words along.
    let mut unread = io.take(UNREAD_MAX);
    tokio::io::copy(&mut unread, &mut tokio::io::sink()).await?;
    Ok(())
}

/// A whole answer of HTTP to whatever was asked.
fn bad_request(why: &str) -> Vec<u8> {
    let body = format!("{{\"error\":\"{why}\"}}");
    let head = format!(
        "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}
