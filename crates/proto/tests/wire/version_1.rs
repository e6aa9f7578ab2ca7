//! Messages of the first builds, byte by byte (`tests/version-1`).

use capnp::message::ReaderOptions;
use capnp::serialize::read_message;
use share_model::{Cursor, Epoch, GrantId, HistoryId, Right, Rights, ShareId};
use share_proto::share_capnp::redeem_outcome;
use share_proto::wire;

const REDEEM_OUTCOME: &[u8] = include_bytes!("../version-1/redeem_outcome.bin");

#[test]
fn an_answer_of_the_first_builds_has_the_grant_that_was_redeemed() {
    let message = read_message(REDEEM_OUTCOME, ReaderOptions::new()).unwrap();
    let outcome: redeem_outcome::Reader<'_> = message.get_root().unwrap();
    let grant = GrantId::from_bytes([9; 16]);
    let redeemed = wire::read_redeem_outcome_of(outcome, grant);
    let redeemed = redeemed.unwrap().unwrap();
    assert_eq!(redeemed.grant, grant);
    assert_eq!(redeemed.share, ShareId::from_bytes([1; 16]));
    assert_eq!(redeemed.history, HistoryId::from_bytes([2; 16]));
    assert_eq!(
        (redeemed.cursor, redeemed.epoch),
        (Cursor::new(7), Epoch::new(3))
    );
    assert_eq!(redeemed.rights, Rights::of(&[Right::Read, Right::Append]));
    assert_eq!(
        (&*redeemed.title, redeemed.protocol_version),
        ("a title", 1)
    );
    assert_eq!((redeemed.expires_at, &*redeemed.label), (None, ""));
    assert!(!redeemed.owner && !redeemed.frozen);
    // Only where the version allows it.
    let error = wire::read_redeem_outcome(outcome).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`redeemed.grant` has 0 bytes, must have 16"
    );
    let mut newer = capnp::message::Builder::new_default();
    newer.set_root(outcome).unwrap();
    let changed = newer.get_root::<redeem_outcome::Builder<'_>>().unwrap();
    let Ok(redeem_outcome::Redeemed(Ok(mut redeemed))) = changed.which() else {
        panic!("it was redeemed");
    };
    redeemed.set_protocol_version(2);
    let newer = newer.get_root_as_reader().unwrap();
    assert!(wire::read_redeem_outcome_of(newer, grant).is_err());
}
