//! A writer of the limit server, and one of its subscribers.

use std::rc::Rc;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::arrivals::Arrivals;
use crate::error::BenchError;
use crate::limit::frame::{Frame, Inbox, Kind, append, bare, renumber};
use crate::load::Load;

/// A writer: a connection and a batch that is sent again and again.
pub(crate) struct LimitLane {
    stream: TcpStream,
    inbox: Inbox,
    batch: Vec<u8>,
    batch_ops: u64,
    acked: u64,
}

impl LimitLane {
    pub(crate) async fn connect(address: &str, load: Load) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            inbox: Inbox::default(),
            batch: append(&vec![b'x'; load.batch_ops * load.op_bytes]),
            batch_ops: load.batch_ops as u64,
            acked: 0,
        })
    }

    pub(crate) fn next(&self) -> u64 {
        self.acked + 1
    }

    pub(crate) async fn append(&mut self) -> Result<(), BenchError> {
        let last = self.acked + self.batch_ops;
        renumber(&mut self.batch, last);
        self.stream.write_all(&self.batch).await?;
        let mut acked = 0;
        while acked < last {
            receive(&self.stream, &mut self.inbox, |frame| acked = frame.number).await?;
        }
        self.acked = last;
        Ok(())
    }

    /// Subscribes on a connection of its own, and counts what arrives until it ends.
    pub(crate) async fn watch(address: &str, arrivals: Rc<Arrivals>) -> Result<(), BenchError> {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        stream.write_all(&bare(Kind::Subscribe, 0)).await?;
        let mut inbox = Inbox::default();
        loop {
            receive(&stream, &mut inbox, |frame| match frame.kind {
                Kind::Append => arrivals.came(std::iter::once(frame.number)),
                Kind::Ack | Kind::Subscribe => arrivals.is_live(),
            })
            .await?;
        }
    }
}

/// Waits for bytes, and takes the frames that are whole.
async fn receive(
    stream: &TcpStream,
    inbox: &mut Inbox,
    mut take: impl FnMut(Frame<'_>),
) -> Result<(), BenchError> {
    loop {
        stream.readable().await?;
        match stream.try_read(inbox.room()) {
            Ok(0) => {
                let message = "the limit server closed a connection".to_owned();
                return Err(BenchError::Unexpected(message));
            }
            Ok(bytes) => {
                inbox.filled(bytes);
                break;
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
    }
    while let Some(frame) = inbox.take().map_err(std::io::Error::from)? {
        take(frame);
    }
    Ok(())
}
