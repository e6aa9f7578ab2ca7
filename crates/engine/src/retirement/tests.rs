//! Room for writers: bounds and retirement.

use share_model::{Limits, OutboxId, RefusalCode, RefusalDetail, Rights, Seq};

use crate::fixture::*;
use crate::{Appender, Authority};

fn outbox(n: u8) -> OutboxId {
    OutboxId::from_bytes([n; 16])
}

/// A writer with one applied op of its own, settled if `settled`.
#[track_caller]
fn writer(share: &mut Share, by: &Authority, n: u8, settled: bool) -> Appender {
    let mut appender = share.claim_by(by, outbox(n));
    share
        .send_by(by, &mut appender, 0, &batch(vec![entry(1, put(n))]))
        .unwrap();
    if settled {
        share.send_by(by, &mut appender, 1, &batch(vec![])).unwrap();
    }
    appender
}

fn retired(share: &Share) -> Vec<u8> {
    let lanes = share.state.head.ledger.lanes();
    lanes
        .filter(|(_, lane)| lane.is_retired())
        .map(|(outbox, _)| outbox.to_bytes()[0])
        .collect()
}

#[track_caller]
fn refused(share: &mut Share, by: &Authority, n: u8) -> RefusalDetail {
    let request = share.request(outbox(n));
    let refusal = share.try_claim(by, request).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WritersExhausted);
    refusal.detail
}

const TWO: Limits = Limits {
    open_writers_max: 2,
    ..Limits::DEFAULT
};

#[test]
fn the_writer_that_is_idle_longest_is_retired_to_make_room() {
    let mut share = Share::with(TWO);
    let owner = share.owner.clone();
    writer(&mut share, &owner, 1, true);
    let mut second = writer(&mut share, &owner, 2, true);
    writer(&mut share, &owner, 3, true);
    assert_eq!(retired(&share), [1]);
    // 2 is used again, so 3 is idle longer.
    share.send(&mut second, 1, vec![entry(2, put(20))]).unwrap();
    share.send(&mut second, 2, vec![]).unwrap();
    writer(&mut share, &owner, 4, true);
    assert_eq!(retired(&share), [1, 3]);
}

#[test]
fn a_writer_with_unsettled_ops_is_never_retired() {
    let mut share = Share::with(TWO);
    let owner = share.owner.clone();
    let mut first = writer(&mut share, &owner, 1, false);
    writer(&mut share, &owner, 2, false);
    let (seq, actual, max) = (Seq::ZERO, 3, 2);
    let expected = RefusalDetail::Limit { seq, actual, max };
    assert_eq!(refused(&mut share, &owner, 3), expected);
    share.send(&mut first, 1, vec![]).unwrap();
    writer(&mut share, &owner, 3, false);
    assert_eq!(retired(&share), [1]);
}

#[test]
fn a_retired_writer_opens_again_with_all_that_it_knew() {
    let mut share = Share::with(TWO);
    let owner = share.owner.clone();
    let mut old = writer(&mut share, &owner, 1, true);
    writer(&mut share, &owner, 2, true);
    writer(&mut share, &owner, 3, true);
    assert_eq!(retired(&share), [1]);
    let fenced = share.send(&mut old, 1, vec![entry(2, put(9))]).unwrap_err();
    assert_eq!(fenced.code, RefusalCode::WriterFenced);
    let request = share.request(outbox(1));
    let answer = share.try_claim(&owner, request).unwrap();
    assert_eq!((answer.floor, answer.highest), (Seq::new(1), Seq::new(1)));
    assert_eq!(answer.incarnation.get(), 2);
    assert_eq!(answer.writer.unwrap().get(), 1, "its own number");
    assert_eq!(retired(&share), [2]);
    let mut appender = answer.appender;
    let settled = share.send(&mut appender.clone(), 1, vec![entry(1, put(1))]);
    assert_eq!(settled.unwrap_err().code, RefusalCode::AlreadySettled);
    let outcomes = share
        .send(&mut appender, 1, vec![entry(2, put(9))])
        .unwrap();
    assert_eq!(outcomes, [applied(4)]);
}

#[test]
fn a_retired_writer_keeps_its_abandoned_ops() {
    let mut share = Share::with(TWO);
    let owner = share.owner.clone();
    let mut first = share.claim(outbox(1));
    let gone = identity(outbox(1), 1, &put(1));
    let given_up = vec![abandon(1, gone.fingerprint)];
    share.send(&mut first, 0, given_up).unwrap();
    share.send(&mut first, 1, vec![]).unwrap();
    writer(&mut share, &owner, 2, true);
    let mut third = writer(&mut share, &owner, 3, true);
    assert_eq!(retired(&share), [1]);
    let requeued = vec![was(entry(2, put(1)), outbox(1), 1)];
    let outcomes = share.send(&mut third, 1, requeued).unwrap();
    let abandoned = share_model::RejectReason::Abandoned;
    assert_eq!(outcomes, [share_model::OpOutcome::Rejected(abandoned)]);
}

#[test]
fn lanes_that_never_append_do_not_grow_the_state() {
    let mut share = Share::with(TWO);
    for n in 1..=50 {
        share.claim(outbox(n));
    }
    assert_eq!(share.state.head.ledger.lanes().count(), 2);
    assert_eq!(share.state.writers().count(), 0);
}

#[test]
fn retired_writers_are_bounded_too() {
    let mut share = Share::with(Limits {
        open_writers_max: 1,
        retired_writers_max: 1,
        ..Limits::DEFAULT
    });
    let owner = share.owner.clone();
    writer(&mut share, &owner, 1, true);
    writer(&mut share, &owner, 2, true);
    let (seq, actual, max) = (Seq::ZERO, 2, 1);
    let expected = RefusalDetail::Limit { seq, actual, max };
    assert_eq!(refused(&mut share, &owner, 3), expected);
    // The two known ones may still take turns.
    share.claim(outbox(1));
    share.claim(outbox(2));
    assert_eq!(retired(&share), [1]);
}

#[test]
fn open_writers_are_bounded_per_subtree_of_grants_but_the_owners() {
    let mut share = Share::with(Limits {
        open_writers_per_grant_max: 1,
        ..Limits::DEFAULT
    });
    let owner = share.owner.clone();
    let child = share.mint(&owner, 2, Rights::ALL);
    let grandchild = share.mint(&child, 3, Rights::ALL);
    let sibling = share.mint(&owner, 4, Rights::ALL);
    for n in 1..=3 {
        writer(&mut share, &owner, n, false);
    }
    let mut of_child = writer(&mut share, &child, 4, false);
    refused(&mut share, &grandchild, 5);
    writer(&mut share, &sibling, 6, false);
    share
        .send_by(&child, &mut of_child, 1, &batch(vec![]))
        .unwrap();
    writer(&mut share, &grandchild, 5, false);
    assert_eq!(retired(&share), [4], "room is made in the subtree itself");
}

#[test]
fn an_open_lane_can_be_claimed_after_a_bound_was_lowered() {
    let mut share = Share::with(TWO);
    let owner = share.owner.clone();
    writer(&mut share, &owner, 1, false);
    writer(&mut share, &owner, 2, false);
    let limits = Limits {
        open_writers_max: 1,
        ..Limits::DEFAULT
    };
    let (head, document) = (share.state.checkpoint(), share.state.document().clone());
    share.state = crate::ShareState::from_checkpoint(&head, document, limits).unwrap();
    share.claim(outbox(1));
    refused(&mut share, &owner, 3);
}
