//! Atomic groups.

use super::*;

#[test]
fn a_group_with_an_invalid_op_leaves_the_document_as_it_was_and_holes() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, string())]).unwrap();
    let remove = |n| op(n, vec![], Mutation::Remove { key: "k0".into() });
    let entries = vec![
        entry(2, text(1)),
        entry(3, remove(2)),
        entry(4, text(3)),
        entry(5, put(5)),
    ];
    let outcomes = share.send_batch(&mut a, &atomic(entries, None)).unwrap();
    let failed = rejected(RejectReason::AtomicGroupFailed);
    assert_eq!(outcomes, [failed.clone(), failed.clone(), absent(), failed]);
    assert_eq!(share.document(), "k0=\"\"");
    assert_eq!(share.state.cursor(), Cursor::new(1));
    // Its holes may be filled, by the whole group in a new try.
    let remove_last = vec![entry(2, text(1)), entry(3, remove(2))];
    let outcomes = share
        .send_batch(&mut a, &atomic(remove_last, None))
        .unwrap();
    assert_eq!(outcomes, [applied(2), applied(3)]);
}

#[test]
fn a_repeated_group_answers_duplicates_whatever_the_cursor_is_now() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let group = atomic(vec![entry(1, put(1)), entry(2, put(2))], Some(0));
    assert_eq!(
        share.send_batch(&mut a, &group).unwrap(),
        [applied(1), applied(2)]
    );
    assert_eq!(
        share.send_batch(&mut a, &group).unwrap(),
        [duplicate(1), duplicate(2)]
    );
}

#[test]
fn compare_and_append_fails_when_the_cursor_is_another_one() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let group = |expected| atomic(vec![entry(1, put(1)), entry(2, put(2))], Some(expected));
    let mismatch = rejected(RejectReason::CursorMismatch {
        expected: Cursor::new(1),
        actual: Cursor::ZERO,
    });
    let outcomes = share.send_batch(&mut a, &group(1)).unwrap();
    assert_eq!(outcomes, [mismatch.clone(), mismatch]);
    assert_eq!(
        share.send_batch(&mut a, &group(0)).unwrap(),
        [applied(1), applied(2)]
    );
}

#[test]
fn duplicates_in_a_group_count_as_applied() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let group = atomic(vec![entry(1, put(1)), entry(2, put(2))], Some(1));
    assert_eq!(
        share.send_batch(&mut a, &group).unwrap(),
        [duplicate(1), applied(2)]
    );
}

#[test]
fn a_group_with_an_abandoned_op_fails_as_a_whole() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let fingerprint = Fingerprint::of(&put(1), A);
    share
        .send(&mut a, 0, vec![abandon(1, fingerprint)])
        .unwrap();
    let group = atomic(vec![entry(1, put(1)), entry(2, put(2))], None);
    let failed = rejected(RejectReason::AtomicGroupFailed);
    let outcomes = share.send_batch(&mut a, &group).unwrap();
    assert_eq!(outcomes, [OpOutcome::Abandoned, failed]);
}

#[test]
fn ops_of_a_group_may_depend_on_earlier_ones_of_it() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let on = identity(A, 1, &put(1));
    let group = atomic(vec![entry(1, put(1)), entry(2, after(put(2), on))], None);
    assert_eq!(
        share.send_batch(&mut a, &group).unwrap(),
        [applied(1), applied(2)]
    );
}

#[test]
fn the_same_op_twice_in_one_group_is_applied_once() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, string())]).unwrap();
    let twice = vec![was(entry(2, text(1)), B, 5), was(entry(3, text(1)), B, 5)];
    let outcomes = share.send_batch(&mut a, &atomic(twice, None)).unwrap();
    assert_eq!(outcomes, [applied(2), duplicate(2)]);
    assert_eq!(share.document(), "k0=\"1\"");
}
