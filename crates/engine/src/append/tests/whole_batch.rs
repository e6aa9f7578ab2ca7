//! What refuses a batch as a whole, at each boundary and one past it.

use super::*;

const WINDOW: Limits = Limits {
    window: 3,
    ..Limits::DEFAULT
};

fn puts(seqs: std::ops::RangeInclusive<u8>) -> Vec<Entry> {
    seqs.map(|n| entry(n.into(), put(n))).collect()
}

#[track_caller]
fn refused(result: Result<Vec<OpOutcome>, share_model::Refusal>) -> RefusalCode {
    result.unwrap_err().code
}

#[test]
fn a_seq_beyond_the_next_one_is_out_of_order_and_names_the_expected_seq() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, puts(1..=2)).unwrap();
    let refusal = share.send(&mut a.clone(), 0, puts(4..=4)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::OutOfOrder);
    assert_eq!(refusal.detail, RefusalDetail::Expected(Seq::new(3)));
    // Also behind a known seq.
    let gap = vec![entry(2, put(2)), entry(4, put(4))];
    let refusal = share.send(&mut a.clone(), 0, gap).unwrap_err();
    assert_eq!(refusal.detail, RefusalDetail::Expected(Seq::new(3)));
    assert!(share.send(&mut a, 0, puts(3..=3)).is_ok());
}

#[test]
fn the_window_is_kept_and_settling_opens_it() {
    let mut share = Share::with(WINDOW);
    let mut a = share.claim(A);
    share.send(&mut a, 0, puts(1..=3)).unwrap();
    let refusal = share.send(&mut a.clone(), 0, puts(4..=4)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::WindowExceeded);
    let (seq, actual, max) = (Seq::new(4), 4, 3);
    assert_eq!(refusal.detail, RefusalDetail::Limit { seq, actual, max });
    assert!(share.send(&mut a, 1, puts(4..=4)).is_ok());
}

#[test]
fn what_is_settled_is_never_a_benign_duplicate() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, puts(1..=2)).unwrap();
    share.send(&mut a, 1, vec![]).unwrap();
    let settled = share.send(&mut a.clone(), 1, puts(1..=1));
    assert_eq!(refused(settled), RefusalCode::AlreadySettled);
    assert_eq!(
        share.send(&mut a.clone(), 1, puts(2..=2)).unwrap(),
        [duplicate(2)]
    );
    // Also when the batch itself settles it.
    let settled = share.send(&mut a, 2, puts(2..=2));
    assert_eq!(refused(settled), RefusalCode::AlreadySettled);
}

#[test]
fn a_recorded_seq_with_other_content_is_a_fork_whatever_its_outcome() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let hole = text(1);
    share
        .send(&mut a, 0, vec![entry(1, put(1)), entry(2, hole)])
        .unwrap();
    for fork in [entry(1, put(9)), entry(2, put(9))] {
        let forked = share.send(&mut a.clone(), 0, vec![fork]);
        assert_eq!(refused(forked), RefusalCode::WriterForked);
    }
    let other = abandon(1, Fingerprint::of(&put(9), A));
    let forked = share.send(&mut a, 0, vec![other]);
    assert_eq!(refused(forked), RefusalCode::WriterForked);
}

#[test]
fn a_refused_batch_changes_nothing_but_the_floor() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, puts(1..=2)).unwrap();
    let (cursor, version) = (share.state.cursor(), share.state.version());
    assert!(share.send(&mut a.clone(), 0, puts(4..=4)).is_err());
    assert_eq!(
        share.state.version(),
        version,
        "without a new floor: nothing"
    );
    assert!(share.send(&mut a, 2, puts(4..=4)).is_err());
    let lane = share.state.head.ledger.lane(A).unwrap();
    assert_eq!((lane.floor(), lane.highest()), (Seq::new(2), Seq::new(2)));
    assert_eq!(share.state.cursor(), cursor);
    assert_eq!(share.document(), "k1=1 k2=1");
}

