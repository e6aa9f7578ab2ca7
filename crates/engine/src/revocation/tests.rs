//! Revoking grants.

use share_model::{Cursor, RefusalCode, Right, Rights, UnixMs};

use super::*;
use crate::fixture::*;
use crate::{BumpEpoch, MintChild, MintKind};

const ADMIN: Rights = Rights::ALL;

fn append() -> Rights {
    Rights::of(&[Right::Read, Right::Append])
}

#[track_caller]
fn revoke(share: &mut Share, by: &Authority, n: u8) -> Result<(u32, bool), Refusal> {
    share.run(
        |state, context| match state.revoke(context, by, grant(n), origin("revoker")) {
            Ok((in_force, record)) => (Ok((in_force, record.is_some())), record),
            Err(refusal) => (Err(refusal), None),
        },
    )
}

#[track_caller]
fn code<T: std::fmt::Debug>(result: Result<T, Refusal>) -> RefusalCode {
    result.unwrap_err().code
}

#[test]
fn a_revoked_grant_and_all_below_it_allow_nothing_and_say_so_to_who_proves_them() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, ADMIN);
    let three = share.mint(&two, 3, append());
    let four = share.mint(&owner, 4, append());
    assert_eq!(revoke(&mut share, &owner, 2), Ok((2, true)));
    let now = share.context.now;
    for ended in [&two, &three] {
        let refused = share.state.authorize(ended, Right::Read, now);
        assert_eq!(code(refused), RefusalCode::Revoked);
    }
    assert_eq!(code(share.redeem(3)), RefusalCode::Revoked);
    let wrong = share.state.redeem(grant(3), &secret(9), None, now);
    assert_eq!(code(wrong), RefusalCode::NotAuthorized, "a wrong secret");
    assert_eq!(share.state.authorize(&four, Right::Append, now), Ok(()));
    assert_eq!(share.state.authorize(&owner, Right::Admin, now), Ok(()));
}

#[test]
fn nothing_is_appended_under_a_revoked_grant_also_by_who_claimed_before() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, append());
    let three = share.mint(&owner, 3, append());
    let mut appender = share.claim_by(&two, A);
    let mut other = share.claim_by(&three, B);
    revoke(&mut share, &owner, 2).unwrap();
    let sent = share.send_by(&two, &mut appender, 0, &batch(vec![entry(1, put(1))]));
    assert_eq!(code(sent), RefusalCode::Revoked);
    let request = share.request(A);
    assert_eq!(
        code(share.try_claim(&two, request)),
        RefusalCode::Revoked,
        "a claim"
    );
    assert_eq!(share.state.cursor(), Cursor::ZERO);
    let sent = share.send_by(&three, &mut other, 0, &batch(vec![entry(1, put(1))]));
    assert_eq!(sent, Ok(vec![applied(1)]));
}

#[test]
fn revoking_again_changes_nothing_and_the_first_time_stands() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, ADMIN);
    share.mint(&two, 3, append());
    assert_eq!(revoke(&mut share, &owner, 3), Ok((1, true)));
    share.context.now = UnixMs::new(2000);
    assert_eq!(revoke(&mut share, &owner, 3), Ok((0, false)));
    assert_eq!(revoke(&mut share, &owner, 2), Ok((1, true)), "3 had ended");
    let infos = share.state.grants(&share.context, &owner, None).unwrap();
    let revoked: Vec<_> = infos.iter().map(|info| info.revoked_at).collect();
    let (first, second) = (UnixMs::new(1000), UnixMs::new(2000));
    assert_eq!(revoked, [None, Some(second), Some(first)]);
}

#[test]
fn an_administrator_revokes_below_itself_and_nobody_elses() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, ADMIN);
    share.mint(&owner, 3, append());
    let four = share.mint(&two, 4, ADMIN);
    share.mint(&four, 5, append());
    // A sibling, the owner, one above, and one that does not exist: refused alike.
    for n in [3, 1, 99] {
        let refused = revoke(&mut share, &two, n).unwrap_err();
        assert_eq!(refused.code, RefusalCode::InvalidRequest, "grant {n}");
    }
    assert_eq!(
        code(revoke(&mut share, &four, 2)),
        RefusalCode::InvalidRequest
    );
    assert_eq!(revoke(&mut share, &two, 5), Ok((1, true)));
}

#[test]
fn anyone_gives_up_its_own_grant_but_the_owner() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let two = share.mint(&owner, 2, append());
    let three = share.mint(&owner, 3, append());
    assert_eq!(code(revoke(&mut share, &two, 3)), RefusalCode::RightMissing);
    assert_eq!(revoke(&mut share, &two, 2), Ok((1, true)));
    assert_eq!(code(revoke(&mut share, &two, 2)), RefusalCode::Revoked);
    assert_eq!(
        code(revoke(&mut share, &owner, 1)),
        RefusalCode::InvalidRequest
    );
    let now = share.context.now;
    assert_eq!(share.state.authorize(&three, Right::Read, now), Ok(()));
}

#[test]
fn making_a_revoked_grant_again_gives_its_answer_and_no_authority() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, append());
    revoke(&mut share, &owner, 2).unwrap();
    let again = MintChild {
        kind: MintKind::Attenuated,
        grant: grant(2),
        secret_hash: secret(2),
        rights: append(),
        expires_at: None,
        label: String::new(),
        sealed_for: None,
        origin: origin("child"),
    };
    let (minted, record) = share.run(|state, context| {
        let (minted, record) = state.mint_child(context, &owner, again).unwrap();
        ((minted, record.is_none()), record)
    });
    assert_eq!((minted.grant, record), (grant(2), true));
    assert_eq!(code(share.redeem(2)), RefusalCode::Revoked);
}

#[test]
fn a_bump_forgets_what_was_revoked_and_brings_nothing_back() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    share.mint(&owner, 2, append());
    revoke(&mut share, &owner, 2).unwrap();
    let bump = BumpEpoch {
        request: request(5),
        owner_grant: grant(5),
        owner_secret_hash: secret(5),
        origin: origin("bumper"),
    };
    let cut = share.run(|state, context| {
        let (bumped, record) = state.bump_epoch(context, &owner, bump).unwrap();
        (bumped.cut.grants, record)
    });
    assert_eq!(cut, 1, "the owner's; the other had ended");
    assert_eq!(code(share.redeem(2)), RefusalCode::StaleEpoch);
}
