//! Minting child grants.

use share_model::{GrantId, Limits, Minted, Refusal, RefusalCode, Right, Rights, UnixMs};

use crate::fixture::*;
use crate::{Authority, MintChild, MintKind};

fn child(n: u8, rights: &[Right]) -> MintChild {
    MintChild {
        kind: MintKind::Saved,
        grant: grant(n),
        secret_hash: secret(n),
        rights: Rights::of(rights),
        expires_at: None,
        label: "label".into(),
        sealed_for: None,
        origin: origin("child"),
    }
}

#[track_caller]
fn minted(share: &mut Share, by: &Authority, child: MintChild) -> Result<Minted, Refusal> {
    share.run(
        |state, context| match state.mint_child(context, by, child) {
            Ok((grant, record)) => (Ok(grant), record),
            Err(refusal) => (Err(refusal), None),
        },
    )
}

#[test]
fn a_child_is_never_stronger_than_its_parent() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let parent = MintChild {
        expires_at: Some(UnixMs::new(5000)),
        ..child(2, &[Right::Read, Right::Append])
    };
    minted(&mut share, &owner, parent).unwrap();
    let parent = share
        .state
        .redeem(grant(2), &secret(2), None, share.context.now)
        .unwrap();
    let code = |result: Result<Minted, Refusal>| result.unwrap_err().code;
    let stronger = minted(&mut share, &parent, child(3, &[Right::Admin]));
    assert_eq!(code(stronger), RefusalCode::RightMissing);
    let later = MintChild {
        expires_at: Some(UnixMs::new(5001)),
        ..child(3, &[Right::Read])
    };
    assert_eq!(
        code(minted(&mut share, &parent, later)),
        RefusalCode::InvalidRequest
    );
    let weaker = minted(&mut share, &parent, child(3, &[Right::Read])).unwrap();
    assert_eq!(weaker.expires_at, Some(UnixMs::new(5000)), "the parent's");
    let held = share.state.head.grants.get(grant(3)).unwrap();
    assert_eq!(held.grant.parent, Some(grant(2)));
}

#[test]
fn minting_is_repeatable_and_a_taken_id_is_refused() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let first = minted(&mut share, &owner, child(2, &[Right::Read])).unwrap();
    let version = share.state.version();
    share.context.now = UnixMs::new(1500);
    assert_eq!(
        minted(&mut share, &owner, child(2, &[Right::Read])),
        Ok(first)
    );
    assert_eq!(share.state.version(), version);
    for other in [child(2, &[Right::Append]), child(1, &[Right::Read])] {
        let refusal = minted(&mut share, &owner, other).unwrap_err();
        assert_eq!(refusal.code, RefusalCode::InvalidRequest);
    }
}

#[test]
fn grants_and_labels_are_bounded() {
    let mut share = Share::with(Limits {
        grants_max: 2,
        label_bytes_max: 5,
        ..Limits::DEFAULT
    });
    let owner = share.owner.clone();
    let long = MintChild {
        label: "123456".into(),
        ..child(2, &[])
    };
    let refusal = minted(&mut share, &owner, long).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidRequest);
    minted(&mut share, &owner, child(2, &[])).unwrap();
    let refusal = minted(&mut share, &owner, child(3, &[])).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::QuotaExceeded);
}

#[test]
fn only_an_administrator_attenuates_and_publishes_and_anyone_saves() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let rights = [Right::Read, Right::Append];
    let appender = share.mint(&owner, 2, Rights::of(&rights));
    for kind in [MintKind::Attenuated, MintKind::Published] {
        let child = MintChild {
            kind,
            ..child(3, &[Right::Read])
        };
        let refused = minted(&mut share, &appender, child).unwrap_err();
        assert_eq!(refused.code, RefusalCode::RightMissing, "{kind:?}");
    }
    minted(&mut share, &appender, child(3, &rights)).unwrap();
}