#[test]
fn a_whole_batch_refusal_ends_the_appender_and_what_was_pipelined_gets_the_same() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let first = share.send(&mut a, 0, puts(2..=2)).unwrap_err();
    let pipelined = share.send(&mut a, 0, puts(1..=1)).unwrap_err();
    assert_eq!(pipelined, first);
    assert_eq!(a.ended(), Some(&first));
    let mut a = share.claim(A);
    assert_eq!(share.send(&mut a, 0, puts(1..=1)).unwrap(), [applied(1)]);
}

#[test]
fn a_refused_op_does_not_end_the_appender() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap();
    assert_eq!(share.send(&mut a, 0, puts(2..=2)).unwrap(), [applied(1)]);
}

#[test]
fn settled_above_highest_is_a_sign_of_a_rollback() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, puts(1..=2)).unwrap();
    assert!(share.send(&mut a.clone(), 2, vec![]).is_ok());
    let refusal = share.send(&mut a, 3, puts(3..=3)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::HistoryChanged);
    let chain = share.state.head.ledger.lane(A).unwrap().chain();
    let expected = RefusalDetail::History {
        history: share.context.history,
        floor: Seq::new(2),
        highest: Seq::new(2),
        chain,
    };
    assert_eq!(refusal.detail, expected);
}

#[test]
fn an_appender_of_another_history_is_refused() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.context.history = HistoryId::from_bytes([8; 16]);
    let refusal = share.send(&mut a, 0, puts(1..=1)).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::HistoryChanged);
}

#[test]
fn an_appender_of_an_earlier_incarnation_is_fenced() {
    let mut share = Share::new();
    let mut old = share.claim(A);
    let mut new = share.claim(A);
    assert_eq!(
        refused(share.send(&mut old, 0, puts(1..=1))),
        RefusalCode::WriterFenced
    );
    assert_eq!(share.send(&mut new, 0, puts(1..=1)).unwrap(), [applied(1)]);
}

#[test]
fn the_envelopes_epoch_must_be_the_shares() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let envelope = share_model::Envelope {
        capability_epoch: Epoch::new(2),
        settled_through: Seq::ZERO,
    };
    let (batch, log) = (batch(puts(1..=1)), LogAnswers::new());
    let request = crate::AppendRequest {
        envelope: &envelope,
        batch: &batch.into(),
        log: &log,
    };
    let owner = share.owner.clone();
    let outcome = share.state.append(&share.context, &owner, &mut a, request);
    assert_eq!(
        refused(outcome.result.map(|_| vec![])),
        RefusalCode::StaleEpoch
    );
    assert_eq!(outcome.record, None);
}

#[test]
fn appending_needs_the_right() {
    let mut share = Share::new();
    let reader = share.mint(&share.owner.clone(), 2, Rights::of(&[Right::Read]));
    let mut a = share.claim(A);
    let refusal = share.send_by(&reader, &mut a, 0, &batch(puts(1..=1)));
    assert_eq!(refused(refusal), RefusalCode::RightMissing);
    let claim = share.request(B);
    let refusal = share.try_claim(&reader, claim).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::RightMissing);
}

#[test]
fn a_malformed_batch_is_an_invalid_request() {
    let mut share = Share::new();
    let a = share.claim(A);
    let gone = abandon(1, Fingerprint::from_bytes([0; 16]));
    let malformed: [Batch; 6] = [
        Batch {
            expected_cursor: Some(Cursor::ZERO),
            ..batch(puts(1..=1))
        },
        atomic(vec![gone], None),
        batch(vec![entry(0, put(1))]),
        batch(vec![was(entry(1, put(1)), B, 0)]),
        batch(vec![entry(1, put(1)), entry(1, put(1))]),
        batch(vec![entry(2, put(2)), entry(1, put(1))]),
    ];
    for batch in malformed {
        let refusal = share.send_batch(&mut a.clone(), &batch);
        assert_eq!(refused(refusal), RefusalCode::InvalidRequest, "{batch:?}");
    }
}

