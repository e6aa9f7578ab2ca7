//! Rule 2: ops that were re-queued from an earlier lane.

use super::*;

#[test]
fn rule_2_a_requeued_op_that_its_first_lane_applied_is_a_duplicate() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let requeued = vec![was(entry(1, put(1)), A, 1)];
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [duplicate(1)]);
    // Also when only the log knows.
    share.send(&mut a, 1, vec![]).unwrap();
    let requeued = vec![was(entry(2, put(1)), A, 1)];
    assert_eq!(share.state.lookups(&b, &batch(requeued.clone())).len(), 1);
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [duplicate(1)]);
}

#[test]
fn rule_2_a_requeued_op_is_applied_once_however_many_copies_send_it() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let requeued = |seq| vec![was(entry(seq, put(1)), A, 1)];
    assert_eq!(share.send(&mut b, 0, requeued(1)).unwrap(), [applied(1)]);
    assert_eq!(share.send(&mut b, 1, requeued(2)).unwrap(), [duplicate(1)]);
    let third = share_model::OutboxId::from_bytes([0xc; 16]);
    let mut c = share.claim(third);
    assert_eq!(share.send(&mut c, 0, requeued(1)).unwrap(), [duplicate(1)]);
    // The op arrives by its first lane after all.
    assert_eq!(
        share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap(),
        [duplicate(1)]
    );
    assert_eq!(share.state.cursor(), Cursor::new(1));
}

#[test]
fn rule_2_another_op_at_the_first_seq_is_not_this_one() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let fork = |seq, n| vec![was(entry(seq, put(n)), A, 1)];
    assert_eq!(share.send(&mut b, 0, fork(1, 2)).unwrap(), [applied(2)]);
    share.send(&mut a, 1, vec![]).unwrap();
    assert_eq!(share.send(&mut b, 0, fork(2, 3)).unwrap(), [applied(3)]);
}

#[test]
fn rule_2_an_op_that_its_first_lane_abandoned_is_rejected_and_stays_a_hole() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let fingerprint = Fingerprint::of(&put(1), A);
    share
        .send(&mut a, 0, vec![abandon(1, fingerprint)])
        .unwrap();
    let requeued = vec![was(entry(1, put(1)), A, 1)];
    let gone = rejected(RejectReason::Abandoned);
    assert_eq!(
        share.send(&mut b, 0, requeued.clone()).unwrap(),
        std::slice::from_ref(&gone)
    );
    share.send(&mut a, 1, vec![]).unwrap();
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [gone]);
}

#[test]
fn rule_2_an_abandoned_identity_is_remembered_so_that_no_copy_brings_it_back() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let fingerprint = Fingerprint::of(&put(1), A);
    let given_up = vec![was(abandon(1, fingerprint), A, 1)];
    assert_eq!(
        share.send(&mut b, 0, given_up).unwrap(),
        [OpOutcome::Abandoned]
    );
    let gone = rejected(RejectReason::Abandoned);
    // Neither by its first lane, nor re-queued, nor below the floor.
    assert_eq!(
        share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap(),
        std::slice::from_ref(&gone)
    );
    let requeued = vec![was(entry(2, put(1)), A, 1)];
    assert_eq!(share.send(&mut b, 1, requeued).unwrap(), [gone]);
    assert_eq!(share.document(), "");
}

#[test]
fn an_abandonment_of_a_requeued_op_that_was_applied_answers_duplicate() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let fingerprint = Fingerprint::of(&put(1), A);
    let given_up = vec![was(abandon(1, fingerprint), A, 1)];
    assert_eq!(share.send(&mut b, 0, given_up).unwrap(), [duplicate(1)]);
}

#[test]
fn a_hole_of_the_first_lane_was_not_applied_above_or_below_its_floor() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let holes = vec![entry(1, text(1)), entry(2, text(2)), entry(3, string())];
    share.send(&mut a, 0, holes).unwrap();
    let requeued = vec![was(entry(1, text(1)), A, 1)];
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [applied(2)]);
    share.send(&mut a, 3, vec![]).unwrap();
    let requeued = vec![was(entry(2, text(2)), A, 2)];
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [applied(3)]);
    assert_eq!(share.document(), "k0=\"12\"");
}

