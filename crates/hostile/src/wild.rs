//! Well-framed messages whose pointers point where they must not.

use std::io;

use share_model::seam::Entropy;

use crate::calls;
use crate::message::Of;
use crate::peer::{Attacker, Peer};
use crate::session::{BOOTSTRAP, FREE, greet};

const CONNECTIONS: usize = 8;
/// Calls of a connection before it begins anew; most end with the first.
const CALLS: u32 = 64;
const WORD_BYTES: usize = 8;
/// Lists of pointers to one and the same text: a message of 48 KiB that would be 62 MiB if it were
/// copied pointer by pointer.
const POINTERS: u64 = 4000;
const TEXT_BYTES: u64 = 16 << 10;
/// Which member of the message's union is sent: one that a peer sends back as not understood.
const OBSOLETE_SAVE: u64 = 7;
/// The root of a message: a struct right behind it of one data word, which says the member, and one
/// pointer.
const ROOT: u64 = 1 << 32 | 1 << 48;

/// Valid redeems with one word replaced by a pointer that leads out of the message.
pub(crate) async fn out_of_range(attacker: &Attacker) {
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        let share = calls::wrong(&attacker.target.share, &attacker.entropy);
        for question in FREE..FREE + CALLS {
            let mut bytes = calls::redeem(question, Of::Bootstrap(BOOTSTRAP), &share);
            let words = bytes.len() / WORD_BYTES - 1;
            // The first word is the header.
            let at = 1 + below(&attacker.entropy, words);
            let wild = pointer(&attacker.entropy).to_le_bytes();
            bytes[at * WORD_BYTES..][..WORD_BYTES].copy_from_slice(&wild);
            peer.send(&bytes).await?;
            peer.deed();
        }
        peer.swallow().await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Far pointers that lead to each other, for ever.
pub(crate) async fn cycles(attacker: &Attacker) {
    let far = |segment: u64, is_double: u64| 2 | is_double << 2 | segment << 32;
    let to_each_other = framed(&[&[far(1, 0)], &[far(0, 0)]]);
    let to_itself = framed(&[&[far(0, 0)]]);
    let by_landing_pads = framed(&[&[far(1, 1)], &[far(0, 1), far(1, 1)]]);
    // A struct whose pointer is the struct itself: one data word, one pointer.
    let in_itself = framed(&[&[ROOT, 0, word_back(3)]]);
    let all = [to_each_other, to_itself, by_landing_pads, in_itself];
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        peer.send(&all[below(&attacker.entropy, all.len())]).await?;
        peer.deed();
        peer.swallow().await
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// Messages that are sent back as not understood, and grow a thousandfold if they are copied. What
/// comes back is not read.
pub(crate) async fn amplified_echo(attacker: &Attacker) {
    let bytes = amplified();
    let one = async |mut peer: Peer<'_>| -> io::Result<()> {
        greet(&mut peer).await?;
        loop {
            peer.send(&bytes).await?;
            peer.deed();
        }
    };
    attacker.swarm(CONNECTIONS, one).await;
}

/// A message with `bytes` in it that is sent back as not understood.
pub(crate) fn echoed(bytes: u64) -> Vec<u8> {
    let mut words = vec![ROOT, OBSOLETE_SAVE, list(0, 2, bytes)];
    words.extend((0..bytes.div_ceil(8)).map(|_| 0));
    framed(&[&words])
}

fn amplified() -> Vec<u8> {
    // A list of pointers.
    let mut words = vec![ROOT, OBSOLETE_SAVE, list(0, 6, POINTERS)];
    // Each points behind the last of them, to the same bytes.
    words.extend((0..POINTERS).map(|at| list(POINTERS - 1 - at, 2, TEXT_BYTES)));
    words.extend((0..TEXT_BYTES / 8).map(|_| 0));
    framed(&[&words])
}

/// A pointer to a list, `offset` words behind it, of `count` elements of a kind.
fn list(offset: u64, kind: u64, count: u64) -> u64 {
    1 | offset << 2 | kind << 32 | count << 35
}

/// A pointer to a struct of one data word and one pointer that begins `words` before its end.
fn word_back(words: u64) -> u64 {
    let offset = words.wrapping_neg() & 0x3fff_ffff;
    offset << 2 | ROOT
}

/// A message of these segments.
fn framed(segments: &[&[u64]]) -> Vec<u8> {
    let count = u32::try_from(segments.len() - 1).expect("there are few segments");
    let mut bytes = count.to_le_bytes().to_vec();
    for segment in segments {
        let words = u32::try_from(segment.len()).expect("they are short");
        bytes.extend(words.to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(WORD_BYTES), 0);
    let words = segments.iter().flat_map(|segment| segment.iter());
    bytes.extend(words.flat_map(|word| word.to_le_bytes()));
    bytes
}

/// A pointer of any kind whose target lies far out, or whose size is the largest.
fn pointer(entropy: &dyn Entropy) -> u64 {
    let kind = entropy.below(4);
    let far_out = 0x1fff_ffff_u64 << 2;
    let large = entropy.below(1 << 32) << 32;
    kind | far_out | large
}

fn below(entropy: &dyn Entropy, bound: usize) -> usize {
    usize::try_from(entropy.below(bound as u64)).expect("it is below the bound")
}
