//! Messages that come a byte now and then.

use std::io;
use std::time::Duration;

use tokio::time::MissedTickBehavior;

use crate::message;
use crate::peer::{Attacker, Peer};
use crate::session::{BOOTSTRAP, greet};

const CONNECTIONS: usize = 200;
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
