//! Telling by its first two bytes whether a client begins with TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

/// The bytes that tell. The first record of every TLS connection begins with 22 and 3; read as a
/// Cap'n Proto message they would announce 791 segments or more, beyond what is ever read.
const TELLING: usize = 2;
const HANDSHAKE: [u8; TELLING] = [22, 3];

/// How a client begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beginning {
    /// With the handshake of TLS.
    Tls,
    /// With anything else.
    Plain,
    /// Not at all: it left.
    Nothing,
}

/// A stream of which the first bytes were read, and are read again.
#[derive(Debug)]
pub struct Replayed<S> {
    first: [u8; TELLING],
    /// Of `first`, how many there are, and how many were read again.
    known: usize,
    read: usize,
    inner: S,
}

/// Waits for the first bytes of a client, and gives the stream back as if none had been read. Bound
/// its time.
///
/// # Errors
///
/// As reading fails.
pub async fn begins_with<S>(mut stream: S) -> io::Result<(Beginning, Replayed<S>)>
where
    S: AsyncRead + Unpin,
{
    let mut first = [0; TELLING];
    let mut known = 0;
    while known < TELLING {
        let got = stream.read(&mut first[known..]).await?;
        known += got;
        // One byte that can't begin a handshake says all.
        if got == 0 || first[0] != HANDSHAKE[0] {
            break;
        }
    }
    let beginning = match first {
        _ if known == 0 => Beginning::Nothing,
        HANDSHAKE => Beginning::Tls,
        _ => Beginning::Plain,
    };
    let replayed = Replayed {
        first,
        known,
        read: 0,
        inner: stream,
    };
    Ok((beginning, replayed))
}

impl<S: AsyncRead + Unpin> AsyncRead for Replayed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let again = this.first.get(this.read..this.known).unwrap_or_default();
        if again.is_empty() {
            return Pin::new(&mut this.inner).poll_read(context, buffer);
        }
        let count = again.len().min(buffer.remaining());
        buffer.put_slice(&again[..count]);
        this.read += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Replayed<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
