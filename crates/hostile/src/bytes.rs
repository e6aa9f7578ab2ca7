//! What is no message at all: announcements, noise, silence, and another protocol.

use std::io;

use share_model::seam::Entropy;

use crate::peer::{Attacker, Peer};

/// Connections that announce messages.
const ANNOUNCING: usize = 100;
/// Words of what each announces: 64 MiB.
const ANNOUNCED_WORDS: u32 = 8 << 20;
/// Segments of an announcement in many: the most that the library takes.
const SEGMENTS: u32 = 511;
/// Connections that say nothing.
const IDLE: usize = 2000;
/// Connections that are more than a server takes.
const CROWD: usize = 5000;
/// Connections that begin something and leave it at that.
const HALF_OPEN: usize = 500;
/// Connections that send noise.
const NOISY: usize = 8;
const NOISE_BYTES: usize = 4096;
/// How a TLS client begins: a handshake record of 512 bytes with a hello of TLS 1.2, and no more.
const CLIENT_HELLO: [u8; 11] = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];

/// Announces a message of 64 MiB in one segment.
pub(crate) async fn announce(attacker: &Attacker) {
    let header = [0, ANNOUNCED_WORDS].map(u32::to_le_bytes).concat();
    say_and_wait(attacker, ANNOUNCING, &header).await;
}

/// Announces a message of 64 MiB in as many segments as there may be.
pub(crate) async fn announce_segments(attacker: &Attacker) {
    let mut header = (SEGMENTS - 1).to_le_bytes().to_vec();
    for _ in 0..SEGMENTS {
        header.extend((ANNOUNCED_WORDS / SEGMENTS).to_le_bytes());
    }
    header.resize(header.len().next_multiple_of(8), 0);
    say_and_wait(attacker, ANNOUNCING, &header).await;
}

/// Connects and says nothing.
pub(crate) async fn idle(attacker: &Attacker) {
    say_and_wait(attacker, IDLE, &[]).await;
}

/// Connects and says nothing, with more connections than a server takes.
pub(crate) async fn crowd(attacker: &Attacker) {
    say_and_wait(attacker, CROWD, &[]).await;
}

/// Connects as if to begin TLS, and says nothing.
pub(crate) async fn silent_tls(attacker: &Attacker) {
    say_and_wait(attacker, HALF_OPEN, &[]).await;
}

/// Sends the beginning of a TLS client's hello.
pub(crate) async fn half_hello(attacker: &Attacker) {
    say_and_wait(attacker, HALF_OPEN, &CLIENT_HELLO).await;
}

/// Sends random bytes, without end.
pub(crate) async fn noise(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| {
        let mut noise = vec![0; NOISE_BYTES];
        peer.talk(|| {
            attacker.entropy.fill(&mut noise);
            noise.clone()
        })
        .await
    };
    attacker.swarm(NOISY, one).await;
}

async fn say_and_wait(attacker: &Attacker, connections: usize, words: &[u8]) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        peer.send(words).await?;
        peer.deed();
        peer.swallow().await
    };
    attacker.swarm(connections, one).await;
}
