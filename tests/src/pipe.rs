//! Connections in memory that are traced, and cut after so many bytes.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use share_client::{ConnectError, Connector, Stream};
use share_model::seam::Entropy;
use share_model::{Security, address};
use share_server::PipeConnector;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

use crate::spoken::Spoken;
use crate::trace::Trace;

/// Which connections are cut, and when.
#[derive(Debug, Clone)]
pub struct Cuts {
    /// Cut each of the first so many connections.
    pub connections: u64,
    /// Within the first so many bytes that go either way.
    pub bytes_max: u64,
}

/// Connects to whatever server listens now.
#[derive(Debug)]
pub struct TracedConnector {
    server: Mutex<Pipes>,
    spoken: Spoken,
    trace: Trace,
    entropy: Arc<dyn Entropy>,
    cuts: Cuts,
    is_calm: AtomicBool,
    made: AtomicU64,
    made_by_http: AtomicU64,
    cut: Arc<AtomicU64>,
}

/// The pipes of one server: for RPC, and for HTTP.
#[derive(Debug, Clone)]
pub struct Pipes {
    /// Where RPC is spoken.
    pub rpc: PipeConnector,
    /// Where HTTP is spoken.
    pub http: PipeConnector,
}

impl TracedConnector {
    /// Connects to `server`; where connections are cut is drawn from `entropy`.
    pub fn new(
        server: Pipes,
        (spoken, trace): (Spoken, Trace),
        entropy: Arc<dyn Entropy>,
        cuts: Cuts,
    ) -> Self {
        let (made, cut) = (AtomicU64::new(0), Arc::default());
        Self {
            server: Mutex::new(server),
            spoken,
            is_calm: AtomicBool::new(false),
            made_by_http: AtomicU64::new(0),
            trace,
            entropy,
            cuts,
            made,
            cut,
        }
    }

    /// From now on connects to another server.
    pub fn set_server(&self, server: Pipes) {
        *self.server.lock().unwrap_or_else(PoisonError::into_inner) = server;
    }

    /// From now on no connection is cut, or refused, that is made.
    pub fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    /// How many connections were made so far, and how many of them by HTTP.
    pub fn made(&self) -> (u64, u64) {
        let made = [&self.made, &self.made_by_http];
        made.map(|made| made.load(Ordering::Relaxed)).into()
    }

    /// How many connections were cut so far.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Connector for TracedConnector {
    async fn connect(
        &self,
        address: &str,
        _security: Security,
    ) -> Result<Box<dyn Stream>, ConnectError> {
        let server = self
            .server
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let is_http = address::http(address).is_some();
        let is_calm = self.is_calm.load(Ordering::Relaxed);
        let may_refuse = !is_http && !is_calm && self.spoken == Spoken::Both;
        if may_refuse && self.entropy.below(2) == 0 {
            self.trace.line("refused");
            return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
        }
        let pipe = if is_http { server.http } else { server.rpc };
        self.made_by_http
            .fetch_add(is_http.into(), Ordering::Relaxed);
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        self.trace.line(&format!("connect {number}"));
        let is_cut = !is_calm && number <= self.cuts.connections;
        Ok(Box::new(TracedStream {
            inner: pipe.connect().await?,
            number,
            trace: self.trace.clone(),
            left: is_cut.then(|| self.entropy.below(self.cuts.bytes_max) + 1),
            cut: Arc::clone(&self.cut),
        }))
    }
}

struct TracedStream {
    inner: DuplexStream,
    number: u64,
    trace: Trace,
    /// Bytes until the cut; `None`: no cut.
    left: Option<u64>,
    cut: Arc<AtomicU64>,
}

impl TracedStream {
    /// How many of `wanted` bytes may still pass.
    fn room(&mut self, wanted: usize) -> io::Result<usize> {
        match self.left {
            None => Ok(wanted),
            Some(0) => Err(io::ErrorKind::ConnectionReset.into()),
            Some(left) => Ok(wanted.min(usize::try_from(left).unwrap_or(usize::MAX))),
        }
    }

    fn passed(&mut self, direction: &str, bytes: &[u8]) {
        self.trace
            .bytes(&format!("{} {direction}", self.number), bytes);
        let Some(left) = &mut self.left else { return };
        *left -= bytes.len() as u64;
        if *left == 0 {
            self.cut.fetch_add(1, Ordering::Relaxed);
            self.trace.line(&format!("{} cut", self.number));
        }
    }
}

impl AsyncRead for TracedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let room = self.room(buffer.remaining())?;
        let mut part = buffer.take(room);
        ready!(Pin::new(&mut self.inner).poll_read(context, &mut part))?;
        let read = part.filled().to_vec();
        // The part began where `buffer` is filled to.
        buffer.put_slice(&read);
        if !read.is_empty() {
            self.passed("down", &read);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TracedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let room = self.room(bytes.len())?;
        let written = ready!(Pin::new(&mut self.inner).poll_write(context, &bytes[..room]))?;
        self.passed("up", &bytes[..written]);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
