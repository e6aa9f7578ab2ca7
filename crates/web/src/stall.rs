//! A stream that ends when its other side takes nothing, and not before it can have read the last
//! answer.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use share_model::seam::{Clock, Sleep};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::hangup::Hangup;

/// So many bytes are taken at a time of what nobody wants.
const DISCARDED_BYTES: usize = 8 << 10;

/// So many bytes are kept that come while the peer's end is looked for.
const CAME_BYTES_MAX: usize = 1 << 10;

/// `io`, with a bound on how long a write may wait. While it is watched, the peer's end is an error.
///
/// When it is shut down it takes what still comes, for a while: a system that closes a connection with
/// something unread resets it, and whoever is still sending a body that was refused would never read
/// why.
#[derive(Debug)]
pub(crate) struct Stalling<T> {
    io: T,
    clock: Arc<dyn Clock>,
    stall: Duration,
    linger: Duration,
    /// A write.
    waiting: Waiting,
    /// The end. Not the same: a server flushes whenever it is woken, also then, and what is flushed at once
    /// ends the wait of writes.
    lingering: Waiting,
    /// Nothing more is written.
    is_shut: bool,
    hangup: Hangup,
    /// What came while the peer's end was looked for, and is read next.
    came: BytesMut,
}

/// The time that something waits; `None`: nothing does.
#[derive(Default)]
pub(crate) struct Waiting(pub(crate) Option<Sleep>);

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Waiting").field(&self.0.is_some()).finish()
    }
}

impl<T> Stalling<T> {
    /// A stream whose writes wait for `stall` at most, and its end for `linger`.
    pub(crate) fn new(
        io: T,
        clock: Arc<dyn Clock>,
        (stall, linger): (Duration, Duration),
        hangup: Hangup,
    ) -> Self {
        Self {
            io,
            clock,
            stall,
            linger,
            waiting: Waiting::default(),
            lingering: Waiting::default(),
            is_shut: false,
            hangup,
            came: BytesMut::new(),
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
        if !self.came.is_empty() {
            let bytes = self.came.len().min(buffer.remaining());
            buffer.put_slice(&self.came.split_to(bytes));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
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
        // Whoever writes does this whenever there is nothing to be written.
        self.look_for_hangup(context)?;
        let outcome = Pin::new(&mut self.io).poll_flush(context);
        self.bounded(context, outcome)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            let outcome = Pin::new(&mut self.io).poll_shutdown(context);
            ready!(self.bounded(context, outcome))?;
            self.is_shut = true;
        }
        self.poll_linger(context).map(Ok)
    }
}

impl<T: AsyncRead + Unpin> Stalling<T> {
    /// Fails if the peer has hung up and that is watched for. Reads a little of what a peer sends that
    /// does not wait for its answer, and then no more.
    fn look_for_hangup(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.hangup.is_watched() && self.came.len() < CAME_BYTES_MAX {
            let mut bytes = [0; CAME_BYTES_MAX];
            let room = CAME_BYTES_MAX - self.came.len();
            let mut buffer = ReadBuf::new(&mut bytes[..room]);
            match Pin::new(&mut self.io).poll_read(context, &mut buffer) {
                Poll::Pending => break,
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Err(io::ErrorKind::BrokenPipe.into());
                }
                Poll::Ready(Ok(())) => self.came.extend_from_slice(buffer.filled()),
            }
        }
        Ok(())
    }

    /// Takes what comes, until nothing more does or it has taken long enough.
    fn poll_linger(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let begin = || self.clock.sleep(self.linger);
        let sleep = self.lingering.0.get_or_insert_with(begin);
        if sleep.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        let mut discarded = [0; DISCARDED_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut discarded);
            let outcome = ready!(Pin::new(&mut self.io).poll_read(context, &mut buffer));
            if outcome.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use share_model::seam::SystemClock;
    use tokio::time::Instant;

    use super::*;

    const LINGER: Duration = Duration::from_secs(2);

    #[tokio::test(start_paused = true)]
    async fn who_stays_is_waited_for_so_long_however_often_the_stream_is_flushed() {
        let (io, _peer) = tokio::io::duplex(64);
        let bounds = (Duration::from_secs(30), LINGER);
        let mut stream = Stalling::new(io, Arc::new(SystemClock), bounds, Hangup::default());
        let begin = Instant::now();
        // As a server does each time that it is woken.
        let ended = poll_fn(|context| {
            let mut stream = Pin::new(&mut stream);
            ready!(stream.as_mut().poll_flush(context))?;
            stream.poll_shutdown(context)
        });
        let ended = tokio::time::timeout(3 * LINGER, ended).await;
        ended.expect("it ends").unwrap();
        assert!(begin.elapsed() < 2 * LINGER);
    }
}
