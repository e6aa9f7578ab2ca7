//! Small calls for large answers.

use std::io;

use crate::calls;
use crate::message::{self, Method, Of};
use crate::peer::{Attacker, Peer};
use crate::session::{self, FREE, SESSION};

const CONNECTIONS: usize = 8;
/// Connections on which nothing is read: what is held for one is held for each.
const UNREADING: usize = 200;
/// The question for the snapshot that is read.
const SNAPSHOT: u32 = FREE;
/// Calls of one round before its answers are waited for.
const TOGETHER: u32 = 64;

/// Reads pages of the document again and again, a thousand at a time, and nothing of what comes.
pub(crate) async fn unread(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        open(&mut peer).await?;
        let mut question = SNAPSHOT;
        loop {
            question += 1;
            peer.send(&getter(question)).await?;
            peer.deed();
        }
    };
    attacker.swarm(UNREADING, one).await;
}

/// The same, and reads what comes.
pub(crate) async fn read(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        open(&mut peer).await?;
        let mut question = SNAPSHOT;
        loop {
            let asked = question + 1..=question + TOGETHER;
            question += TOGETHER;
            for question in asked.clone() {
                peer.send(&getter(question)).await?;
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

async fn open(peer: &mut Peer<'_>) -> io::Result<()> {
    session::open(peer).await?;
    let document = calls::plain(SNAPSHOT, Of::Answer(SESSION), Method::DOCUMENT);
    peer.send(&document).await
}

/// Most are for a page of a megabyte; the others for what a session has besides.
fn getter(question: u32) -> Vec<u8> {
    let of = Of::Answer(SESSION);
    match question % 8 {
        0 => calls::plain(question, of, Method::DOCUMENT),
        1 => calls::plain(question, of, Method::WRITERS),
        2 => calls::plain(question, of, Method::GRANTS),
        3 => calls::plain(question, of, Method::AUDIT),
        _ => calls::read_snapshot(question, Of::Answer(SNAPSHOT)),
    }
}
