//! Nesting: what is read level by level may take a stack frame each.

use std::io;

use share_model::Mutation;

use crate::appending::Lane;
use crate::message;
use crate::peer::{Attacker, Peer};
use crate::session::greet;

const CONNECTIONS: usize = 4;
/// Messages within messages.
const MESSAGE_LEVELS: usize = 2000;
/// Arrays within arrays: as many as two megabytes of text hold.
const JSON_LEVELS: usize = 1 << 20;

/// Messages within messages.
pub(crate) async fn messages(attacker: &Attacker) {
    let bytes = message::nested(MESSAGE_LEVELS);
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        peer.send(&bytes).await?;
        peer.deed();
        peer.swallow().await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Ops whose JSON is arrays or objects within each other.
pub(crate) async fn json(attacker: &Attacker) {
    let arrays = "[".repeat(JSON_LEVELS) + &"]".repeat(JSON_LEVELS);
    let objects = "{\"a\":".repeat(JSON_LEVELS / 4) + "1" + &"}".repeat(JSON_LEVELS / 4);
    let open = "[".repeat(JSON_LEVELS);
    let mutations = [&arrays, &objects, &open].map(|json| Mutation::Put {
        key: "deep".into(),
        json: json.clone().into(),
    });
    let one = async |peer: Peer<'_>| {
        let mut lane = Lane::open(peer).await?;
        loop {
            for mutation in &mutations {
                lane.append([mutation.clone()]).await?;
            }
        }
    };
    attacker.swarm(1, one).await;
}
