//! The rules of `docs/design.md` §3, one by one.

use share_model::{
    Batch, Chain, Cursor, Entry, Epoch, Fingerprint, HistoryId, Incarnation, Limits, Mutation,
    MutationError, OpOutcome, RefusalCode, RefusalDetail, RejectReason, Right, Rights, Seq,
    ShareVersion, WriterId,
};

use crate::fixture::*;
use crate::{ClaimRequest, LogAnswers};

mod dependencies;
mod groups;
mod origins;
mod requeued;
mod whole_batch;

fn rejected(reason: RejectReason) -> OpOutcome {
    OpOutcome::Rejected(reason)
}

fn absent() -> OpOutcome {
    rejected(RejectReason::InvalidMutation(MutationError::KeyAbsent))
}

fn string() -> share_model::Op {
    let mutation = Mutation::Put {
        key: "k0".into(),
        json: "\"\"".into(),
    };
    op(0, vec![], mutation)
}

#[test]
fn a_repeated_batch_answers_all_duplicates_with_the_first_cursors_and_no_record() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let entries = vec![entry(1, string()), entry(2, text(1)), entry(3, text(2))];
    let first = share.send(&mut a, 0, entries.clone()).unwrap();
    assert_eq!(first, [applied(1), applied(2), applied(3)]);
    let version = share.state.version();
    let mut again = share.claim(A);
    let second = share.send(&mut again, 0, entries).unwrap();
    assert_eq!(second, [duplicate(1), duplicate(2), duplicate(3)]);
    assert_eq!(share.document(), "k0=\"12\"");
    assert_eq!(share.state.version(), version.next(), "only the claim");
}

#[test]
fn rule_4_an_invalid_op_leaves_a_hole_which_the_same_op_may_fill_later() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let entries = vec![entry(1, text(1)), entry(2, string())];
    assert_eq!(
        share.send(&mut a, 0, entries).unwrap(),
        [absent(), applied(1)]
    );
    let chain = share.state.head.ledger.lane(A).unwrap().chain();
    assert_eq!(
        share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap(),
        [applied(2)]
    );
    assert_eq!(
        share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap(),
        [duplicate(2)]
    );
    let lane = share.state.head.ledger.lane(A).unwrap();
    assert_eq!(lane.chain(), chain, "a filled hole is in the chain already");
    assert_eq!(lane.highest(), Seq::new(2));
}

#[test]
fn a_hole_that_stays_a_hole_gives_no_record() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap();
    let version = share.state.version();
    assert_eq!(
        share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap(),
        [absent()]
    );
    assert_eq!(share.state.version(), version);
}

#[test]
fn a_limit_of_one_op_is_told_for_that_op_and_leaves_a_hole() {
    let mut share = Share::with(Limits {
        key_bytes_max: 2,
        ..Limits::DEFAULT
    });
    let mut a = share.claim(A);
    let outcomes = share
        .send(&mut a, 0, vec![entry(1, put(100)), entry(2, put(2))])
        .unwrap();
    let too_long = MutationError::KeyTooLong { bytes: 4, max: 2 };
    assert_eq!(
        outcomes,
        [
            rejected(RejectReason::InvalidMutation(too_long)),
            applied(1)
        ]
    );
}

#[test]
fn the_chain_runs_over_every_seq_whatever_its_outcome() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let gone = Fingerprint::from_bytes([3; 16]);
    let entries = vec![entry(1, text(1)), entry(2, put(2)), abandon(3, gone)];
    let outcomes = share.send(&mut a, 0, entries).unwrap();
    assert_eq!(outcomes, [absent(), applied(1), OpOutcome::Abandoned]);
    let expected = Chain::EMPTY
        .then(Fingerprint::of(&text(1), A))
        .then(Fingerprint::of(&put(2), A))
        .then(gone);
    let request = share.request(A);
    let answer = share.try_claim(&share.owner.clone(), request).unwrap();
    assert_eq!(answer.chain, expected);
    assert_eq!((answer.floor, answer.highest), (Seq::ZERO, Seq::new(3)));
    assert_eq!(answer.writer, Some(WriterId::new(1)));
}

#[test]
fn an_op_may_be_abandoned_before_it_was_ever_sent_and_stays_abandoned() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let fingerprint = Fingerprint::of(&put(1), A);
    let given_up = share
        .send(&mut a, 0, vec![abandon(1, fingerprint)])
        .unwrap();
    assert_eq!(given_up, [OpOutcome::Abandoned]);
    // A batch that an old connection still held.
    let late = share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    assert_eq!(late, [OpOutcome::Abandoned]);
    assert_eq!(share.document(), "");
}

#[test]
fn an_abandonment_of_an_applied_op_answers_duplicate() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let fingerprint = Fingerprint::of(&put(1), A);
    let answer = share
        .send(&mut a, 0, vec![abandon(1, fingerprint)])
        .unwrap();
    assert_eq!(answer, [duplicate(1)]);
}

#[test]
fn a_hole_may_be_abandoned() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, text(1))]).unwrap();
    let fingerprint = Fingerprint::of(&text(1), A);
    let answer = share
        .send(&mut a, 0, vec![abandon(1, fingerprint)])
        .unwrap();
    assert_eq!(answer, [OpOutcome::Abandoned]);
}

#[test]
fn an_empty_batch_moves_the_floor() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    assert_eq!(share.send(&mut a, 1, vec![]).unwrap(), []);
    assert_eq!(
        share.state.head.ledger.lane(A).unwrap().floor(),
        Seq::new(1)
    );
}

#[test]
fn an_ack_tells_cursor_and_epoch() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let log = LogAnswers::new();
    let envelope = share_model::Envelope {
        capability_epoch: Epoch::new(1),
        settled_through: Seq::ZERO,
    };
    let batch = batch(vec![entry(1, put(1)), entry(2, put(2))]);
    let request = crate::AppendRequest {
        envelope: &envelope,
        batch: &batch.into(),
        log: &log,
    };
    let owner = share.owner.clone();
    let ack = share.run(|state, context| {
        let outcome = state.append(context, &owner, &mut a, request);
        (outcome.result.unwrap(), outcome.record)
    });
    assert_eq!((ack.cursor, ack.epoch), (Cursor::new(2), Epoch::new(1)));
}

#[test]
fn the_log_of_a_record_numbers_its_applied_ops_from_the_cursor_before() {
    let mut share = Share::new();
    let mut a = share.claim(A);
    share.send(&mut a, 0, vec![entry(1, put(1))]).unwrap();
    let owner = share.owner.clone();
    let envelope = share_model::Envelope {
        capability_epoch: Epoch::new(1),
        settled_through: Seq::ZERO,
    };
    let batch = batch(vec![entry(2, put(2)), entry(3, text(3)), entry(4, put(4))]);
    let log = LogAnswers::new();
    let request = crate::AppendRequest {
        envelope: &envelope,
        batch: &batch.into(),
        log: &log,
    };
    let record = share
        .state
        .append(&share.context, &owner, &mut a, request)
        .record;
    let record = record.unwrap();
    assert_eq!(record.version, ShareVersion::new(4));
    let logged: Vec<_> = record
        .logged()
        .into_iter()
        .map(|op| (op.cursor.get(), op.seq.get(), op.writer.get()))
        .collect();
    assert_eq!(logged, [(2, 2, 1), (3, 4, 1)]);
}
