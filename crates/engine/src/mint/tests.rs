//! Minting child grants.

use share_model::{Limits, Refusal, RefusalCode, Right, Rights, UnixMs};

use crate::fixture::*;
use crate::{Authority, Grant, MintChild};

fn child(n: u8, rights: &[Right]) -> MintChild {
    MintChild {
        grant: grant(n),
        secret_hash: secret(n),
        rights: Rights::of(rights),
        expires_at: None,
        label: "label".into(),
        origin: origin("child"),
    }
}

#[track_caller]
fn minted(share: &mut Share, by: &Authority, child: MintChild) -> Result<Grant, Refusal> {
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
        .redeem(grant(2), &secret(2), share.context.now)
        .unwrap();
    let code = |result: Result<Grant, Refusal>| result.unwrap_err().code;
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
    assert_eq!(weaker.parent, Some(grant(2)));
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
