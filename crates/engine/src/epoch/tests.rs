//! Bumping the epoch.

use share_model::{Epoch, Refusal, RefusalCode, Right, Rights};

use crate::fixture::*;
use crate::{Authority, BumpEpoch};

fn bump(n: u8) -> BumpEpoch {
    BumpEpoch {
        request: request(n),
        owner_grant: grant(n),
        owner_secret_hash: secret(n),
        origin: origin("bumper"),
    }
}

#[track_caller]
fn bumped(share: &mut Share, by: &Authority, bump: BumpEpoch) -> Result<(u64, bool), Refusal> {
    share.run(|state, context| match state.bump_epoch(context, by, bump) {
        Ok((bumped, record)) => (Ok((bumped.epoch.get(), record.is_some())), record),
        Err(refusal) => (Err(refusal), None),
    })
}

#[test]
fn a_bump_ends_every_grant_and_session_and_installs_a_new_owner() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let child = share.mint(&owner, 2, Rights::ALL);
    let mut appender = share.claim_by(&child, A);
    assert_eq!(bumped(&mut share, &owner, bump(5)), Ok((2, true)));
    let now = share.context.now;
    for authority in [&owner, &child] {
        let refusal = share
            .state
            .authorize(authority, Right::Read, now)
            .unwrap_err();
        assert_eq!(refusal.code, RefusalCode::StaleEpoch);
    }
    let sent = share.send_by(&child, &mut appender, 0, &batch(vec![entry(1, put(1))]));
    assert_eq!(sent.unwrap_err().code, RefusalCode::StaleEpoch);
    let new = share.state.redeem(grant(5), &secret(5), None, now).unwrap();
    assert_eq!((new.epoch(), new.rights()), (Epoch::new(2), Rights::ALL));
}

#[test]
fn stale_epoch_is_told_only_to_who_proves_the_secret() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    bumped(&mut share, &owner, bump(5)).unwrap();
    let now = share.context.now;
    let code = |share: &Share, s| {
        share
            .state
            .redeem(grant(1), &secret(s), None, now)
            .unwrap_err()
            .code
    };
    assert_eq!(code(&share, 1), RefusalCode::StaleEpoch);
    assert_eq!(code(&share, 2), RefusalCode::NotAuthorized);
    // A further bump forgets the grants of the epoch before: the list is bounded.
    let new = share.state.redeem(grant(5), &secret(5), None, now).unwrap();
    bumped(&mut share, &new, bump(6)).unwrap();
    assert_eq!(code(&share, 1), RefusalCode::NotAuthorized);
}

#[test]
fn a_repeated_bump_gives_the_same_answer_also_under_the_authority_that_it_ended() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    assert_eq!(bumped(&mut share, &owner, bump(5)), Ok((2, true)));
    assert_eq!(bumped(&mut share, &owner, bump(5)), Ok((2, false)));
    // On a new connection, by proof of the old secret.
    let proven = share.state.prove(grant(1), &secret(1), None).unwrap();
    let other_id = BumpEpoch {
        owner_grant: grant(77),
        ..bump(5)
    };
    let again = share.run(|state, context| state.bump_epoch(context, &proven, other_id).unwrap());
    assert_eq!(again.grant, grant(5), "the grant that it got first");
    let new = share
        .state
        .redeem(grant(5), &secret(5), None, share.context.now)
        .unwrap();
    assert_eq!(bumped(&mut share, &new, bump(5)), Ok((2, false)));
}

#[test]
fn a_repeat_by_someone_else_or_with_another_secret_is_refused() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let reader = share.mint(&owner, 2, Rights::of(&[Right::Read]));
    bumped(&mut share, &owner, bump(5)).unwrap();
    let refusal = bumped(&mut share, &reader, bump(5)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StaleEpoch);
    let other = BumpEpoch {
        owner_secret_hash: secret(6),
        ..bump(5)
    };
    let refusal = bumped(&mut share, &owner, other).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidRequest);
    let refusal = bumped(&mut share, &owner, bump(6)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::StaleEpoch);
}

#[test]
fn bumping_needs_admin_and_a_grant_id_that_is_free() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let rights = Rights::of(&[Right::Read, Right::Append]);
    let child = share.mint(&owner, 2, rights);
    let refusal = bumped(&mut share, &child, bump(5)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RightMissing);
    let refusal = bumped(&mut share, &owner, bump(2)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidRequest);
}

#[test]
fn a_lane_goes_on_under_the_new_epoch() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    bumped(&mut share, &owner, bump(5)).unwrap();
    share.owner = share
        .state
        .redeem(grant(5), &secret(5), None, share.context.now)
        .unwrap();
    let outcomes = share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, put(2))])
        .unwrap();
    assert_eq!(outcomes, [duplicate(1), applied(2)]);
}