#[test]
fn batch_limits_hold_at_the_limit_and_one_past_it() {
    let mut share = Share::with(Limits {
        batch_ops_max: 2,
        // Each put has two bytes of key and one of JSON.
        batch_bytes_max: 6,
        dependencies_max: 1,
        ..Limits::DEFAULT
    });
    let mut a = share.claim(A);
    assert!(share.send(&mut a, 0, puts(1..=2)).is_ok());
    let too_many = share.send(&mut a.clone(), 0, puts(3..=5)).unwrap_err();
    assert_eq!(too_many.code, RefusalCode::BatchTooLarge);
    let too_long = vec![entry(3, put(3)), entry(4, put(10))];
    let too_long = share.send(&mut a.clone(), 0, too_long).unwrap_err();
    assert_eq!(too_long.code, RefusalCode::BatchTooLarge);
    let (seq, actual, max) = (Seq::ZERO, 7, 6);
    assert_eq!(too_long.detail, RefusalDetail::Limit { seq, actual, max });
    let on = identity(A, 1, &put(1));
    let mut op = after(put(3), on);
    assert!(share.send(&mut a, 0, vec![entry(3, op.clone())]).is_ok());
    op.depends_on.push(op.depends_on[0]);
    let refusal = share.send(&mut a, 0, vec![entry(4, op)]).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::InvalidRequest);
    let (seq, actual, max) = (Seq::new(4), 2, 1);
    assert_eq!(refusal.detail, RefusalDetail::Limit { seq, actual, max });
}

#[test]
fn abandoned_ops_are_bounded_by_admission_and_never_forgotten() {
    let mut share = Share::with(Limits {
        abandoned_max: 2,
        ..Limits::DEFAULT
    });
    let mut a = share.claim(A);
    let gone = |n: u8| abandon(n.into(), Fingerprint::from_bytes([n; 16]));
    share.send(&mut a, 0, vec![gone(1)]).unwrap();
    share.send(&mut a, 1, vec![gone(2)]).unwrap();
    let refusal = share.send(&mut a.clone(), 2, vec![gone(3)]).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::AbandonLimit);
    // A repeat adds nothing, and other ops go on.
    assert!(share.send(&mut a, 2, puts(3..=3)).is_ok());
    let lane = share.state.head.ledger.lane(A).unwrap();
    assert!(lane.is_abandoned_below(Seq::new(1), Fingerprint::from_bytes([1; 16])));
    assert!(lane.is_abandoned_below(Seq::new(2), Fingerprint::from_bytes([2; 16])));
}

#[test]
fn an_appender_of_a_lane_that_was_let_go_is_fenced_also_when_the_lane_is_opened_anew() {
    let mut share = Share::with(Limits {
        open_writers_max: 1,
        ..Limits::DEFAULT
    });
    let mut old = share.claim(A);
    share.claim(B);
    assert_eq!(
        refused(share.send(&mut old.clone(), 0, puts(1..=1))),
        RefusalCode::WriterFenced
    );
    let copy = ClaimRequest {
        outbox: A,
        incarnation: Incarnation::ZERO,
        nonce: share.nonce(),
        history: None,
    };
    let answer = share.try_claim(&share.owner.clone(), copy).unwrap();
    assert_eq!(
        answer.incarnation,
        old.incarnation(),
        "forgotten, so given again"
    );
    assert_eq!(
        refused(share.send(&mut old, 0, puts(1..=1))),
        RefusalCode::WriterFenced
    );
}

#[test]
fn an_appender_of_an_earlier_incarnation_is_fenced_although_its_nonce_was_used_again() {
    let mut share = Share::with(Limits {
        open_writers_max: 1,
        ..Limits::DEFAULT
    });
    let mut old = share.claim(A);
    // A's lane is let go; its client, that keeps nonce and incarnation, claims it again.
    let mut b = share.claim(B);
    let again = ClaimRequest {
        outbox: A,
        incarnation: old.incarnation(),
        nonce: old.nonce,
        history: None,
    };
    let mut new = share
        .try_claim(&share.owner.clone(), again)
        .unwrap()
        .appender;
    for stale in [&mut old, &mut b] {
        let refusal = share.send(stale, 0, puts(1..=1));
        assert_eq!(refused(refusal), RefusalCode::WriterFenced);
    }
    assert_eq!(share.send(&mut new, 0, puts(1..=1)).unwrap(), [applied(1)]);
}
