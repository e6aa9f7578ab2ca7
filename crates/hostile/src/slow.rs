//! Messages that come a byte now and then.

use std::io;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::message;
use crate::peer::{Attacker, Peer};
use crate::session::{self, BOOTSTRAP, greet};

const CONNECTIONS: usize = 200;
/// Connections with a large message.
const LARGE: usize = 32;
/// Words of a large message: 31 MiB, within what a batch may have.
const LARGE_WORDS: u32 = 31 << 17;
/// What comes of it at a time.
const PIECE_BYTES: usize = 16 << 10;
const PIECE_PACE: Duration = Duration::from_secs(4);
/// From one byte to the next: the shortest message takes half a minute.
const PACE: Duration = Duration::from_millis(500);
/// Words that the later message is announced to have: 4 MiB.
const ANNOUNCED_WORDS: u32 = 512 << 10;

/// The first message of each connection.
pub(crate) async fn first(attacker: &Attacker) {
    let bytes = message::bootstrap(BOOTSTRAP);
    let one = async |mut peer: Peer<'_>| drip(&mut peer, &bytes).await;
    attacker.swarm(CONNECTIONS, one).await;
}

/// A later one, which is announced to be long.
pub(crate) async fn later(attacker: &Attacker) {
    // One segment; nobody waits for all of it.
    let mut bytes = [0, ANNOUNCED_WORDS].map(u32::to_le_bytes).concat();
    bytes.resize(64 << 10, 0);
    let one = async |mut peer: Peer<'_>| {
        greet(&mut peer).await?;
        drip(&mut peer, &bytes).await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Large messages of peers with a grant, which go on just so fast that they have not stalled: who
/// waits for room for a large message of its own waits for all of them.
pub(crate) async fn large(attacker: &Attacker) {
    let header = [0, LARGE_WORDS].map(u32::to_le_bytes).concat();
    let piece = vec![0; PIECE_BYTES];
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        session::open(&mut peer).await?;
        peer.any_answer().await?;
        peer.any_answer().await?;
        peer.send(&header).await?;
        let mut pace = tokio::time::interval(PIECE_PACE);
        loop {
            pace.tick().await;
            peer.send(&piece).await?;
            peer.deed();
        }
    };
    attacker.swarm(LARGE, one).await;
}

async fn drip(peer: &mut Peer<'_>, bytes: &[u8]) -> io::Result<()> {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for byte in bytes {
        pace.tick().await;
        peer.send(&[*byte]).await?;
        peer.deed();
    }
    peer.swallow().await
}
