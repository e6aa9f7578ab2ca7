//! Where connections come from: TCP, Unix sockets, or pipes in memory.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpSocket;
use tokio::sync::mpsc;

use super::error::ServerError;

/// Connections that wait with the system to be accepted; it may allow fewer. Of those beyond, each
/// tries again after seconds: a crowd that connects again and again must not fill the line.
const BACKLOG: u32 = 4096;

/// A connection's bytes, in both directions.
pub trait Io: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Io for T {}

/// A connection that was accepted, not yet bound to the thread that will serve it.
pub enum Transport {
    /// A TCP connection.
    Tcp(std::net::TcpStream),
    /// A connection by a Unix socket.
    Unix(std::os::unix::net::UnixStream),
    /// Anything else that carries bytes, such as a pipe in memory or a simulated network's stream.
    Other(Box<dyn Io>),
}

impl Transport {
    /// The stream, bound to the runtime that this is called on.
    pub(crate) fn open(self) -> io::Result<Box<dyn Io>> {
        match self {
            Self::Tcp(stream) => {
                share_network::set_tcp_options(&stream)?;
                stream.set_nonblocking(true)?;
                Ok(Box::new(tokio::net::TcpStream::from_std(stream)?))
            }
            Self::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Box::new(tokio::net::UnixStream::from_std(stream)?))
            }
            Self::Other(stream) => Ok(stream),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(stream) => f.debug_tuple("Tcp").field(stream).finish(),
            Self::Unix(stream) => f.debug_tuple("Unix").field(stream).finish(),
            Self::Other(_) => f.write_str("Other"),
        }
    }
}

/// A connection, and who is on the other side.
#[derive(Debug)]
pub struct Incoming {
    /// The connection.
    pub transport: Transport,
    /// The other side's address, for logs.
    pub peer: String,
    /// From where it can come.
    pub reach: Reach,
}

/// Who can connect to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Programs of this machine: nothing that they send leaves it.
    Machine,
    /// Anyone.
    Network,
}

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// `HOST:PORT`, or `unix:/PATH`.
    pub address: String,
    /// Who can connect there.
    pub reach: Reach,
}

/// Where connections come from.
#[async_trait]
pub trait Listener: Send {
    /// The next connection. Cancel safe.
    ///
    /// # Errors
    ///
    /// If this connection could not be had; the next one may.
    async fn accept(&mut self) -> io::Result<Incoming>;

    /// Where it listens; at least one.
    fn listening(&self) -> Vec<Listening>;
}

/// Listens on TCP.
#[derive(Debug)]
pub struct TcpListener {
    listener: tokio::net::TcpListener,
    address: SocketAddr,
}

impl TcpListener {
    /// Listens on `address`, `HOST:PORT`; port 0 takes a free one.
    ///
    /// # Errors
    ///
    /// If the port is in use, or the address can't be listened on.
    pub async fn bind(address: &str) -> Result<Self, ServerError> {
        let bound = async {
            let listener = listen(address).await?;
            let address = listener.local_addr()?;
            Ok(Self { listener, address })
        };
        bound.await.map_err(|source: io::Error| {
            let address = address.to_owned();
            if source.kind() == io::ErrorKind::AddrInUse {
                ServerError::PortInUse { address }
            } else {
                ServerError::Listen { address, source }
            }
        })
    }
}

/// Listens on the first of the name's addresses that can be listened on.
async fn listen(address: &str) -> io::Result<tokio::net::TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the name has no address");
    for address in tokio::net::lookup_host(address).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_on(address: SocketAddr) -> io::Result<tokio::net::TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // A server that starts again takes the port over from connections of the last one.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl TcpListener {
    fn reach(&self) -> Reach {
        match self.address.ip().to_canonical().is_loopback() {
            true => Reach::Machine,
            false => Reach::Network,
        }
    }
}

#[async_trait]
impl Listener for TcpListener {
    async fn accept(&mut self) -> io::Result<Incoming> {
        let (stream, peer) = self.listener.accept().await?;
        Ok(Incoming {
            transport: Transport::Tcp(stream.into_std()?),
            peer: peer.to_string(),
            reach: self.reach(),
        })
    }

    fn listening(&self) -> Vec<Listening> {
        vec![Listening {
            address: self.address.to_string(),
            reach: self.reach(),
        }]
    }
}

/// Listens for connections made in this process.
#[derive(Debug)]
pub struct PipeListener {
    waiting: mpsc::Receiver<DuplexStream>,
    made: u64,
    reach: Reach,
}

/// Connects to a [`PipeListener`].
#[derive(Debug, Clone)]
pub struct PipeConnector {
    waiting: mpsc::Sender<DuplexStream>,
    buffer_bytes: usize,
}

/// A listener and its connector: each connection is a pipe in memory with a buffer of
/// `buffer_bytes` in each direction.
pub fn pipes(buffer_bytes: usize) -> (PipeConnector, PipeListener) {
    let (sender, waiting) = mpsc::channel(64);
    let connector = PipeConnector {
        waiting: sender,
        buffer_bytes,
    };
    let listener = PipeListener {
        waiting,
        made: 0,
        reach: Reach::Machine,
    };
    (connector, listener)
}

impl PipeListener {
    /// As if its pipes came from `reach`.
    #[must_use]
    pub fn reached_from(self, reach: Reach) -> Self {
        Self { reach, ..self }
    }
}

impl PipeConnector {
    /// A new connection.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::ConnectionRefused`] if nobody listens any more.
    pub async fn connect(&self) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(self.buffer_bytes);
        let sent = self.waiting.send(theirs).await;
        sent.map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}

#[async_trait]
impl Listener for PipeListener {
    async fn accept(&mut self) -> io::Result<Incoming> {
        let Some(stream) = self.waiting.recv().await else {
            // Nobody can connect any more.
            return std::future::pending().await;
        };
        self.made += 1;
        Ok(Incoming {
            transport: Transport::Other(Box::new(stream)),
            peer: format!("pipe {}", self.made),
            reach: self.reach,
        })
    }

    /// At what no network has: `pipe:1`.
    fn listening(&self) -> Vec<Listening> {
        vec![Listening {
            address: "pipe:1".to_owned(),
            reach: self.reach,
        }]
    }
}
