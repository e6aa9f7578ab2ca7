//! Claims: compare-and-set on the incarnation.

use share_model::{Chain, HistoryId, Incarnation, RefusalCode, RefusalDetail, Right, Rights, Seq};

use crate::fixture::*;
use crate::{ClaimRequest, Record};

fn request(share: &mut Share, incarnation: u64) -> ClaimRequest {
    ClaimRequest {
        outbox: A,
        incarnation: Incarnation::new(incarnation),
        nonce: share.nonce(),
        history: None,
    }
}

#[track_caller]
fn claimed(share: &mut Share, request: ClaimRequest) -> Result<u64, RefusalCode> {
    let owner = share.owner.clone();
    let answer = share.try_claim(&owner, request);
    answer
        .map(|answer| answer.incarnation.get())
        .map_err(|refusal| refusal.code)
}

#[test]
fn a_claim_is_compare_and_set_on_the_incarnation() {
    let mut share = Share::new();
    let first = request(&mut share, 0);
    assert_eq!(claimed(&mut share, first), Ok(1));
    let copy = request(&mut share, 0);
    assert_eq!(claimed(&mut share, copy), Err(RefusalCode::WriterFenced));
    let next = request(&mut share, 1);
    assert_eq!(claimed(&mut share, next), Ok(2));
}

#[test]
fn a_claim_is_repeatable_with_the_same_nonce_and_always_gives_a_record() {
    let mut share = Share::new();
    let first = request(&mut share, 0);
    assert_eq!(claimed(&mut share, first.clone()), Ok(1));
    let version = share.state.version();
    assert_eq!(claimed(&mut share, first.clone()), Ok(1));
    assert_eq!(share.state.version(), version.next());
    let next = request(&mut share, 1);
    assert_eq!(claimed(&mut share, next), Ok(2));
    assert_eq!(claimed(&mut share, first), Err(RefusalCode::WriterFenced));
}

#[test]
fn an_incarnation_above_the_shares_own_is_let_in() {
    let mut share = Share::new();
    let ahead = request(&mut share, 7);
    assert_eq!(claimed(&mut share, ahead), Ok(8));
    let further = request(&mut share, 20);
    assert_eq!(claimed(&mut share, further), Ok(21));
}

#[test]
fn the_last_incarnation_can_not_be_claimed() {
    let mut share = Share::new();
    let last = request(&mut share, u64::MAX);
    assert_eq!(claimed(&mut share, last), Err(RefusalCode::InvalidRequest));
    let before = request(&mut share, u64::MAX - 1);
    assert_eq!(claimed(&mut share, before), Ok(u64::MAX));
}

#[test]
fn a_claim_of_another_history_is_told_where_the_lane_stands_and_changes_nothing() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, put(2))])
        .unwrap();
    share.send(&mut a, 1, vec![]).unwrap();
    let other = Some(HistoryId::from_bytes([4; 16]));
    let mut request = request(&mut share, 1);
    request.history = other;
    let version = share.state.version();
    let owner = share.owner.clone();
    let refusal = share.try_claim(&owner, request.clone()).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::HistoryChanged);
    let chain = Chain::EMPTY
        .then(identity(A, 1, &put(1)).fingerprint)
        .then(identity(A, 2, &put(2)).fingerprint);
    let history = share.context.history;
    let expected = RefusalDetail::History {
        history,
        floor: Seq::new(1),
        highest: Seq::new(2),
        chain,
    };
    assert_eq!(refusal.detail, expected);
    assert_eq!(share.state.version(), version);
    request.outbox = B;
    let unknown = share.try_claim(&owner, request.clone()).unwrap_err();
    let expected = RefusalDetail::History {
        history,
        floor: Seq::ZERO,
        highest: Seq::ZERO,
        chain: Chain::EMPTY,
    };
    assert_eq!(unknown.detail, expected);
    request.history = Some(history);
    assert!(share.try_claim(&owner, request).is_ok());
}

#[test]
fn a_lane_takes_its_number_at_its_first_append() {
    let mut share = Share::new();
    let _a = share.claim(A);
    let mut b = share.claim(B);
    assert_eq!(share.state.writers().count(), 0);
    share.send(&mut b, 0, vec![entry(1, put(1))]).unwrap();
    let writers: Vec<_> = share.state.writers().collect();
    assert_eq!(writers.len(), 1);
    assert_eq!(
        (writers[0].number.get(), writers[0].highest),
        (1, Seq::new(1))
    );
    assert!(!writers[0].retired);
}

#[test]
fn a_writer_keeps_the_origin_under_which_its_lane_was_opened() {
    let mut share = Share::new();
    let child = share.mint(&share.owner.clone(), 2, Rights::of(&[Right::Append]));
    let mut a = share.claim_by(&child, A);
    share
        .send_by(&child, &mut a, 0, &batch(vec![entry(1, put(1))]))
        .unwrap();
    share.claim(A);
    assert_eq!(
        share.state.writers().next().unwrap().origin,
        origin("child")
    );
}

#[test]
fn replay_refuses_a_claim_under_an_unknown_grant() {
    let mut share = Share::new();
    let claim = share.request(A);
    let owner = share.owner.clone();
    let mut state = share.state.clone();
    let (_, mut record): (_, Record) = state.claim(&share.context, &owner, claim).unwrap();
    let crate::Change::Claimed(claimed) = &mut record.change else {
        panic!("a claim gives a claim's record");
    };
    claimed.grant = grant(99);
    let error = share.state.apply(&record).unwrap_err();
    let expected =
        "record of version 2 contradicts the state: a claim was made under an unknown grant";
    assert_eq!(error.to_string(), expected);
}
