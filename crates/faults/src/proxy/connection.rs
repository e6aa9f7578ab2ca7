//! One connection: two pumps with a fixed buffer each, ended together.
//!
//! Whatever ends a connection drops both pumps wherever they wait; nothing needs saving then,
//! for all that they hold are bytes that the cut is meant to lose.

use std::{
    future::pending,
    io,
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    sync::watch,
};

use super::{
    Shared,
    plan::{Close, Direction, Plan, Seen, Verdict},
};
use crate::pause::pause;

/// All that a pump ever holds of what its sender sends.
const BUFFER_BYTES: usize = 16 * 1024;

/// How a connection ended.
#[derive(Debug)]
enum Ending {
    /// Both peers closed their side.
    Finished,
    /// A peer vanished.
    Failed,
    Unreachable,
    Cut {
        close: Close,
        lost_reply: bool,
    },
}

pub(super) struct Connection {
    shared: Arc<Shared>,
    /// Counts from 0 in order of arrival; picks the random stream.
    number: u64,
    seen: Seen,
    /// Whether bytes of the client were handed on since its replies are being swallowed.
    asked: AtomicBool,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Connection {
        let seen = shared.plan.borrow().seen();
        Connection {
            shared,
            number,
            seen,
            asked: AtomicBool::new(false),
        }
    }

    /// Carries bytes between `client` and the upstream until either the peers or a fault end it.
    pub(super) async fn run(self, mut client: TcpStream) {
        let mut server = None;
        let ending = tokio::select! {
            biased;
            close = self.until_cut() => Ending::Cut { close, lost_reply: false },
            ending = self.relay(&mut client, &mut server) => ending,
        };
        let was_open = server.is_some();
        for socket in server.into_iter().chain([client]) {
            close_socket(socket, &ending).await;
        }
        self.shared.count(|counts| {
            counts.open -= u64::from(was_open);
            match ending {
                Ending::Finished | Ending::Failed => {}
                Ending::Unreachable => counts.unreachable += 1,
                Ending::Cut { lost_reply, .. } => {
                    counts.cuts += 1;
                    counts.lost_replies += u64::from(lost_reply);
                }
            }
        });
    }

    async fn until_cut(&self) -> Close {
        self.when(|plan| plan.cut_for(self.seen)).await
    }

