//! Whose op it is, where one writer carries those of several agent sessions.

use share_model::{Limits, RefusalCode, RefusalDetail, Seq};

use crate::fixture::*;

/// Whose each applied op is, in the order of the log.
fn told(share: &Share) -> Vec<Option<&str>> {
    let origins = share.told.iter().map(|op| op.origin.as_ref());
    origins.map(|origin| origin.map(|it| it.id())).collect()
}

/// Replay equals execution: the fixture checks it for every command.
#[test]
fn readers_are_told_whose_op_it_is() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let entries = vec![
        entry(1, put(1)),
        of_session(entry(2, put(2)), "s"),
        of_session(entry(3, put(3)), "t"),
    ];
    share.send(&mut a, 0, entries).unwrap();
    let group = vec![of_session(entry(4, put(4)), "u"), entry(5, put(5))];
    share.send_batch(&mut a, &atomic(group, None)).unwrap();
    assert_eq!(told(&share), [None, Some("s"), Some("t"), Some("u"), None]);
}

/// The origin is no part of the fingerprint, so another one makes no other op, and no fork.
#[test]
fn an_op_that_is_sent_again_under_another_origin_is_a_duplicate_and_keeps_its_first() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let first = vec![of_session(entry(1, put(1)), "s"), entry(2, put(2))];
    share.send(&mut a, 0, first).unwrap();
    let mut again = share.claim(A);
    let second = vec![
        of_session(entry(1, put(1)), "t"),
        of_session(entry(2, put(2)), "t"),
    ];
    let outcomes = share.send(&mut again, 0, second).unwrap();
    assert_eq!(outcomes, [duplicate(1), duplicate(2)]);
    // Re-queued by a copy, which says another session as well.
    let mut b = share.claim(B);
    let copy = vec![of_session(was(entry(1, put(1)), A, 1), "t")];
    assert_eq!(share.send(&mut b, 0, copy).unwrap(), [duplicate(1)]);
    assert_eq!(told(&share), [Some("s"), None]);
}

#[test]
fn a_hole_is_filled_under_the_origin_that_filled_it() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let early = of_session(entry(1, text(1)), "s");
    share.send(&mut a, 0, vec![early]).unwrap();
    let string = share_model::Mutation::Put {
        key: "k0".into(),
        json: "\"\"".into(),
    };
    let late = vec![
        of_session(entry(1, text(1)), "s"),
        entry(2, op(0, vec![], string)),
    ];
    share.send(&mut a, 0, late).unwrap();
    let again = vec![of_session(entry(1, text(1)), "s")];
    share.send(&mut a, 0, again).unwrap();
    assert_eq!(told(&share), [None, Some("s")]);
}

#[test]
fn the_origin_of_an_op_that_is_given_up_means_nothing() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let fingerprint = identity(A, 1, &put(1)).fingerprint;
    let given_up = of_session(abandon(1, fingerprint), "s");
    share.send(&mut a, 0, vec![given_up]).unwrap();
    assert_eq!(told(&share), [None; 0]);
}

#[test]
fn the_bytes_of_origins_count_against_the_batch() {
    let mut share = Share::with(Limits {
        // Each put has two bytes of key and one of JSON.
        batch_bytes_max: 8,
        ..Limits::DEFAULT
    });
    let mut a = share.claim(A);
    let two = |seq, session| {
        let last = of_session(entry(seq + 1, put(2)), session);
        vec![entry(seq, put(1)), last]
    };
    assert!(share.send(&mut a.clone(), 0, two(1, "ss")).is_ok());
    let refusal = share.send(&mut a, 0, two(3, "sss")).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::BatchTooLarge);
    let (seq, actual, max) = (Seq::ZERO, 9, 8);
    assert_eq!(refusal.detail, RefusalDetail::Limit { seq, actual, max });
}
