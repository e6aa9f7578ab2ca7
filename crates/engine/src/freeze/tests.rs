//! Freezing and unfreezing.

use share_model::{RefusalCode, Rights};

use super::*;
use crate::MintKind;
use crate::fixture::*;

#[track_caller]
fn freeze(share: &mut Share, by: &Authority, frozen: bool) -> Result<(bool, bool), Refusal> {
    share.run(
        |state, context| match state.set_frozen(context, by, frozen, origin("freezer")) {
            Ok((frozen, record)) => (Ok((frozen, record.is_some())), record),
            Err(refusal) => (Err(refusal), None),
        },
    )
}

#[test]
fn a_frozen_share_refuses_claims_and_appends_and_is_exactly_as_before_when_unfrozen() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let mut appender = share.claim(A);
    share
        .send(&mut appender, 0, vec![entry(1, put(1))])
        .unwrap();
    let before = share.state.clone();
    assert_eq!(freeze(&mut share, &owner, true), Ok((true, true)));
    // The floor of a lane that is refused does not move either.
    let refused = share.send(&mut appender, 1, vec![entry(2, put(2))]);
    assert_eq!(refused.unwrap_err().code, RefusalCode::Frozen);
    let request = share.request(B);
    let refused = share.try_claim(&owner, request).unwrap_err();
    assert_eq!(refused.code, RefusalCode::Frozen);
    assert_eq!(freeze(&mut share, &owner, false), Ok((false, true)));
    let mut after = share.state.clone();
    after.head.version = before.head.version;
    after.head.audit = before.head.audit.clone();
    assert_eq!(after, before);
    let mut appender = share.claim(A);
    let sent = share.send(&mut appender, 1, vec![entry(2, put(2))]);
    assert_eq!(sent, Ok(vec![applied(2)]));
}

#[test]
fn what_is_so_already_makes_no_record() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    assert_eq!(freeze(&mut share, &owner, false), Ok((false, false)));
    assert_eq!(freeze(&mut share, &owner, true), Ok((true, true)));
    assert_eq!(freeze(&mut share, &owner, true), Ok((true, false)));
}

#[test]
fn freezing_needs_admin_and_leaves_reading_and_grants_alone() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let reader = share.mint(&owner, 2, Rights::of(&[Right::Read, Right::Append]));
    let refused = freeze(&mut share, &reader, true).unwrap_err();
    assert_eq!(refused.code, RefusalCode::RightMissing);
    freeze(&mut share, &owner, true).unwrap();
    let now = share.context.now;
    assert_eq!(share.state.authorize(&reader, Right::Read, now), Ok(()));
    share.mint(&owner, 3, Rights::of(&[Right::Read]));
    assert_eq!(
        share.state.head.grants.get(grant(3)).unwrap().kind,
        Some(MintKind::Attenuated)
    );
}
