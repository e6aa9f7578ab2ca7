//! A writer of the limit server, and one of its subscribers.

use std::rc::Rc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::Ids;
use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::limit::frame::{Append, Frame, subscribe};
use crate::limit::inbox::Inbox;
use crate::limit::record;
use crate::load::Load;

/// A writer: a connection, and the batch that is filled anew each time.
pub(crate) struct LimitLane {
    stream: TcpStream,
    inbox: Inbox,
    ids: Ids,
    payload: Vec<u8>,
    batch: Append,
    batch_ops: usize,
    next: u64,
}

impl LimitLane {
    pub(crate) async fn connect(address: &str, load: Load) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: Inbox::default(),
            ids: Ids::random(),
            payload: vec![b'x'; load.op_bytes],
            batch: Append::new(),
            batch_ops: load.batch_ops,
            next: 1,
        })
    }

    /// The number of the next op, where there is no other writer.
    pub(crate) fn next(&self) -> u64 {
        self.next
    }

    pub(crate) async fn append(&mut self) -> Result<(), BenchError> {
        self.batch.clear();
        for _ in 0..self.batch_ops {
            self.batch.push(&self.ids.next(), &self.payload);
        }
        self.stream.write_all(self.batch.bytes()).await?;
        let mut acked = None;
        while acked.is_none() {
            receive(&mut self.stream, &mut self.inbox, |piece| {
                match Frame::read(piece).map_err(std::io::Error::from)? {
                    Frame::Ack { first, last } => acked = Some((first, last)),
                    frame => return Err(unexpected(&frame)),
                }
                Ok(())
            })
            .await?;
        }
        if let Some((first, last)) = acked {
            let (count, sent) = ((last + 1).saturating_sub(first), self.batch_ops);
            if count != sent as u64 {
                let message = format!("the limit server acks {count} of {sent} ops");
                return Err(BenchError::Unexpected(message));
            }
            self.next = last + 1;
        }
        Ok(())
    }

    /// Subscribes on a connection of its own, and counts what arrives until it ends.
    pub(crate) async fn watch(address: &str, arrivals: Rc<Arrivals>) -> Result<(), BenchError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&subscribe()).await?;
        let (mut inbox, mut is_live) = (Inbox::default(), false);
        loop {
            receive(&mut stream, &mut inbox, |piece| {
                if is_live {
                    let number = record::number(piece).map_err(std::io::Error::from)?;
                    arrivals.came(std::iter::once(number));
                    return Ok(());
                }
                // Behind this one frame there are only records.
                match Frame::read(piece).map_err(std::io::Error::from)? {
                    Frame::Ack { .. } => is_live = true,
                    frame => return Err(unexpected(&frame)),
                }
                arrivals.is_live();
                Ok(())
            })
            .await?;
        }
    }
}

fn unexpected(frame: &Frame<'_>) -> BenchError {
    BenchError::Unexpected(format!("the limit server sent {frame:?}"))
}

/// Waits for bytes, and takes the frames or records that are whole.
async fn receive(
    stream: &mut TcpStream,
    inbox: &mut Inbox,
    mut take: impl FnMut(&[u8]) -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let bytes = stream.read(inbox.room()).await?;
    if bytes == 0 {
        let message = "the limit server closed a connection".to_owned();
        return Err(BenchError::Unexpected(message));
    }
    inbox.filled(bytes);
    while let Some(piece) = inbox.take().map_err(std::io::Error::from)? {
        take(piece)?;
    }
    Ok(())
}
