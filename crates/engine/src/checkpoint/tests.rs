//! Checkpoints that can't be read. That they hold the whole state is checked after every command
//! of every other test.

use share_model::{Document, Limits};

use super::*;
use crate::fixture::*;

fn share() -> Share {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, text(2))])
        .unwrap();
    share
}

#[test]
fn a_checkpoint_cut_short_anywhere_is_refused_without_panic() {
    let share = share();
    let head = share.state.checkpoint();
    for len in 0..head.len() {
        let document = share.state.document().clone();
        let read = ShareState::from_checkpoint(&head[..len], document, Limits::DEFAULT);
        assert!(matches!(read, Err(RecordError::Malformed)), "{len} bytes");
    }
}

#[test]
fn a_checkpoint_with_any_byte_flipped_gives_a_sound_state_or_an_error() {
    let share = share();
    let head = share.state.checkpoint();
    for at in 0..head.len() {
        let mut flipped = head.clone();
        flipped[at] ^= 0x81;
        let document = share.state.document().clone();
        if let Ok(state) = ShareState::from_checkpoint(&flipped, document, Limits::DEFAULT) {
            assert!(state.head.ledger.is_sound(), "byte {at}");
        }
    }
}

#[test]
fn a_checkpoint_of_a_newer_version_says_so() {
    let share = share();
    let mut head = share.state.checkpoint();
    head[0] = 2;
    let read = ShareState::from_checkpoint(&head, Document::default(), Limits::DEFAULT);
    assert_eq!(read, Err(RecordError::Newer { found: 2 }));
}

#[test]
fn a_checkpoint_does_not_take_another_ones_document() {
    let share = share();
    let read = ShareState::from_checkpoint(
        &share.state.checkpoint(),
        Document::default(),
        Limits::DEFAULT,
    );
    assert!(matches!(read, Err(RecordError::Contradiction { .. })));
}
