//! Redeeming, and authority on every call.

use share_model::{OwnerKey, RefusalCode, Right, Rights, UnixMs};

use crate::fixture::*;
use crate::{MintChild, MintKind};

#[test]
fn an_unknown_grant_and_a_wrong_secret_get_the_same_answer() {
    let share = Share::new();
    let now = share.context.now;
    let unknown = share
        .state
        .redeem(grant(9), &secret(1), None, now)
        .unwrap_err();
    let wrong = share
        .state
        .redeem(grant(1), &secret(9), None, now)
        .unwrap_err();
    assert_eq!(unknown, wrong);
    assert_eq!(unknown.code, RefusalCode::NotAuthorized);
    // Nor does the hash that an unknown grant is compared with open anything.
    let dummy = share
        .state
        .redeem(grant(9), &secret(0), None, now)
        .unwrap_err();
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
        kind: MintKind::Attenuated,
        sealed_for: None,
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
    let session = share
        .state
        .redeem(grant(2), &secret(2), None, before)
        .unwrap();
    assert_eq!(share.state.authorize(&session, Right::Read, before), Ok(()));
    let call = share
        .state
        .authorize(&session, Right::Read, at)
        .unwrap_err();
    assert_eq!(call.code, RefusalCode::Expired);
    let redeem = share
        .state
        .redeem(grant(2), &secret(2), None, at)
        .unwrap_err();
    assert_eq!(redeem.code, RefusalCode::Expired);
    let wrong = share
        .state
        .redeem(grant(2), &secret(3), None, at)
        .unwrap_err();
    assert_eq!(wrong.code, RefusalCode::NotAuthorized);
}

#[test]
fn a_sealed_grant_opens_to_its_owner_alone() {
    let mut share = Share::new();
    let owner = share.owner.clone();
    let (key, other) = (OwnerKey::from_bytes([1; 32]), OwnerKey::from_bytes([2; 32]));
    let child = MintChild {
        kind: MintKind::Attenuated,
        grant: grant(2),
        secret_hash: secret(2),
        rights: Rights::ALL,
        expires_at: None,
        label: String::new(),
        sealed_for: Some(key.id()),
        origin: origin("child"),
    };
    share.run(|state, context| state.mint_child(context, &owner, child).unwrap());
    let (id, now) = (share.state.id(), share.context.now);
    let redeem = |grant, hash, proof: Option<&_>| share.state.redeem(grant, &hash, proof, now);
    let (two, hash) = (grant(2), secret(2));
    let proof = key.prove(id, two, &hash);
    assert_eq!(redeem(two, hash, Some(&proof)).unwrap().grant(), two);
    let unknown = redeem(grant(9), hash, None).unwrap_err();
    let forged = other.prove(id, two, &hash);
    let elsewhere = key.prove(id, grant(1), &hash);
    for proof in [None, Some(&forged), Some(&elsewhere)] {
        // Not a word more than to who has nothing.
        assert_eq!(redeem(two, hash, proof).unwrap_err(), unknown);
    }
    let wrong = redeem(two, secret(9), Some(&proof)).unwrap_err();
    assert_eq!(wrong, unknown, "a proof is no secret");
    // A grant that is not sealed does not look at proofs.
    assert!(redeem(grant(1), secret(1), Some(&forged)).is_ok());
    // What is saved of a sealed grant has the same seal.
    let sealed = redeem(two, hash, Some(&proof)).unwrap();
    let saved = MintChild {
        kind: MintKind::Saved,
        grant: grant(3),
        secret_hash: secret(3),
        rights: Rights::ALL,
        expires_at: None,
        label: String::new(),
        sealed_for: Some(other.id()),
        origin: origin("child"),
    };
    share.run(|state, context| state.mint_child(context, &sealed, saved).unwrap());
    assert_eq!(share.redeem(3).unwrap_err(), unknown);
    let proof = key.prove(id, grant(3), &secret(3));
    let opened = share.state.redeem(grant(3), &secret(3), Some(&proof), now);
    assert_eq!(opened.unwrap().grant(), grant(3));
}
