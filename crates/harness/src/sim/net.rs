//! Connections over the simulated network: they stop with their machine, are cut where the seed says,
//! and leave a mark of their bytes in the trace.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use share_client::{ConnectError, Connector, Stream};
use share_model::Security;
use share_server::{Incoming, Listener, Listening, Reach, Transport};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use turmoil::net::{TcpListener, TcpStream};

use super::machine::Machine;
use super::world::World;

/// Where every server listens.
pub(crate) const PORT: u16 = 7420;
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// What of a connection is seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    made: AtomicU64,
    /// Bytes until the next connection of a client is cut; zero: it is not.
    cut_next_after: AtomicU64,
}

impl Wire {
    /// The next connection that is made is cut after so many bytes.
    pub(crate) fn cut_next_after(&self, bytes: u64) {
        self.cut_next_after.store(bytes, Ordering::Relaxed);
    }
}

/// Connects from one machine.
pub(crate) struct SimConnector {
    world: Arc<World>,
    machine: Arc<Machine>,
}

impl SimConnector {
    pub(crate) fn of(world: &Arc<World>, machine: &Arc<Machine>) -> Arc<dyn Connector> {
        Arc::new(Self {
            world: Arc::clone(world),
            machine: Arc::clone(machine),
        })
    }
}

impl fmt::Debug for SimConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimConnector({})", self.machine.name)
    }
}

#[async_trait]
impl Connector for SimConnector {
    async fn connect(
        &self,
        address: &str,
        _security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let connecting = TcpStream::connect(address.to_owned());
        let connected = tokio::time::timeout(CONNECT_TIMEOUT, connecting).await;
        let stream = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        let number = self.world.wire.made.fetch_add(1, Ordering::Relaxed) + 1;
        let cut = self.world.wire.cut_next_after.swap(0, Ordering::Relaxed);
        Ok(Box::new(SimStream {
            stream: Some(stream),
            number,
            side: "client",
            left: (cut > 0).then_some(cut),
            passed: Passed::default(),
            machine: Arc::clone(&self.machine),
            world: Arc::clone(&self.world),
        }))
    }
}

/// Listens on the server's machine.
pub(crate) struct SimListener {
    listener: TcpListener,
    world: Arc<World>,
    accepted: u64,
}

impl SimListener {
    pub(crate) async fn bind(world: &Arc<World>) -> io::Result<Self> {
        let listener = TcpListener::bind(("0.0.0.0", PORT)).await?;
        let world = Arc::clone(world);
        Ok(Self {
            listener,
            world,
            accepted: 0,
        })
    }
}

#[async_trait]
impl Listener for SimListener {
    async fn accept(&mut self) -> io::Result<Incoming> {
        let (stream, peer) = self.listener.accept().await?;
        self.accepted += 1;
        let stream = SimStream {
            stream: Some(stream),
            number: self.accepted,
            side: "server",
            left: None,
            passed: Passed::default(),
            machine: Arc::clone(&self.world.server),
            world: Arc::clone(&self.world),
        };
        Ok(Incoming {
            transport: Transport::Other(Box::new(stream)),
            peer: peer.to_string(),
            reach: Reach::Machine,
        })
    }

    fn listening(&self) -> Vec<Listening> {
        vec![Listening {
            address: format!("server:{PORT}"),
            reach: Reach::Machine,
        }]
    }
}

/// Bytes that went one way and the other, as a number that another byte would make another one.
#[derive(Debug, Default)]
struct Passed {
    up: (u64, u64),
    down: (u64, u64),
}

fn mix((count, hash): (u64, u64), bytes: &[u8]) -> (u64, u64) {
    let hash = bytes.iter().fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    (count + bytes.len() as u64, hash)
}

struct SimStream {
    /// `None`: it was cut.
    stream: Option<TcpStream>,
    number: u64,
    side: &'static str,
    /// Bytes until the cut; `None`: no cut.
    left: Option<u64>,
    passed: Passed,
    machine: Arc<Machine>,
    world: Arc<World>,
}

impl SimStream {
    /// So many bytes passed; with the last of them the connection may be cut.
    fn count(&mut self, bytes: usize) {
        let Some(left) = &mut self.left else { return };
        *left = left.saturating_sub(bytes as u64);
        if *left == 0 {
            self.stream = None;
            let detail = format!("connection {} of {}", self.number, self.machine.name);
            self.world.fault("connection-cut", &detail);
        }
    }

    /// How many of `wanted` bytes may still pass.
    fn room(&self, wanted: usize) -> usize {
        self.left.map_or(wanted, |left| {
            wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
        })
    }
}

fn cut() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

impl AsyncRead for SimStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.machine.is_dead() {
            return Poll::Pending;
        }
        let room = self.room(buffer.remaining());
        let mut part = buffer.take(room);
        let stream = self.stream.as_mut().ok_or_else(cut)?;
        ready!(Pin::new(stream).poll_read(context, &mut part))?;
        let read = part.filled().len();
        // The part began where `buffer` is filled to, and its bytes are in place.
        let bytes = part.filled().to_vec();
        buffer.put_slice(&bytes);
        self.passed.down = mix(self.passed.down, &bytes);
        self.count(read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for SimStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if !self.machine.may_write() {
            return Poll::Pending;
        }
        let room = self.room(bytes.len());
        let stream = self.stream.as_mut().ok_or_else(cut)?;
        let written = ready!(Pin::new(stream).poll_write(context, &bytes[..room]))?;
        self.passed.up = mix(self.passed.up, &bytes[..written]);
        self.count(written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.stream.as_mut().ok_or_else(cut)?;
        Pin::new(stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.stream.as_mut().ok_or_else(cut)?;
        Pin::new(stream).poll_shutdown(context)
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        let (side, number) = (self.side, self.number);
        let Passed { up, down } = &self.passed;
        let name = &self.machine.name;
        let line = format!("{side} connection {number} of {name} ends: {up:?} {down:?}");
        self.world.trace(&line);
    }
}