#[test]
fn a_public_address_reads_and_a_grant_without_a_right_is_refused() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let mut mint = |kind, rights: &[Right]| {
        let child = MintChild {
            kind,
            ..child(3, rights)
        };
        minted(&mut share, &owner, child).map_err(|refusal| refusal.code)
    };
    let invalid = Err(RefusalCode::InvalidRequest);
    let published = MintKind::Published;
    assert_eq!(mint(published, &[Right::Read, Right::Append]), invalid);
    assert_eq!(mint(published, &[]), invalid);
    assert_eq!(mint(MintKind::Attenuated, &[]), invalid);
    assert!(mint(published, &[Right::Read]).is_ok());
}

#[test]
fn a_grant_that_would_have_run_out_is_not_made() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let ends_at = |n, at| MintChild {
        expires_at: Some(UnixMs::new(at)),
        ..child(n, &[Right::Read])
    };
    let refused = minted(&mut share, &owner, ends_at(2, 1000)).unwrap_err();
    assert_eq!(refused.code, RefusalCode::InvalidRequest);
    minted(&mut share, &owner, ends_at(3, 1001)).unwrap();
    assert!(share.redeem(3).is_ok());
    share.context.now = UnixMs::new(1001);
    assert_eq!(share.redeem(3).unwrap_err().code, RefusalCode::Expired);
    // Asked for again it is what it was.
    let again = minted(&mut share, &owner, ends_at(3, 1001)).unwrap();
    assert_eq!(again.expires_at, Some(UnixMs::new(1001)));
}

#[test]
fn who_is_no_administrator_saves_64_grants_and_not_one_more() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let reader = share.mint(&owner, 2, Rights::of(&[Right::Read]));
    for n in 0..64 {
        minted(&mut share, &reader, child(100 + n, &[Right::Read])).unwrap();
    }
    let refused = minted(&mut share, &reader, child(200, &[Right::Read])).unwrap_err();
    assert_eq!(refused.code, RefusalCode::QuotaExceeded);
    for n in 0..70 {
        minted(&mut share, &owner, child(3 + n, &[Right::Read])).unwrap();
    }
}

#[test]
fn grants_that_ran_out_make_room_with_all_below_them_and_revoked_ones_do_not() {
    let mut share = Share::with(Limits {
        grants_max: 4,
        ..Limits::DEFAULT
    });
    let owner = share.owner.clone();
    let ending = MintChild {
        expires_at: Some(UnixMs::new(2000)),
        ..child(2, &[Right::Read])
    };
    minted(&mut share, &owner, ending).unwrap();
    let two = share.redeem(2).unwrap();
    minted(&mut share, &two, child(3, &[Right::Read])).unwrap();
    share.mint(&owner, 4, Rights::of(&[Right::Read]));
    share.run(|state, context| {
        let revoked = state.revoke(context, &owner, grant(4), origin("r"));
        revoked.unwrap()
    });
    let full = minted(&mut share, &owner, child(5, &[Right::Read]));
    assert_eq!(full.unwrap_err().code, RefusalCode::QuotaExceeded);
    share.context.now = UnixMs::new(2000);
    minted(&mut share, &owner, child(5, &[Right::Read])).unwrap();
    let infos = share.state.grants(&share.context, &owner, None).unwrap();
    let ids: Vec<GrantId> = infos.iter().map(|info| info.id).collect();
    assert_eq!(ids, [grant(1), grant(4), grant(5)]);
    assert_eq!(share.redeem(4).unwrap_err().code, RefusalCode::Revoked);
}

#[test]
fn a_grant_hangs_at_most_32_below_the_owners() {
    let mut share = Share::new();
    let mut parent = share.owner.clone();
    for n in 2..34 {
        parent = share.mint(&parent, n, Rights::ALL);
    }
    let refused = minted(&mut share, &parent, child(34, &[Right::Read])).unwrap_err();
    assert_eq!(refused.code, RefusalCode::QuotaExceeded);
}
