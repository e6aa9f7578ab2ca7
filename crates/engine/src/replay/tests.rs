//! Records that do not fit. That those that fit give the whole state is checked after every
//! command of every other test.

use share_model::{Cursor, Limits, Seq, ShareVersion, WriterId};

use crate::fixture::*;
use crate::{
    AppendRequest, Appended, Change, CreateShare, LogAnswers, Record, RecordError, ShareState,
};

/// A share and the record that would come next.
fn next() -> (Share, Record) {
    let mut share = Share::new();
    let mut a = share.claim(A);
    let owner = share.owner.clone();
    let (batch, log) = (batch(vec![entry(1, put(1))]), LogAnswers::new());
    let request = AppendRequest {
        envelope: &share_model::Envelope {
            capability_epoch: owner.epoch(),
            settled_through: Seq::ZERO,
        },
        batch: &batch.into(),
        log: &log,
    };
    let mut after = share.state.clone();
    let record = after.append(&share.context, &owner, &mut a, request).record;
    (share, record.unwrap())
}

#[track_caller]
fn contradicts(share: &Share, record: &Record) {
    let applied = share.state.clone().apply(record);
    assert!(
        matches!(applied, Err(RecordError::Contradiction { .. })),
        "{applied:?}"
    );
}

fn changed(record: &Record, change: impl FnOnce(&mut Appended)) -> Record {
    let mut record = record.clone();
    let Change::Appended(appended) = &mut record.change else {
        panic!("an append gives an append's record");
    };
    change(appended);
    record
}

#[test]
fn a_record_must_follow_the_state() {
    let (mut share, record) = next();
    let (found, expected) = (ShareVersion::new(4), ShareVersion::new(3));
    let record = Record {
        version: found,
        ..record
    };
    let refused = share.state.apply(&record);
    assert_eq!(refused, Err(RecordError::OutOfSequence { found, expected }));
}

#[test]
fn a_record_that_contradicts_the_state_is_an_error() {
    let (share, record) = next();
    assert_eq!(share.state.clone().apply(&record), Ok(()));
    contradicts(
        &share,
        &changed(&record, |it| it.cursor_before = Cursor::new(1)),
    );
    contradicts(&share, &changed(&record, |it| it.writer = WriterId::new(2)));
    contradicts(&share, &changed(&record, |it| it.outbox = B));
    contradicts(
        &share,
        &changed(&record, |it| it.entries[0].seq = Seq::new(2)),
    );
    contradicts(&share, &changed(&record, |it| it.retired = vec![B]));
    // A number goes with ops; the checkpoint of such a state would not be read.
    contradicts(&share, &changed(&record, |it| it.entries.clear()));
    let invalid = crate::Recorded::Applied(text(1));
    contradicts(
        &share,
        &changed(&record, |it| it.entries[0].outcome = invalid),
    );
}

#[test]
fn what_was_applied_is_replayed_although_a_limit_was_lowered() {
    let (share, record) = next();
    let tight = Limits {
        key_bytes_max: 1,
        value_bytes_max: 0,
        document_bytes_max: 0,
        depth_max: 0,
        window: 0,
        ..Limits::DEFAULT
    };
    let (head, document) = (share.state.checkpoint(), share.state.document().clone());
    let mut state = ShareState::from_checkpoint(&head, document, tight).unwrap();
    assert_eq!(state.apply(&record), Ok(()));
}

#[test]
fn a_replay_begins_with_a_created_share_only() {
    let (_, record) = next();
    let refused = ShareState::begin(&record, Limits::DEFAULT);
    assert!(matches!(refused, Err(RecordError::OutOfSequence { .. })));
    let first = Record {
        version: ShareVersion::new(1),
        ..record
    };
    let refused = ShareState::begin(&first, Limits::DEFAULT);
    assert!(matches!(refused, Err(RecordError::Contradiction { .. })));
}

#[test]
fn creating_is_recognised_when_it_is_repeated() {
    let share = Share::new();
    let is_same = |factory, n, s| {
        let state = &share.state;
        state.is_created_by(grant(factory), request(n), &secret(s))
    };
    assert!(is_same(200, 1, 1));
    assert!(!is_same(201, 1, 1));
    assert!(!is_same(200, 2, 1));
    assert!(!is_same(200, 1, 2));
}

#[test]
fn a_title_is_bounded() {
    let create = |title: &str| {
        let command = CreateShare {
            share: share_model::ShareId::from_bytes([1; 16]),
            factory: grant(1),
            request: request(1),
            owner_grant: grant(1),
            owner_secret_hash: secret(1),
            title: title.into(),
            origin: origin("o"),
        };
        let limits = Limits {
            label_bytes_max: 3,
            ..Limits::DEFAULT
        };
        ShareState::create(command, limits, share_model::UnixMs::new(1))
    };
    assert!(create("abc").is_ok());
    let refusal = create("abcd").unwrap_err();
    assert_eq!(refusal.code, share_model::RefusalCode::InvalidRequest);
    assert_eq!(refusal.message, "title has 4 bytes, limit is 3");
}
