//! Calls whose answers nobody takes.

use std::io;

use crate::calls;
use crate::message::{self, Method, Of};
use crate::peer::{Attacker, Peer};
use crate::session::{self, BOOTSTRAP, FREE, SESSION, greet};
use crate::wild;

const CONNECTIONS: usize = 8;
/// Connections on which nothing is read.
const UNREADING: usize = 64;
/// Bytes of a message that is sent back.
const ECHOED_BYTES: u64 = 4096;
/// Calls and cancellations that go in one write.
const TOGETHER: u32 = 64;
/// The smallest buffer that the system gives, about: the other side's window is soon closed.
const NO_BUFFER: u32 = 1;
/// Subscriptions of each connection.
const SUBSCRIPTIONS: u32 = 64;

/// Calls and messages that are sent back, without end; nothing of what comes is read.
pub(crate) async fn answers(attacker: &Attacker) {
    let echoed = wild::echoed(ECHOED_BYTES);
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        let mut question = FREE;
        loop {
            let of = Of::Bootstrap(BOOTSTRAP);
            peer.send(&calls::plain(question, of, Method::NONE)).await?;
            peer.send(&echoed).await?;
            peer.deed();
            question += 1;
        }
    };
    attacker.swarm_with(UNREADING, Some(NO_BUFFER), one).await;
}

/// Calls that are finished in the same breath.
pub(crate) async fn cancelled(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        greet(&mut peer).await?;
        let wrong = calls::wrong(&attacker.target.share, &attacker.entropy);
        let mut question = FREE;
        peer.talk_in(TOGETHER, || {
            question += 1;
            let mut bytes = calls::redeem(question, Of::Bootstrap(BOOTSTRAP), &wrong);
            bytes.extend(message::finish(question, true));
            bytes
        })
        .await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Subscribes to everything, and reads nothing of it.
pub(crate) async fn subscriptions(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        subscribe(&mut peer).await?;
        peer.ignore().await
    };
    attacker.swarm_with(CONNECTIONS, Some(NO_BUFFER), one).await;
}

/// Subscribes to everything, reads it, and never says that it has.
pub(crate) async fn sinks(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        subscribe(&mut peer).await?;
        peer.swallow().await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

async fn subscribe(peer: &mut Peer<'_>) -> io::Result<()> {
    session::open(peer).await?;
    for question in FREE..FREE + SUBSCRIPTIONS {
        peer.send(&calls::subscribe(question, Of::Answer(SESSION)))
            .await?;
        peer.deed();
    }
    Ok(())
}
