//! Writing what waits, many messages at a time.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::AsyncWrite;
use tokio::time::Instant;

use crate::error::NetworkError;
use crate::link::{Closing, Link};

/// How long what nobody waits for stays until others take it along: half of all writes are for nothing
/// else without it.
const COMPANY: Duration = Duration::from_millis(5);

/// How often more messages are waited for before a write, as long as more come.
const ROUNDS_MAX: usize = 8;

/// Writes what is sent, until the connection is to end and everything is written or can't be; then
/// waits until the library has let go of it.
pub(crate) async fn write<T: AsyncWrite + Unpin>(
    link: Rc<Link>,
    io: Rc<RefCell<T>>,
) -> capnp::Result<()> {
    let written = write_all(&link, &io).await;
    link.write_off();
    let result = match (written, link.closing()) {
        (Ok(closing), _) => closing.result,
        // Whoever is gone does not take the farewell.
        (Err(NetworkError::Io(_)), Some(closing)) => closing.result,
        (Err(error), _) => {
            link.end(error.clone());
            Err(error.into())
        }
    };
    link.writer.until(|| link.is_left().then_some(())).await;
    result
}

async fn write_all<T: AsyncWrite + Unpin>(
    link: &Link,
    io: &RefCell<T>,
) -> Result<Closing, NetworkError> {
    loop {
        if let Some(closing) = wait_for_work(link).await {
            let ended = poll_fn(|context| Pin::new(&mut *io.borrow_mut()).poll_shutdown(context));
            // Whether the peer still hears of it makes no difference.
            let _ = in_time(link, ended).await;
            return Ok(closing);
        }
        gather(link).await;
        while link.with_queue(|queue| queue.bytes()) > 0 {
            write_some(link, io).await?;
        }
        link.is_written();
        let flushed = poll_fn(|context| Pin::new(&mut *io.borrow_mut()).poll_flush(context));
        in_time(link, flushed).await?;
    }
}

/// Waits until something is to be written; or gives how to end, once nothing is.
async fn wait_for_work(link: &Link) -> Option<Closing> {
    let due = || match link.is_due() {
        true => Some(None),
        false => link
            .closing()
            .map(|closing| has_nothing(link).then_some(closing)),
    };
    let anything = || match has_nothing(link) {
        true => due(),
        false => Some(None),
    };
    let work = link.writer.until(anything).await;
    if work.is_some() || link.is_due() {
        return work;
    }
    let company = tokio::time::timeout(COMPANY, link.writer.until(due)).await;
    company.unwrap_or(None)
}

fn has_nothing(link: &Link) -> bool {
    link.with_queue(|queue| queue.bytes()) == 0
}

/// Lets those who are about to send go first, as long as some do: one write for many messages costs
/// little more than for one.
async fn gather(link: &Link) {
    let mut before = link.with_queue(|queue| queue.sent());
    for _ in 0..ROUNDS_MAX {
        if !link.may_send_more() || link.with_queue(|queue| queue.is_full()) {
            break;
        }
        pause().await;
        let now = link.with_queue(|queue| queue.sent());
        if now == before {
            break;
        }
        before = now;
    }
}

/// Lets the other tasks of the connection run that can.
async fn pause() {
    let mut is_first = true;
    poll_fn(|context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

async fn write_some<T: AsyncWrite + Unpin>(
    link: &Link,
    io: &RefCell<T>,
) -> Result<(), NetworkError> {
    // Most often the stream takes it at once; then no timer is needed.
    let first = poll_fn(|context| Poll::Ready(poll_write(link, io, context))).await;
    match first {
        Poll::Ready(written) => Ok(written?),
        Poll::Pending => in_time(link, poll_fn(|context| poll_write(link, io, context))).await,
    }
}

fn poll_write<T: AsyncWrite + Unpin>(
    link: &Link,
    io: &RefCell<T>,
    context: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut io = io.borrow_mut();
    let mut io = Pin::new(&mut *io);
    let written = link.with_queue(|queue| {
        queue.write_with(
            |slices| match slices {
                [only] => io.as_mut().poll_write(context, only),
                _ => io.as_mut().poll_write_vectored(context, slices),
            },
            |written| match written {
                Poll::Ready(Ok(bytes)) => *bytes,
                Poll::Ready(Err(_)) | Poll::Pending => 0,
            },
        )
    });
    Poll::Ready(match ready!(written) {
        Ok(0) => Err(io::ErrorKind::WriteZero.into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error),
    })
}

/// The peer takes something in time; and the rest, if the connection is to end.
async fn in_time<R>(
    link: &Link,
    writing: impl Future<Output = io::Result<R>>,
) -> Result<R, NetworkError> {
    let stall = link.limits.write_stall;
    let next = Instant::now().checked_add(stall);
    let last = link.closing().and_then(|closing| closing.deadline);
    let Some(deadline) = next.into_iter().chain(last).min() else {
        return Ok(writing.await?);
    };
    let written = tokio::time::timeout_at(deadline, writing).await;
    let written = written.map_err(|_| NetworkError::WriteStall {
        ms: stall.as_millis(),
    })?;
    Ok(written?)
}