#[test]
fn remembered_identities_are_bounded_per_share_and_per_subtree_by_admission() {
    let mut share = Share::with(Limits {
        remembered_max: 3,
        remembered_per_grant_max: 1,
        ..Limits::DEFAULT
    });
    let child = share.mint(&share.owner.clone(), 2, Rights::ALL);
    let grandchild = share.mint(&child, 3, Rights::ALL);
    let mut b = share.claim_by(&child, B);
    let requeued = |seq: u64, n: u8| batch(vec![was(entry(seq, put(n)), A, n.into())]);
    let outcomes = share.send_by(&child, &mut b, 0, &requeued(1, 1)).unwrap();
    assert_eq!(outcomes, [applied(1)]);
    // The grandchild counts in the child's subtree, the owner in none.
    let refusal = share
        .send_by(&grandchild, &mut b.clone(), 0, &requeued(2, 2))
        .unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RequeueLimit);
    assert!(
        share
            .send_by(&child, &mut b.clone(), 0, &requeued(1, 1))
            .is_ok(),
        "a repeat adds nothing"
    );
    share.send_batch(&mut b, &requeued(2, 2)).unwrap();
    share.send_batch(&mut b, &requeued(3, 3)).unwrap();
    let refusal = share.send_batch(&mut b, &requeued(4, 4)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RequeueLimit);
    let (seq, actual, max) = (Seq::ZERO, 4, 3);
    assert_eq!(refusal.detail, RefusalDetail::Limit { seq, actual, max });
}

/// Two seqs of A are settled, and the first is cut off from the log.
fn truncated() -> (Share, crate::Appender) {
    let mut share = Share::new();
    let (mut a, b) = (share.claim(A), share.claim(B));
    share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, text(2))])
        .unwrap();
    share.send(&mut a, 2, vec![]).unwrap();
    share.log.clear();
    let lane = share.state.head.ledger.lane_mut(A).unwrap();
    lane.set_truncated_through(Seq::new(1));
    (share, b)
}

#[test]
fn what_the_truncated_log_can_not_tell_is_in_doubt_and_stays_in_doubt() {
    let (mut share, mut b) = truncated();
    let requeued = vec![was(entry(1, put(1)), A, 1)];
    let doubt = [OpOutcome::InDoubt];
    assert_eq!(share.send(&mut b, 0, requeued.clone()).unwrap(), doubt);
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), doubt);
    let fingerprint = identity(A, 1, &put(1)).fingerprint;
    let given_up = vec![was(abandon(2, fingerprint), A, 1)];
    assert_eq!(share.send(&mut b, 0, given_up).unwrap(), doubt);
    assert_eq!(share.state.cursor(), Cursor::new(1));
}

#[test]
fn what_lies_above_the_truncation_and_not_in_the_log_was_not_applied() {
    let (mut share, mut b) = truncated();
    let requeued = vec![was(entry(1, put(2)), A, 2)];
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [applied(2)]);
}

#[test]
fn rule_3_a_dependency_that_can_not_be_told_or_is_in_doubt_is_unknown() {
    let (mut share, mut b) = truncated();
    let on = identity(A, 1, &put(1));
    let unknown = rejected(RejectReason::DependencyUnknown(on));
    let dependent = vec![entry(1, after(put(3), on))];
    assert_eq!(share.send(&mut b, 0, dependent).unwrap(), [unknown]);
    // In doubt under B's own seq.
    share
        .send(&mut b, 0, vec![was(entry(2, put(1)), A, 1)])
        .unwrap();
    let on = identity(B, 2, &put(1));
    let unknown = rejected(RejectReason::DependencyUnknown(on));
    let dependent = vec![entry(3, after(put(4), on))];
    assert_eq!(share.send(&mut b, 0, dependent).unwrap(), [unknown]);
}

#[test]
fn a_group_with_an_op_in_doubt_fails_as_a_whole() {
    let (mut share, mut b) = truncated();
    let group = atomic(vec![was(entry(1, put(1)), A, 1), entry(2, put(5))], None);
    let failed = rejected(RejectReason::AtomicGroupFailed);
    let outcomes = share.send_batch(&mut b, &group).unwrap();
    assert_eq!(outcomes, [OpOutcome::InDoubt, failed]);
}
