//! Accepting connections and handing them to the RPC threads.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use share_model::UnixMs;
use share_model::seam::Clock;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tracing::{info, warn};

use super::connections::{Connections, Seat};
use super::listener::{Incoming, Listener, Reach, Transport};
use super::source::Source;

/// How long to let things be after accepting failed: mostly for want of file descriptors, which only
/// connections that end give back.
const PAUSE: Duration = Duration::from_millis(100);

/// How often it is said that none can be accepted: whoever uses up the files says it as often as it
/// likes.
const SAID_EVERY_MS: u64 = 10_000;

/// Connections at a time of whose peers nothing was heard yet: so few that none gives way to later
/// ones before what it sent at once is read, however many come.
const UNHEARD_MAX: usize = 32;

/// How long a connection counts as one of those, from when it is served.
pub(super) const HEARING: Duration = Duration::from_millis(20);

/// A connection on its way to an RPC thread.
#[derive(Debug)]
pub(super) struct Accepted {
    pub(super) transport: Transport,
    pub(super) peer: String,
    pub(super) reach: Reach,
    /// Counts the connections of the server.
    pub(super) number: u64,
    /// Its place among the connections that there may be.
    pub(super) seat: Seat,
    /// Its place among those that were not heard; none if it does not count for an address.
    pub(super) unheard: Option<OwnedSemaphorePermit>,
}

/// Accepts connections.
pub(super) struct Acceptor {
    pub(super) listener: Box<dyn Listener>,
    /// To the RPC threads, each in turn.
    pub(super) lines: Vec<mpsc::Sender<Accepted>>,
    pub(super) connections: Connections,
    pub(super) unheard: Arc<Semaphore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) drain: watch::Receiver<bool>,
}

/// So many connections may wait to be heard.
pub(super) fn unheard() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(UNHEARD_MAX))
}

impl Acceptor {
    /// Accepts until the server drains.
    pub(super) async fn run(mut self) {
        let mut drain = self.drain.clone();
        let mut number = 0;
        let mut failures = Failures::default();
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
                    self.take_in(incoming, number).await;
                }
                Err(error) if concerns_one(&error) => info!(%error, "connection not accepted"),
                Err(error) => {
                    let gave_way = self.connections.give_way();
                    if let Some(times) = failures.one_more(self.clock.now()) {
                        warn!(%error, gave_way, times, "no connection can be accepted");
                    }
                    tokio::select! {
                        biased;
                        _ = drain.wait_for(|drain| *drain) => break,
                        () = self.clock.sleep(PAUSE) => {}
                    }
                }
            }
        }
    }

    /// Takes the connection in, when those before it were heard: who connects meanwhile waits with the
    /// system.
    async fn take_in(&mut self, incoming: Incoming, number: u64) {
        let Incoming {
            transport,
            peer,
            reach,
        } = incoming;
        let source = Source::of(&transport);
        let mut drain = self.drain.clone();
        let unheard = match source {
            None => None,
            Some(_) => tokio::select! {
                biased;
                // Fails if the server is gone.
                _ = drain.wait_for(|drain| *drain) => return,
                unheard = Arc::clone(&self.unheard).acquire_owned() => unheard.ok(),
            },
        };
        match self.connections.seat(source) {
            Ok(seat) => {
                let accepted = Accepted {
                    transport,
                    peer,
                    reach,
                    number,
                    seat,
                    unheard,
                };
                self.hand_over(accepted).await;
            }
            Err(why) => info!(peer, %why, "connection closed"),
        }
    }

    /// Gives the connection to the next thread that has room for it, or waits for one.
    async fn hand_over(&mut self, accepted: Accepted) {
        self.lines.rotate_left(1);
        let mut lines = self.lines.iter().cloned();
        if let Some(place) = lines.find_map(|line| line.try_reserve_owned().ok()) {
            place.send(accepted);
            return;
        }
        // A thread that has ended takes no more.
        self.lines.retain(|line| !line.is_closed());
        if self.lines.is_empty() {
            warn!("connection closed: no RPC thread is left");
            return;
        }
        let mut drain = self.drain.clone();
        let places = self.lines.iter().map(|line| Box::pin(line.reserve()));
        tokio::select! {
            biased;
            // As above.
            _ = drain.wait_for(|drain| *drain) => {}
            (place, ..) = select_all(places) => match place {
                Ok(place) => place.send(accepted),
                Err(_) => warn!("connection closed: the RPC thread that was to have it has ended"),
            },
        }
    }
}

/// Times that accepting failed.
#[derive(Debug, Default)]
struct Failures {
    unsaid: u64,
    said_at: Option<UnixMs>,
}

impl Failures {
    /// Counts one; if it is time to say something, how many there were since that was done last.
    fn one_more(&mut self, now: UnixMs) -> Option<u64> {
        self.unsaid += 1;
        // A clock that was put back is no reason to say nothing.
        let is_early = |said_at: UnixMs| (said_at..said_at.plus_ms(SAID_EVERY_MS)).contains(&now);
        if self.said_at.is_some_and(is_early) {
            return None;
        }
        self.said_at = Some(now);
        Some(std::mem::take(&mut self.unsaid))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_none_can_be_accepted_is_said_at_once_and_then_every_10_s_with_how_often_it_was() {
        let mut failures = Failures::default();
        let mut at = |ms| failures.one_more(UnixMs::new(ms));
        assert_eq!(at(50_000), Some(1));
        assert_eq!(at(50_100), None);
        assert_eq!(at(59_999), None);
        assert_eq!(at(60_000), Some(3));
        assert_eq!(at(69_999), None);
        // The clock is put back.
        assert_eq!(at(1_000), Some(2));
    }
}
