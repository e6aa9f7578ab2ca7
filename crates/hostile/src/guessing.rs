//! Redeems with secrets that are wrong.

use std::io;

use crate::calls;
use crate::message::{self, Of};
use crate::peer::{Attacker, Peer};
use crate::session::{BOOTSTRAP, FREE, greet};

const CONNECTIONS: usize = 64;
/// Redeems of one round before its answers are waited for.
const TOGETHER: u32 = 8;

/// Tries secrets of a grant that exists.
pub(crate) async fn wrong_secrets(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        let mut question = FREE;
        loop {
            let asked = question..question + TOGETHER;
            question += TOGETHER;
            for question in asked.clone() {
                let wrong = calls::wrong(&attacker.target.share, &attacker.entropy);
                let redeem = calls::redeem(question, Of::Bootstrap(BOOTSTRAP), &wrong);
                peer.send(&redeem).await?;
                peer.deed();
            }
            for _ in asked {
                let answered = peer.any_answer().await?;
                peer.send(&message::finish(answered, true)).await?;
            }
        }
    };
    attacker.swarm(CONNECTIONS, one).await;
}
