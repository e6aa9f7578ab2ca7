//! One connection of a hostile peer, and where it goes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use share_model::ShareRef;
use share_model::seam::SystemEntropy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::MissedTickBehavior;

use crate::message;
use crate::tally::Tally;

/// The shortest time from one connection of a lane to the next: a peer that is shut out comes
/// again, but leaves the machine to others meanwhile.
const RECONNECT: Duration = Duration::from_millis(100);

/// What is attacked, and from where.
#[derive(Debug, Clone)]
pub struct Target {
    /// The server.
    pub server: SocketAddr,
    /// The first address that connections come from, and how many that follow it are taken in turn, as
    /// Linux allows for all of 127.0.0.0/8; `None`: the system's choice.
    pub from: Option<(Ipv4Addr, u8)>,
    /// A grant of the attacker's, with the right to read, and to append where the attack does.
    pub share: ShareRef,
}

/// Who attacks.
#[derive(Debug)]
pub(crate) struct Attacker {
    pub(crate) target: Target,
    pub(crate) tally: Tally,
    pub(crate) entropy: SystemEntropy,
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Peer<'a> {
    stream: TcpStream,
    pub(crate) attacker: &'a Attacker,
}

impl Attacker {
    pub(crate) fn new(target: Target, tally: Tally) -> Self {
        Self {
            target,
            tally,
            entropy: SystemEntropy::default(),
        }
    }

    /// Runs `lanes` connections at a time, each one again when it has ended, and never ends.
    pub(crate) async fn swarm<'a>(
        &'a self,
        lanes: usize,
        one: impl AsyncFn(Peer<'a>) -> io::Result<()>,
    ) {
        self.swarm_with(lanes, None, one).await;
    }

    /// As [`Attacker::swarm`], with a buffer for what is received of no more than `buffer_bytes`.
    pub(crate) async fn swarm_with<'a>(
        &'a self,
        lanes: usize,
        buffer_bytes: Option<u32>,
        one: impl AsyncFn(Peer<'a>) -> io::Result<()>,
    ) {
        let one = &one;
        let lane = |number| async move {
            let mut pace = tokio::time::interval(RECONNECT);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                pace.tick().await;
                match self.connect(number, buffer_bytes).await {
                    Ok(peer) => {
                        // However it ended: the next one tries again.
                        let _ = one(peer).await;
                        self.tally.ended();
                    }
                    Err(_) => self.tally.refused(),
                }
            }
        };
        join_all((0..lanes).map(lane)).await;
    }

    async fn connect(&self, lane: usize, buffer_bytes: Option<u32>) -> io::Result<Peer<'_>> {
        let Target { server, from, .. } = self.target;
        let socket = match server {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        if let Some((first, count)) = from {
            let further = u32::try_from(lane % usize::from(count.max(1))).unwrap_or(0);
            let address = Ipv4Addr::from_bits(first.to_bits() + further);
            socket.bind(SocketAddr::new(IpAddr::V4(address), 0))?;
        }
        if let Some(bytes) = buffer_bytes {
            socket.set_recv_buffer_size(bytes)?;
        }
        let stream = socket.connect(server).await?;
        stream.set_nodelay(true)?;
        self.tally.connected();
        Ok(Peer {
            stream,
            attacker: self,
        })
    }
}

impl Peer<'_> {
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.attacker.tally.sent(bytes.len());
        Ok(())
    }

    /// Counts a deed.
    pub(crate) fn deed(&self) {
        self.attacker.tally.deeds(1);
    }

    /// Reads and forgets, until the other side ends the connection.
    pub(crate) async fn swallow(&mut self) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let bytes = self.stream.read(&mut buffer).await?;
            if bytes == 0 {
                return Ok(());
            }
            self.attacker.tally.received(bytes);
        }
    }

    /// Reads nothing, until the other side breaks the connection.
    pub(crate) async fn ignore(&mut self) -> io::Result<()> {
        // What has arrived and is not read does not end this.
        self.stream.ready(tokio::io::Interest::ERROR).await?;
        Ok(())
    }

    /// Reads and forgets while it sends what `next` gives, each a deed.
    pub(crate) async fn talk(&mut self, next: impl FnMut() -> Vec<u8>) -> io::Result<()> {
        self.talk_in(1, next).await
    }

    /// As [`Peer::talk`], with `together` deeds in one write.
    pub(crate) async fn talk_in(
        &mut self,
        together: u32,
        mut next: impl FnMut() -> Vec<u8>,
    ) -> io::Result<()> {
        let attacker = self.attacker;
        let (mut read, mut write) = self.stream.split();
        let sending = async {
            loop {
                let bytes = (0..together).flat_map(|_| next()).collect::<Vec<u8>>();
                write.write_all(&bytes).await?;
                attacker.tally.sent(bytes.len());
                attacker.tally.deeds(together.into());
            }
        };
        let reading = async {
            let mut buffer = vec![0; 64 << 10];
            loop {
                match read.read(&mut buffer).await? {
                    0 => return Ok(()),
                    bytes => attacker.tally.received(bytes),
                }
            }
        };
        tokio::select! {
            sent = sending => sent,
            left = reading => left,
        }
    }

    /// The next message.
    async fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut message = vec![0; 8];
        self.stream.read_exact(&mut message).await?;
        let rest = message::rest_of_header(&message);
        self.read_on(&mut message, rest).await?;
        let body = message::body_bytes(&message);
        self.read_on(&mut message, body).await?;
        self.attacker.tally.received(message.len());
        Ok(message)
    }

    /// Reads up to the answer to `question`; what else comes is forgotten.
    pub(crate) async fn answered(&mut self, question: u32) -> io::Result<()> {
        while self.any_answer().await? != question {}
        Ok(())
    }

    /// Reads up to the next answer, and says which question it is for; what else comes is forgotten.
    pub(crate) async fn any_answer(&mut self) -> io::Result<u32> {
        loop {
            if let Some(question) = message::answers(&self.receive().await?)? {
                return Ok(question);
            }
        }
    }

    async fn read_on(&mut self, message: &mut Vec<u8>, more: usize) -> io::Result<()> {
        let begin = message.len();
        message.resize(begin + more, 0);
        self.stream.read_exact(&mut message[begin..]).await?;
        Ok(())
    }
}