    async fn relay(&self, client: &mut TcpStream, slot: &mut Option<TcpStream>) -> Ending {
        let upstream = self.shared.plan.borrow().upstream;
        let Ok(server) = TcpStream::connect(upstream).await else {
            return Ending::Unreachable;
        };
        let server = slot.insert(server);
        self.shared.count(|counts| {
            counts.connections += 1;
            counts.open += 1;
        });
        if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
            return Ending::Failed;
        }
        let (client_read, client_write) = client.split();
        let (server_read, server_write) = server.split();
        let up = self.pump(Direction::Up, client_read, server_write);
        let down = self.pump(Direction::Down, server_read, client_write);
        match tokio::try_join!(up, down) {
            Ok(_) => Ending::Finished,
            Err(ending) => ending,
        }
    }

    /// Hands bytes on until end of stream, which it hands on too.
    async fn pump(
        &self,
        direction: Direction,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> Result<(), Ending> {
        let mut random = self.random(direction);
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                if self.shared.plan.borrow().partitioned(direction) {
                    self.hold(direction).await;
                }
                return Ok(to.shutdown().await?);
            }
            let mut rest = &buffer[..read];
            while !rest.is_empty() {
                let offered = self.piece_bytes(rest.len(), &mut random).await;
                let (bytes, _cut) = self.admit(direction, offered, rest.len()).await?;
                to.write_all(&rest[..bytes]).await?;
                rest = &rest[bytes..];
                self.count_forwarded(direction, bytes as u64);
            }
        }
    }

    /// Waits until a piece of the `held` bytes may go, and says how much of it; the guard owes the cut that was armed
    /// for the last of these bytes, and pays when it is dropped, however that comes about.
    async fn admit(
        &self,
        direction: Direction,
        offered: usize,
        held: usize,
    ) -> Result<(usize, Option<OwedCut<'_>>), Ending> {
        loop {
            let mut verdict = Verdict::Doomed;
            self.shared.plan.send_if_modified(|plan| {
                verdict = plan.judge(direction, self.seen, offered);
                false
            });
            match verdict {
                Verdict::Forward { bytes, cut } => {
                    let plan = &self.shared.plan;
                    return Ok((bytes, cut.map(|close| OwedCut { plan, close })));
                }
                Verdict::Swallow(close) => {
                    self.shared
                        .count(|counts| counts.bytes_swallowed += held as u64);
                    let lost_reply = self.asked.load(Ordering::Relaxed);
                    return Err(Ending::Cut { close, lost_reply });
                }
                Verdict::Stall(duration) => {
                    self.shared.count(|counts| counts.stalls += 1);
                    pause(duration).await;
                }
                Verdict::Partitioned => self.hold(direction).await,
                Verdict::Doomed => pending().await,
            }
        }
    }

    async fn hold(&self, direction: Direction) {
        self.shared.count(|counts| counts.partitions += 1);
        self.when(|plan| {
            let swallowed = direction == Direction::Down && plan.swallow_for(self.seen).is_some();
            (swallowed || !plan.partitioned(direction)).then_some(())
        })
        .await;
    }

    /// Draws the size of the next piece out of `rest` bytes and delays it.
    async fn piece_bytes(&self, rest: usize, random: &mut ChaCha8Rng) -> usize {
        let (delay, piece_bytes_max) = {
            let plan = self.shared.plan.borrow();
            (plan.delay, plan.piece_bytes_max)
        };
        let bytes = piece_bytes_max.map_or(rest, |max| draw(random, max).min(rest));
        if bytes < rest {
            self.shared.count(|counts| counts.splits += 1);
        }
        if !delay.is_zero() {
            self.shared.count(|counts| counts.delays += 1);
            pause(delay).await;
        }
        bytes
    }

    fn count_forwarded(&self, direction: Direction, bytes: u64) {
        if direction == Direction::Up && self.shared.plan.borrow().swallow_for(self.seen).is_some()
        {
            self.asked.store(true, Ordering::Relaxed);
        }
        self.shared.count(|counts| match direction {
            Direction::Up => counts.bytes_up += bytes,
            Direction::Down => counts.bytes_down += bytes,
        });
    }

    /// A stream of its own per connection and direction, so that neither disturbs the other's.
    fn random(&self, direction: Direction) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.shared.seed);
        random.set_stream(2 * self.number + u64::from(direction == Direction::Down));
        random
    }

    async fn when<T>(&self, mut state: impl FnMut(&Plan) -> Option<T>) -> T {
        let mut plan = self.shared.plan.subscribe();
        loop {
            let found = state(&plan.borrow_and_update());
            if let Some(found) = found {
                return found;
            }
            if plan.changed().await.is_err() {
                // Never reached: `self.shared` holds the sender.
                pending::<()>().await;
            }
        }
    }
}

/// The kind of error is of no use here: what a peer's loss looks like, the other peer shall see.
impl From<io::Error> for Ending {
    fn from(_: io::Error) -> Ending {
        Ending::Failed
    }
}

struct OwedCut<'a> {
    plan: &'a watch::Sender<Plan>,
    close: Close,
}

impl Drop for OwedCut<'_> {
    fn drop(&mut self) {
        self.plan.send_modify(|plan| plan.cut(self.close));
    }
}

/// From 1 to `max`; the bias of the remainder is of no account here.
fn draw(random: &mut ChaCha8Rng, max: NonZeroUsize) -> usize {
    1 + random.next_u32() as usize % max
}

async fn close_socket(mut socket: TcpStream, ending: &Ending) {
    // Either call fails only on a socket that its peer has already reset: it is closed all the same.
    let _ = match ending {
        Ending::Finished => Ok(()),
        Ending::Cut {
            close: Close::Finish,
            ..
        } => socket.shutdown().await,
        Ending::Failed | Ending::Unreachable | Ending::Cut { .. } => socket.set_zero_linger(),
    };
}
