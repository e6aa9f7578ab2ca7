//! The seam to the network: how a connection to an address is made.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// A connection: anything that bytes go through both ways.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// Makes connections. Tests and simulations put in-memory pipes here.
#[async_trait]
pub trait Connector: Debug + Send + Sync {
    /// A connection to `address`, of the form `HOST:PORT`.
    ///
    /// # Errors
    ///
    /// If there is nobody, or nobody answers in time.
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>>;
}

/// Connects over TCP, without delaying small messages.
#[derive(Debug, Clone, Copy)]
pub struct TcpConnector {
    /// How long an address may take to answer.
    pub connect_timeout: Duration,
}

impl Default for TcpConnector {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
        }
    }
}

#[async_trait]
impl Connector for TcpConnector {
    async fn connect(&self, address: &str) -> io::Result<Box<dyn Stream>> {
        let connecting = TcpStream::connect(address);
        let stream = tokio::time::timeout(self.connect_timeout, connecting)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        share_network::set_tcp_options(&stream)?;
        Ok(Box::new(stream))
    }
}
