//! The seam to the network: how a connection to an address is made and protected.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use share_model::address::{http, unix_path};
use share_model::{Protection, Security};
use share_network::tls::{Authorities, TlsCheck, TlsError, connect_tls};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A connection: anything that bytes go through both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Why there is no connection. Nothing of a ref was sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is nobody, or nobody answers in time.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Somebody answers, but not as the ref asks for.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Makes connections. Tests and simulations put in-memory pipes here.
#[async_trait]
pub trait Connector: Debug + Send + Sync {
    /// A connection to `address`, of the form `HOST:PORT` or `unix:/PATH` for RPC, `http:HOST:PORT` or
    /// `https:HOST:PORT` for HTTP, protected as `security` says of it.
    ///
    /// # Errors
    ///
    /// If there is nobody, nobody answers in time, or it is not who it must be.
    async fn connect(
        &self,
        address: &str,
        security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError>;
}

/// Connects over TCP, without delaying small messages, or by a Unix socket; with TLS where a ref
/// asks for it.
#[derive(Debug, Clone)]
pub struct TcpConnector {
    /// How long an address may take to answer, with its TLS handshake.
    pub connect_timeout: Duration,
    /// Who vouches for servers that no pin names.
    pub authorities: Authorities,
}

impl Default for TcpConnector {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            authorities: Authorities::of_this_machine(),
        }
    }
}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(
        &self,
        address: &str,
        security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let connecting = async {
            match security.at(address) {
                Protection::Plain => Ok(open(address).await?),
                Protection::Pinned(pin) => open_tls(address, &TlsCheck::Pin(pin)).await,
                Protection::Authorities => {
                    let check = TlsCheck::Authorities(self.authorities.clone());
                    open_tls(address, &check).await
                }
            }
        };
        within(self.connect_timeout, connecting).await
    }
}

/// Asks whether a server is there, whoever it is: a certificate is looked at only if it is pinned.
/// With TLS, or without where there is none. No ref may be redeemed by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct ProbeConnector {
    pub(super) connect_timeout: Duration,
}

#[async_trait]
impl Connector for ProbeConnector {
    async fn connect(
        &self,
        address: &str,
        security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let connecting = async {
            if let Some(pin) = security.pin() {
                return open_tls(address, &TlsCheck::Pin(pin)).await;
            }
            match open_tls(address, &TlsCheck::Nothing).await {
                Err(ConnectError::Tls(TlsError::Handshake { .. } | TlsError::Lost(_))) => {
                    Ok(open(address).await?)
                }
                answer => answer,
            }
        };
        within(self.connect_timeout, connecting).await
    }
}

async fn within<T>(
    limit: Duration,
    connecting: impl Future<Output = Result<T, ConnectError>>,
) -> Result<T, ConnectError> {
    tokio::time::timeout(limit, connecting)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

async fn open(address: &str) -> io::Result<Box<dyn Stream>> {
    if let Some(path) = unix_path(address) {
        return Ok(Box::new(UnixStream::connect(Path::new(path)).await?));
    }
    let stream = TcpStream::connect(http(address).unwrap_or(address)).await?;
    share_network::set_tcp_options(&stream)?;
    Ok(Box::new(stream))
}

async fn open_tls(address: &str, check: &TlsCheck) -> Result<Box<dyn Stream>, ConnectError> {
    let stream = open(address).await?;
    Ok(Box::new(connect_tls(stream, address, check).await?))
}
