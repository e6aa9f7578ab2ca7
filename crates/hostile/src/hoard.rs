//! Capabilities that are asked for again and again and never given back.

use std::io;

use crate::calls;
use crate::message::{self, Method, Of, call};
use crate::peer::{Attacker, Peer};
use crate::session::{self, BOOTSTRAP, FREE, SESSION};

const CONNECTIONS: usize = 4;
/// Calls of one round before its answers are waited for.
const TOGETHER: u32 = 32;
/// Capabilities in the table of one message.
const DESCRIPTORS: u32 = 2000;

/// Redeems the same ref again and again.
pub(crate) async fn sessions(attacker: &Attacker) {
    keep(attacker, |question| {
        calls::redeem(question, Of::Bootstrap(BOOTSTRAP), &attacker.target.share)
    })
    .await;
}

/// Claims lane after lane.
pub(crate) async fn appenders(attacker: &Attacker) {
    keep(attacker, |question| {
        calls::claim(question, Of::Answer(SESSION), &attacker.entropy)
    })
    .await;
}

/// Subscribes again and again.
pub(crate) async fn subscriptions(attacker: &Attacker) {
    keep(attacker, |question| {
        calls::subscribe(question, Of::Answer(SESSION))
    })
    .await;
}

/// Takes snapshots again and again.
pub(crate) async fn snapshots(attacker: &Attacker) {
    keep(attacker, |question| {
        calls::plain(question, Of::Answer(SESSION), Method::DOCUMENT)
    })
    .await;
}

/// Sends calls whose tables are full of capabilities of the attacker's.
pub(crate) async fn descriptors(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        session::greet(&mut peer).await?;
        let mut question = FREE;
        peer.talk(|| {
            question += 1;
            let of = Of::Bootstrap(BOOTSTRAP);
            call(question, of, Method::NONE, DESCRIPTORS, |_| {})
        })
        .await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Asks in rounds, and says of each answer that it is done with, but not what came in it.
async fn keep(attacker: &Attacker, ask: impl Fn(u32) -> Vec<u8>) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        session::open(&mut peer).await?;
        let mut question = FREE;
        loop {
            let asked = question..question + TOGETHER;
            question += TOGETHER;
            for question in asked.clone() {
                peer.send(&ask(question)).await?;
            }
            for _ in asked {
                // In the order of the answers: one that is finished before is cancelled.
                let answered = peer.any_answer().await?;
                peer.deed();
                peer.send(&message::finish(answered, false)).await?;
            }
        }
    };
    attacker.swarm(CONNECTIONS, one).await;
}
