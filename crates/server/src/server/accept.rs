//! Accepting connections and handing them to the RPC threads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use share_model::seam::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{info, warn};

use super::listener::{Incoming, Listener, Reach, Transport};

/// How long to let things be after accepting failed: mostly for want of file descriptors, which only
/// connections that end give back.
const PAUSE: Duration = Duration::from_millis(100);

/// A connection on its way to an RPC thread.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) transport: Transport,
    pub(super) peer: String,
    pub(super) reach: Reach,
    /// Counts the connections of the server.
    pub(super) number: u64,
    /// One of the connections that there may be.
    pub(super) room: OwnedSemaphorePermit,
}

/// Accepts connections.
pub(super) struct Acceptor {
    pub(super) listener: Box<dyn Listener>,
    /// To the RPC threads, each in turn.
    pub(super) lines: Vec<mpsc::Sender<Accepted>>,
    pub(super) room: Arc<Semaphore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) drain: watch::Receiver<bool>,
}

impl Acceptor {
    /// Accepts until the server drains.
    pub(super) async fn run(mut self) {
        let mut drain = self.drain.clone();
        let mut number = 0;
        loop {
            let incoming = tokio::select! {
                biased;
                // Fails if the server is gone.
                _ = drain.wait_for(|drain| *drain) => break,
                incoming = self.listener.accept() => incoming,
            };
            match incoming {
                Ok(incoming) => {
                    number += 1;
                    self.hand_over(incoming, number);
                }
                Err(error) if concerns_one(&error) => info!(%error, "connection not accepted"),
                Err(error) => {
                    warn!(%error, "no connection can be accepted, trying again");
                    tokio::select! {
                        biased;
                        _ = drain.wait_for(|drain| *drain) => break,
                        () = self.clock.sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Gives the connection to the next thread that has room for it; closes it if none has.
    fn hand_over(&mut self, incoming: Incoming, number: u64) {
        let peer = incoming.peer;
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            warn!(peer, "connection closed: there are as many as there may be");
            return;
        };
        let mut accepted = Accepted {
            transport: incoming.transport,
            peer,
            reach: incoming.reach,
            number,
            room,
        };
        self.lines.rotate_left(1);
        for line in &self.lines {
            match line.try_send(accepted) {
                Ok(()) => return,
                Err(
                    mpsc::error::TrySendError::Full(back) | mpsc::error::TrySendError::Closed(back),
                ) => accepted = back,
            }
        }
        warn!(
            peer = accepted.peer,
            "connection closed: every RPC thread is busy"
        );
    }
}

/// Whether an error says something of one connection only.
fn concerns_one(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}
