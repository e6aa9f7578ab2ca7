//! Deleting a share.

use share_model::{Cursor, RefusalCode, Rights};

use super::*;
use crate::fixture::*;
use crate::{BumpEpoch, RecordError};

#[track_caller]
fn delete(share: &mut Share, by: &Authority) -> Result<(u32, bool), Refusal> {
    share.run(
        |state, context| match state.delete(context, by, origin("deleter")) {
            Ok((in_force, record)) => (Ok((in_force, record.is_some())), record),
            Err(refusal) => (Err(refusal), None),
        },
    )
}

fn bump(n: u8) -> BumpEpoch {
    BumpEpoch {
        request: request(n),
        owner_grant: grant(n),
        owner_secret_hash: secret(n),
        origin: origin("bumper"),
    }
}

/// With an op, a child grant 2 that may append, and a grant of an epoch that has ended.
fn share() -> Share {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.run(|state, context| state.bump_epoch(context, &owner, bump(5)).unwrap());
    share.owner = share.redeem(5).unwrap();
    let owner = share.owner.clone();
    share.mint(&owner, 2, Rights::of(&[Right::Read, Right::Append]));
    let mut appender = share.claim(A);
    share
        .send(&mut appender, 0, vec![entry(1, put(1))])
        .unwrap();
    share
}

#[test]
fn a_deleted_share_has_no_content_and_is_gone_to_who_proves_a_grant_that_it_had() {
    let mut share = share();
    let owner = share.owner.clone();
    let child = share.redeem(2).unwrap();
    assert_eq!(delete(&mut share, &owner), Ok((2, true)));
    assert!(share.state.is_deleted());
    assert_eq!(share.document(), "");
    assert_eq!(share.state.title(), "");
    assert_eq!(share.state.head.ledger, Ledger::default());
    let now = share.context.now;
    for n in [1, 2, 5] {
        let refused = share.redeem(n).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Gone, "grant {n}");
    }
    let wrong = share.state.redeem(grant(5), &secret(9), None, now);
    assert_eq!(wrong.unwrap_err().code, RefusalCode::NotAuthorized);
    for ended in [&owner, &child] {
        let refused = share.state.authorize(ended, Right::Read, now);
        assert_eq!(refused.unwrap_err().code, RefusalCode::Gone);
    }
}

#[test]
fn a_late_replay_does_not_bring_a_deleted_share_back() {
    let mut share = share();
    let owner = share.owner.clone();
    let mut appender = share.claim(A);
    delete(&mut share, &owner).unwrap();
    let sent = share.send(&mut appender, 0, vec![entry(2, put(2))]);
    assert_eq!(sent.unwrap_err().code, RefusalCode::Gone);
    let request = share.request(A);
    let claimed = share.try_claim(&owner, request);
    assert_eq!(claimed.unwrap_err().code, RefusalCode::Gone);
    let bumped = share.state.bump_epoch(&share.context, &owner, bump(6));
    assert_eq!(bumped.unwrap_err().code, RefusalCode::Gone);
    // Not even the bump that was the last one is answered again.
    let old = share.state.prove(grant(1), &secret(1), None).unwrap();
    let bumped = share.state.bump_epoch(&share.context, &old, bump(5));
    assert_eq!(bumped.unwrap_err().code, RefusalCode::Gone);
    assert_eq!(share.state.cursor(), Cursor::new(1), "which stays");
}

#[test]
fn deleting_is_repeatable_by_who_might_have_deleted() {
    let mut share = share();
    let owner = share.owner.clone();
    let child = share.redeem(2).unwrap();
    let old = share.state.prove(grant(1), &secret(1), None).unwrap();
    let refused = delete(&mut share, &child).unwrap_err();
    assert_eq!(refused.code, RefusalCode::RightMissing);
    delete(&mut share, &owner).unwrap();
    assert_eq!(delete(&mut share, &owner), Ok((0, false)));
    for other in [&child, &old] {
        let refused = delete(&mut share, other).unwrap_err();
        assert_eq!(refused.code, RefusalCode::Gone);
    }
    // On another connection, by proof of the secret.
    let proven = share.state.prove(grant(5), &secret(5), None).unwrap();
    assert_eq!(delete(&mut share, &proven), Ok((0, false)));
}

#[test]
fn creating_it_again_answers_as_ever_and_makes_nothing_new() {
    let mut share = share();
    let owner = share.owner.clone();
    delete(&mut share, &owner).unwrap();
    let state = &share.state;
    assert!(state.is_created_by(grant(200), request(1), &secret(1)));
    assert_eq!(state.created_grant(), grant(1));
}

#[test]
fn a_record_after_the_deletion_is_a_contradiction() {
    let mut share = share();
    let owner = share.owner.clone();
    let mut twin = share.state.clone();
    let (_, record) = twin
        .set_frozen(&share.context, &owner, true, origin("freezer"))
        .unwrap();
    delete(&mut share, &owner).unwrap();
    let mut late = record.unwrap();
    late.version = share.state.version().next();
    let applied = share.state.apply(&late);
    assert!(
        matches!(applied, Err(RecordError::Contradiction { .. })),
        "{applied:?}"
    );
}
