//! A stream that ends when its other side takes nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use share_model::seam::{Clock, Sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// `io`, with a bound on how long a write may wait.
#[derive(Debug)]
pub(crate) struct Stalling<T> {
    io: T,
    clock: Arc<dyn Clock>,
    stall: Duration,
    waiting: Waiting,
}

/// The time that a write waits; `None`: none does.
struct Waiting(Option<Sleep>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").field(&self.0.is_some()).finish()
    }
}

impl<T> Stalling<T> {
    pub(crate) fn new(io: T, clock: Arc<dyn Clock>, stall: Duration) -> Self {
        Self {
            io,
            clock,
            stall,
            waiting: Waiting(None),
        }
    }

    /// The write's own outcome, or an error if it has waited for too long.
    fn bounded<U>(
        &mut self,
        context: &mut Context<'_>,
        outcome: Poll<io::Result<U>>,
    ) -> Poll<io::Result<U>> {
        if outcome.is_ready() {
            self.waiting.0 = None;
            return outcome;
        }
        let begin = || self.clock.sleep(self.stall);
        let sleep = self.waiting.0.get_or_insert_with(begin);
        match sleep.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write(context, bytes);
        self.bounded(context, outcome)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let outcome = Pin::new(&mut self.io).poll_write_vectored(context, bytes);
        self.bounded(context, outcome)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.bounded(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.io).poll_shutdown(context);
        self.bounded(context, outcome)
    }
}
