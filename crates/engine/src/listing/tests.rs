//! Listing grants.

use share_model::{RefusalCode, Rights};

use crate::fixture::*;

#[test]
fn an_owner_sees_all_grants_another_administrator_its_own_and_those_below() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let reader = share.mint(&owner, 9, Rights::of(&[share_model::Right::Read]));
    let two = share.mint(&owner, 2, Rights::ALL);
    share.mint(&two, 3, Rights::of(&[share_model::Right::Read]));
    let ids = |by, after| {
        let infos = share.state.grants(&share.context, by, after).unwrap();
        let ids: Vec<_> = infos.iter().map(|info| info.id).collect();
        ids
    };
    assert_eq!(ids(&owner, None), [grant(1), grant(2), grant(3), grant(9)]);
    assert_eq!(ids(&owner, Some(grant(2))), [grant(3), grant(9)]);
    assert_eq!(ids(&two, None), [grant(2), grant(3)]);
    let refused = share.state.grants(&share.context, &reader, None);
    assert_eq!(refused.unwrap_err().code, RefusalCode::RightMissing);
}

#[test]
fn a_page_has_256_grants_and_the_next_goes_on_behind_it() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    for n in 2..=255 {
        share.mint(&owner, n, Rights::of(&[share_model::Right::Read]));
    }
    let all = share.state.grants(&share.context, &owner, None).unwrap();
    assert_eq!(all.len(), 255);
    for n in [0, 1] {
        let child = crate::MintChild {
            kind: crate::MintKind::Attenuated,
            grant: share_model::GrantId::from_bytes([
                255 - n,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
            ]),
            secret_hash: secret(1),
            rights: Rights::ALL,
            expires_at: None,
            label: String::new(),
            sealed_for: None,
            origin: origin("child"),
        };
        share.run(|state, context| state.mint_child(context, &owner, child).unwrap());
    }
    let page = share.state.grants(&share.context, &owner, None).unwrap();
    assert_eq!(page.len(), 256);
    let rest = share
        .state
        .grants(&share.context, &owner, Some(page[255].id));
    let rest: Vec<_> = rest.unwrap().iter().map(|info| info.id).collect();
    assert_eq!(rest, [grant(255)]);
}
