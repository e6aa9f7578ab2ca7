//! What a server is asked to redeem: nothing of it is refused for its form, so that who guesses learns
//! no more from a malformed ref than from a wrong secret.

use capnp::message::Builder;
use share_model::{GrantId, ShareId, Slug};

use share_proto::share_capnp::{factory_ref, share_ref};
use share_proto::wire;

const NO_GRANT: GrantId = GrantId::from_bytes([0; 16]);

/// Share, grant and secret that a server goes by, of a ref with these fields.
fn redeemed(share: &[u8], grant: &[u8], secret: &[u8]) -> ([u8; 16], GrantId, [u8; 32]) {
    let mut message = Builder::new_default();
    let mut builder = message.init_root::<share_ref::Builder<'_>>();
    builder.set_share(share);
    builder.set_grant(grant);
    builder.set_secret(secret);
    let read = wire::read_share_ref_to_redeem(message.get_root_as_reader().unwrap());
    (read.share.to_bytes(), read.grant, *read.secret.expose())
}

#[test]
fn a_ref_with_a_malformed_field_names_no_grant_whatever_its_other_fields_are() {
    let grant = GrantId::from_bytes([2; 16]);
    let whole = redeemed(&[1; 16], &[2; 16], &[3; 32]);
    assert_eq!(whole, ([1; 16], grant, [3; 32]));
    let none = ([1; 16], NO_GRANT, [0; 32]);
    for length in [0, 15, 17] {
        assert_eq!(redeemed(&[1; 16], &vec![2; length], &[3; 32]), none);
    }
    for length in [0, 31, 33] {
        assert_eq!(redeemed(&[1; 16], &[2; 16], &vec![3; length]), none);
    }
    for length in [0, 15, 17] {
        let (share, ..) = redeemed(&vec![1; length], &[2; 16], &[3; 32]);
        assert_eq!(ShareId::from_bytes(share), ShareId::from_bytes([0; 16]));
    }
}

#[test]
fn a_factory_ref_with_a_malformed_field_names_no_grant() {
    let redeemed = |grant: &[u8], secret: &[u8]| {
        let mut message = Builder::new_default();
        let mut builder = message.init_root::<factory_ref::Builder<'_>>();
        builder.set_grant(grant);
        builder.set_secret(secret);
        let read = wire::read_factory_ref_to_redeem(message.get_root_as_reader().unwrap());
        (read.grant, *read.secret.expose())
    };
    let whole = (GrantId::from_bytes([2; 16]), [3; 32]);
    assert_eq!(redeemed(&[2; 16], &[3; 32]), whole);
    assert_eq!(redeemed(&[2; 17], &[3; 32]), (NO_GRANT, [0; 32]));
    assert_eq!(redeemed(&[2; 16], &[3; 31]), (NO_GRANT, [0; 32]));
}

#[test]
fn a_malformed_slug_names_no_grant() {
    let slug = wire::read_slug_to_redeem(Ok(&[0; 16]));
    assert_eq!(slug.grant.to_string(), "afef6c89cb748db6af8ac9cf6143a966");
    assert_eq!(slug.hash, Slug::from_bytes([0; 16]).hash());
    for length in [0, 15, 17] {
        assert_eq!(
            wire::read_slug_to_redeem(Ok(&vec![0; length])).grant,
            NO_GRANT
        );
    }
}

#[test]
fn a_malformed_proof_of_an_owner_is_none() {
    let proof = wire::read_owner_proof(Ok(&[7; 64])).unwrap();
    assert_eq!(proof.to_bytes(), [7; 64]);
    for length in [0, 63, 65] {
        assert!(wire::read_owner_proof(Ok(&vec![7; length])).is_none());
    }
}
