//! Checkpoints that can't be read. That they hold the whole state is checked after every command
//! of every other test.

use share_model::{Document, Limits, Right, Rights, UnixMs};

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
    head[0] = 3;
    let read = ShareState::from_checkpoint(&head, Document::default(), Limits::DEFAULT);
    assert_eq!(read, Err(RecordError::Newer { found: 3 }));
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

/// The bytes are those that the version before wrote of this share.
#[test]
fn a_checkpoint_of_format_1_is_read_with_all_that_it_holds() {
    let mut share = share();
    let owner = share.owner.clone();
    share.mint(&owner, 2, Rights::of(&[Right::Read]));
    let bytes = include_bytes!("format_1.bin");
    assert_eq!(bytes[0], 1);
    let document = share.state.document().clone();
    let limits = *share.state.limits();
    let mut read = ShareState::from_checkpoint(bytes, document, limits).unwrap();
    assert_eq!(
        read.redeem(grant(2), &secret(2), None, UnixMs::new(1000))
            .unwrap()
            .rights(),
        Rights::of(&[Right::Read])
    );
    // What it could not say: no audit, no usage, and of what was stored only what is there.
    assert!(read.audit(&share.context, &owner, 0).unwrap().is_empty());
    assert_eq!(read.stored_bytes(), share.state.document().bytes());
    read.head.audit = share.state.head.audit.clone();
    read.head.stored_bytes = share.state.head.stored_bytes;
    let own = share.state.head.grants.get(grant(1)).unwrap().usage;
    *read.head.grants.usage_mut(grant(1)).unwrap() = own;
    let kind = crate::MintKind::Saved;
    share.state.head.grants.get_mut(grant(2)).unwrap().kind = Some(kind);
    assert_eq!(read, share.state);
}

#[test]
fn a_checkpoint_tells_which_grants_it_knows_without_its_document() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, share_model::Rights::ALL);
    let head = share.state.checkpoint();
    let grants = ShareState::grants_in(&head).unwrap();
    assert_eq!(grants, [(grant(1), secret(1)), (grant(2), secret(2))]);
    assert!(ShareState::grants_in(&[]).is_err());
}
