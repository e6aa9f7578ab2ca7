//! Redeeming, and authority on every call.

use share_model::{RefusalCode, Right, Rights, UnixMs};

use crate::MintChild;
use crate::fixture::*;

#[test]
fn an_unknown_grant_and_a_wrong_secret_get_the_same_answer() {
    let share = Share::new();
    let now = share.context.now;
    let unknown = share.state.redeem(grant(9), &secret(1), now).unwrap_err();
    let wrong = share.state.redeem(grant(1), &secret(9), now).unwrap_err();
    assert_eq!(unknown, wrong);
    assert_eq!(unknown.code, RefusalCode::NotAuthorized);
    // Nor does the hash that an unknown grant is compared with open anything.
    let dummy = share.state.redeem(grant(9), &secret(0), now).unwrap_err();
    assert_eq!(dummy, wrong);
}

#[test]
fn a_grant_allows_what_its_rights_say() {
    let mut share = Share::new();
    let reader = share.mint(&share.owner.clone(), 2, Rights::of(&[Right::Read]));
    let now = share.context.now;
    assert_eq!(share.state.authorize(&reader, Right::Read, now), Ok(()));
    for right in [Right::Append, Right::Admin] {
        let refusal = share.state.authorize(&reader, right, now).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::RightMissing);
        assert_eq!(share.state.authorize(&share.owner, right, now), Ok(()));
    }
}

#[test]
fn a_grant_expires_at_its_time_for_who_proves_it_and_for_its_sessions() {
    let mut share = Share::new();
    let child = MintChild {
        grant: grant(2),
        secret_hash: secret(2),
        rights: Rights::ALL,
        expires_at: Some(UnixMs::new(2000)),
        label: String::new(),
        origin: origin("child"),
    };
    let owner = share.owner.clone();
    share.run(|state, context| state.mint_child(context, &owner, child).unwrap());
    let (before, at) = (UnixMs::new(1999), UnixMs::new(2000));
    let session = share.state.redeem(grant(2), &secret(2), before).unwrap();
    assert_eq!(share.state.authorize(&session, Right::Read, before), Ok(()));
    let call = share
        .state
        .authorize(&session, Right::Read, at)
        .unwrap_err();
    assert_eq!(call.code, RefusalCode::Expired);
    let redeem = share.state.redeem(grant(2), &secret(2), at).unwrap_err();
    assert_eq!(redeem.code, RefusalCode::Expired);
    let wrong = share.state.redeem(grant(2), &secret(3), at).unwrap_err();
    assert_eq!(wrong.code, RefusalCode::NotAuthorized);
}
