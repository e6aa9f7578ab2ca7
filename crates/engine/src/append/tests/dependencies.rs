//! Rule 3: dependencies.

use super::*;

#[test]
fn rule_3_a_dependency_that_is_not_applied_is_missing_until_it_is() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let on = identity(B, 1, &put(1));
    let dependent = vec![entry(1, after(put(2), on))];
    let missing = rejected(RejectReason::DependencyMissing(on));
    assert_eq!(share.send(&mut a, 0, dependent.clone()).unwrap(), [missing]);
    share.send(&mut b, 0, vec![entry(1, put(1))]).unwrap();
    assert_eq!(share.send(&mut a, 0, dependent).unwrap(), [applied(2)]);
}

#[test]
fn rule_3_a_dependency_means_that_very_op_not_whatever_has_its_seq() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let other = identity(A, 1, &put(9));
    let outcomes = share.send(&mut a, 0, vec![entry(2, after(put(2), other))]);
    let missing = rejected(RejectReason::DependencyMissing(other));
    assert_eq!(outcomes.unwrap(), std::slice::from_ref(&missing));
    // Nor what the log has at its seq.
    let outcomes = share.send(&mut a, 2, vec![entry(3, after(put(3), other))]);
    assert_eq!(outcomes.unwrap(), [missing]);
}

#[test]
fn rule_3_earlier_ops_of_the_same_batch_count_and_later_ones_do_not() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let (first, later) = (identity(A, 1, &put(1)), identity(A, 4, &put(4)));
    let outcomes = share.send(
        &mut a,
        0,
        vec![
            entry(1, put(1)),
            entry(2, after(put(2), first)),
            entry(3, after(put(3), later)),
            entry(4, put(4)),
        ],
    );
    let missing = rejected(RejectReason::DependencyMissing(later));
    assert_eq!(
        outcomes.unwrap(),
        [applied(1), applied(2), missing, applied(3)]
    );
}

#[test]
fn rule_3_a_dependency_below_the_floor_is_found_in_the_log() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, text(2))])
        .unwrap();
    share.send(&mut a, 2, vec![]).unwrap();
    let on = identity(A, 1, &put(1));
    let hole = identity(A, 2, &text(2));
    let entries = vec![entry(3, after(put(3), on)), entry(4, after(put(4), hole))];
    let lookups = share.state.lookups(&a, &batch(entries.clone()));
    let first = WriterId::new(1);
    assert_eq!(lookups, [(first, Seq::new(1)), (first, Seq::new(2))]);
    let outcomes = share.send(&mut a, 2, entries).unwrap();
    let missing = rejected(RejectReason::DependencyMissing(hole));
    assert_eq!(outcomes, [applied(2), missing]);
}

#[test]
fn a_dependency_on_what_the_same_batch_settles_needs_no_lookup() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let entries = vec![entry(2, after(put(2), identity(A, 1, &put(1))))];
    assert_eq!(share.state.lookups(&a, &batch(entries.clone())), []);
    assert_eq!(share.send(&mut a, 1, entries).unwrap(), [applied(2)]);
}

#[test]
fn a_recorded_op_needs_no_lookup_and_a_batch_that_is_refused_neither() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    share.send(&mut b, 0, vec![entry(1, put(1))]).unwrap();
    let dependent = entry(1, after(put(2), identity(B, 1, &put(1))));
    share.send(&mut a, 0, vec![dependent.clone()]).unwrap();
    share.send(&mut b, 1, vec![]).unwrap();
    assert_eq!(share.state.lookups(&a, &batch(vec![dependent.clone()])), []);
    let malformed = vec![dependent.clone(), dependent];
    assert_eq!(share.state.lookups(&a, &batch(malformed)), []);
}

#[test]
fn rule_3_an_abandoned_dependency_is_final_also_below_the_floor() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let on = identity(B, 1, &put(1));
    share
        .send(&mut b, 0, vec![abandon(1, on.fingerprint)])
        .unwrap();
    let gone = rejected(RejectReason::DependencyAbandoned(on));
    let dependent = vec![entry(1, after(put(2), on))];
    assert_eq!(
        share.send(&mut a, 0, dependent.clone()).unwrap(),
        std::slice::from_ref(&gone)
    );
    share.send(&mut b, 1, vec![]).unwrap();
    assert_eq!(share.send(&mut a, 0, dependent).unwrap(), [gone]);
}

#[test]
fn rule_3_the_most_final_of_several_failed_dependencies_is_told() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    let (missing, gone) = (identity(B, 2, &put(8)), identity(B, 1, &put(9)));
    share
        .send(&mut b, 0, vec![abandon(1, gone.fingerprint)])
        .unwrap();
    let mut op = after(put(1), missing);
    op.depends_on.extend(after(put(1), gone).depends_on);
    let outcomes = share.send(&mut a, 0, vec![entry(1, op)]).unwrap();
    assert_eq!(
        outcomes,
        [rejected(RejectReason::DependencyAbandoned(gone))]
    );
}

#[test]
fn a_dependency_without_an_outbox_means_the_first_lane_of_the_op_that_has_it() {
    let mut share = Share::new();
    let (mut a, mut b) = (share.claim(A), share.claim(B));
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let mut op = after(put(2), identity(A, 1, &put(1)));
    op.depends_on[0].outbox = None;
    // First enqueued in A at seq 2, re-queued in B: it still depends on A's seq 1.
    let requeued = vec![was(entry(1, op), A, 2)];
    assert_eq!(share.send(&mut b, 0, requeued).unwrap(), [applied(2)]);
}
