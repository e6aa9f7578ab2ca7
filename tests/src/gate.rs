//! A connection that comes to a halt where a test wants it to: whatever was on its way stays there.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use async_trait::async_trait;
use share_client::{ConnectError, Connector, Stream};
use share_model::Security;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

/// Where a connection halts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// After so many bytes to the server.
    Up(u64),
    /// After so many bytes from the server.
    Down(u64),
    /// Never.
    Never,
}

/// Connects as another connector does, by way of a gate.
#[derive(Debug)]
pub struct GatedConnector {
    inner: Arc<dyn Connector>,
    gate: Arc<Gate>,
}

/// What goes through a connection, and the hand on it.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
    halted: Notify,
}

#[derive(Debug)]
struct State {
    halt: Halt,
    up: u64,
    down: u64,
    is_halted: bool,
    is_cut: bool,
    waiting: Vec<Waker>,
}

impl GatedConnector {
    /// Over connections of `inner`, which together halt at one place.
    pub fn new(inner: Arc<dyn Connector>, halt: Halt) -> Self {
        let state = State {
            halt,
            up: 0,
            down: 0,
            is_halted: false,
            is_cut: false,
            waiting: Vec::new(),
        };
        let gate = Arc::new(Gate {
            state: Mutex::new(state),
            halted: Notify::new(),
        });
        gate.halt_if_reached();
        Self { inner, gate }
    }

    /// The gate.
    pub fn gate(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }
}

impl Gate {
    /// Ends when the connection has halted.
    pub async fn halted(&self) {
        self.halted.notified().await;
    }

    /// Cuts the connection: both ways fail at once.
    pub fn cut(&self) {
        let waiting = {
            let mut state = self.lock();
            state.is_cut = true;
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Bytes that went to the server, and from it.
    pub fn passed(&self) -> (u64, u64) {
        let state = self.lock();
        (state.up, state.down)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn halt_if_reached(&self) {
        let mut state = self.lock();
        let is_reached = match state.halt {
            Halt::Up(bytes) => state.up >= bytes,
            Halt::Down(bytes) => state.down >= bytes,
            Halt::Never => false,
        };
        if is_reached && !state.is_halted {
            state.is_halted = true;
            self.halted.notify_one();
        }
    }

    /// How many of `wanted` bytes may pass; pending where none may.
    fn room(&self, is_up: bool, wanted: usize, context: &Context<'_>) -> Poll<io::Result<usize>> {
        let mut state = self.lock();
        if state.is_cut {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        // Woken by a cut, also while it waits for bytes.
        if !state.waiting.iter().any(|it| it.will_wake(context.waker())) {
            state.waiting.push(context.waker().clone());
        }
        if state.is_halted {
            return Poll::Pending;
        }
        let left = match (state.halt, is_up) {
            (Halt::Up(bytes), true) => bytes - state.up,
            (Halt::Down(bytes), false) => bytes - state.down,
            _ => u64::MAX,
        };
        Poll::Ready(Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX))))
    }

    fn pass(&self, is_up: bool, bytes: usize) {
        {
            let mut state = self.lock();
            let count = if is_up {
                &mut state.up
            } else {
                &mut state.down
            };
            *count += bytes as u64;
        }
        self.halt_if_reached();
    }
}

#[async_trait]
impl Connector for GatedConnector {
    async fn connect(
        &self,
        address: &str,
        security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        Ok(Box::new(GatedStream {
            inner: self.inner.connect(address, security).await?,
            gate: Arc::clone(&self.gate),
        }))
    }
}

struct GatedStream {
    inner: Box<dyn Stream>,
    gate: Arc<Gate>,
}

impl AsyncRead for GatedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = ready!(self.gate.room(false, buffer.remaining(), context))?;
        let mut part = buffer.take(room);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut part))?;
        let read = part.filled().to_vec();
        // The part began where `buffer` is filled to.
        buffer.put_slice(&read);
        self.gate.pass(false, read.len());
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for GatedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = ready!(self.gate.room(true, bytes.len(), context))?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..room]))?;
        self.gate.pass(true, written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
