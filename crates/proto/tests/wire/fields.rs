//! Where the fields of a value stand in the message, seen with the generated readers alone: a
//! writer and a reader that both take one field for another would pass every round trip.

use capnp::message::Builder;
use share_model::*;

use share_proto::op_capnp::{ack, batch, entry, op, outcome_run, rejection};
use share_proto::refusal_capnp::refusal;
use share_proto::share_capnp::{claim_outcome::claimed, redeemed, share_ref, share_session};
use share_proto::wire;

/// The one-field texts of a mutation, as the schema's reader finds them.
fn fields_of(mutation: Mutation) -> (u16, Vec<String>) {
    let mut message = Builder::new_default();
    let op = Op {
        id: OpId::from_bytes([1; 16]),
        depends_on: Vec::new(),
        mutation,
    };
    wire::write_op(&op, message.init_root());
    let reader = message.get_root_as_reader::<op::Reader<'_>>().unwrap();
    let (ordinal, texts) = match reader.get_mutation().which().unwrap() {
        op::mutation::Unset(()) => (0, vec![]),
        op::mutation::Put(put) => {
            let put = put.unwrap();
            (1, vec![put.get_key(), put.get_json()])
        }
        op::mutation::Merge(merge) => {
            let merge = merge.unwrap();
            (2, vec![merge.get_key(), merge.get_json()])
        }
        op::mutation::AppendText(append) => {
            let append = append.unwrap();
            (
                3,
                vec![append.get_key(), append.get_pointer(), append.get_text()],
            )
        }
        op::mutation::AppendItem(append) => {
            let append = append.unwrap();
            (
                4,
                vec![append.get_key(), append.get_pointer(), append.get_json()],
            )
        }
        op::mutation::Remove(key) => (5, vec![key]),
    };
    let texts = texts
        .into_iter()
        .map(|text| text.unwrap().to_string().unwrap());
    (ordinal, texts.collect())
}

#[test]
fn each_mutation_stands_under_its_tag_with_its_fields_in_the_schemas_order() {
    let (key, json, pointer) = ("k".to_owned(), "1".to_owned(), "/p".to_owned());
    let text = "t".to_owned();
    let put = fields_of(Mutation::Put {
        key: key.clone().into(),
        json: json.clone().into(),
    });
    assert_eq!(put, (1, vec!["k".into(), "1".into()]));
    let merge = fields_of(Mutation::Merge {
        key: key.clone().into(),
        json: json.clone().into(),
    });
    assert_eq!(merge, (2, vec!["k".into(), "1".into()]));
    let append = fields_of(Mutation::AppendText {
        key: key.clone().into(),
        pointer: pointer.clone().into(),
        text: text.into(),
    });
    assert_eq!(append, (3, vec!["k".into(), "/p".into(), "t".into()]));
    let append = fields_of(Mutation::AppendItem {
        key: key.clone().into(),
        pointer: pointer.into(),
        json: json.into(),
    });
    assert_eq!(append, (4, vec!["k".into(), "/p".into(), "1".into()]));
    assert_eq!(
        fields_of(Mutation::Remove { key: key.into() }),
        (5, vec!["k".into()])
    );
}

#[test]
fn a_batch_stands_in_the_fields_of_the_schema() {
    let sent = Batch {
        id: BatchId::from_bytes([1; 16]),
        atomic: true,
        expected_cursor: Some(Cursor::new(2)),
        entries: vec![Entry {
            seq: Seq::new(3),
            was: Some(FirstLane {
                outbox: OutboxId::from_bytes([4; 16]),
                seq: Seq::new(5),
            }),
            body: EntryBody::Abandon(Fingerprint::from_bytes([6; 16])),
            origin: None,
        }],
    };
    let mut message = Builder::new_default();
    wire::write_batch(&sent, message.init_root());
    let batch = message.get_root_as_reader::<batch::Reader<'_>>().unwrap();
    assert_eq!(batch.get_id().unwrap(), [1; 16]);
    assert!(batch.get_atomic());
    assert!(matches!(
        batch.get_expected_cursor().which(),
        Ok(batch::expected_cursor::Exactly(2))
    ));
    let entry = batch.get_entries().unwrap().get(0);
    assert_eq!(entry.get_seq(), 3);
    let Ok(entry::was::Elsewhere(lane)) = entry.get_was().which() else {
        panic!("the entry was elsewhere");
    };
    let lane = lane.unwrap();
    assert_eq!(
        (lane.get_outbox_id().unwrap(), lane.get_seq()),
        ([4; 16].as_slice(), 5)
    );
    let Ok(entry::Abandon(fingerprint)) = entry.which() else {
        panic!("the entry abandons");
    };
    assert_eq!(fingerprint.unwrap(), [6; 16]);
}

#[test]
fn outcomes_stand_in_runs_of_equal_kinds_with_cursors_that_go_up_by_one() {
    let (one, two) = (Cursor::new(1), Cursor::new(2));
    let missing = RejectReason::CursorMismatch {
        expected: Cursor::new(8),
        actual: Cursor::new(9),
    };
    let sent = Ack {
        cursor: Cursor::new(50),
        epoch: Epoch::new(60),
        outcomes: vec![
            OpOutcome::Applied(one),
            OpOutcome::Applied(two),
            // Same kind, but not the next cursor: a run of its own.
            OpOutcome::Applied(two),
            OpOutcome::Duplicate(Cursor::new(3)),
            OpOutcome::Rejected(missing.clone()),
            OpOutcome::Rejected(missing),
            OpOutcome::Rejected(RejectReason::Abandoned),
            OpOutcome::InDoubt,
            OpOutcome::InDoubt,
            OpOutcome::Abandoned,
        ],
    };
    let mut message = Builder::new_default();
    wire::write_ack(&sent, message.init_root());
    let ack = message.get_root_as_reader::<ack::Reader<'_>>().unwrap();
    assert_eq!((ack.get_cursor(), ack.get_epoch()), (50, 60));
    let shown = |run: outcome_run::Reader<'_>| match run.which().unwrap() {
        outcome_run::Unset(()) => "unset".to_owned(),
        outcome_run::Applied(cursor) => format!("applied {cursor}"),
        outcome_run::Duplicate(cursor) => format!("duplicate {cursor}"),
        outcome_run::Rejected(reason) => match reason.unwrap().which().unwrap() {
            rejection::CursorMismatch(mismatch) => {
                let mismatch = mismatch.unwrap();
                format!("{} is {}", mismatch.get_expected(), mismatch.get_actual())
            }
            rejection::Abandoned(()) => "rejected, abandoned".to_owned(),
            _ => "another reason".to_owned(),
        },
        outcome_run::InDoubt(()) => "in doubt".to_owned(),
        outcome_run::Abandoned(()) => "abandoned".to_owned(),
    };
    let runs = ack.get_outcomes().unwrap().iter();
    let runs: Vec<_> = runs.map(|run| (run.get_count(), shown(run))).collect();
    let expected = [
        (2, "applied 1"),
        (1, "applied 2"),
        (1, "duplicate 3"),
        (2, "8 is 9"),
        (1, "rejected, abandoned"),
        (2, "in doubt"),
        (1, "abandoned"),
    ];
    assert_eq!(runs, expected.map(|(count, text)| (count, text.to_owned())));
}

#[test]
fn every_refusal_code_stands_under_the_name_that_the_schema_gives_it() {
    for code in RefusalCode::ALL {
        let mut message = Builder::new_default();
        wire::write_refusal(&Refusal::new(*code, "m"), message.init_root());
        let reader = message.get_root_as_reader::<refusal::Reader<'_>>().unwrap();
        let shown = format!("{:?}", reader.get_code().unwrap());
        assert_eq!(shown.to_lowercase(), code.name().to_lowercase());
    }
}

#[test]
fn the_facts_of_a_changed_history_stand_in_the_fields_of_the_schema() {
    let detail = RefusalDetail::History {
        history: HistoryId::from_bytes([1; 16]),
        floor: Seq::new(2),
        highest: Seq::new(3),
        chain: Chain::from_bytes([4; 32]),
    };
    let refusal = Refusal {
        retry_after_ms: Some(5),
        ..Refusal::new(RefusalCode::HistoryChanged, "m").with_detail(detail)
    };
    let mut message = Builder::new_default();
    wire::write_refusal(&refusal, message.init_root());
    let reader = message.get_root_as_reader::<refusal::Reader<'_>>().unwrap();
    assert_eq!(reader.get_retry_after_ms(), 5);
    let Ok(refusal::detail::History(history)) = reader.get_detail().which() else {
        panic!("the detail is a history");
    };
    let history = history.unwrap();
    assert_eq!(history.get_history().unwrap(), [1; 16]);
    assert_eq!((history.get_floor(), history.get_highest()), (2, 3));
    assert_eq!(history.get_chain().unwrap(), [4; 32]);
}

#[test]
fn a_ref_a_claim_and_their_answers_stand_in_the_fields_of_the_schema() {
    let mut message = Builder::new_default();
    let share_ref = ShareRef {
        addresses: vec!["a:1".to_owned()],
        share: ShareId::from_bytes([1; 16]),
        grant: GrantId::from_bytes([2; 16]),
        epoch: Epoch::new(3),
        security: Security::Pinned(CertificatePin::from_bytes([4; 32])),
        secret: Secret::from_bytes([5; 32]),
    };
    wire::write_share_ref(&share_ref, message.init_root());
    let reader = message
        .get_root_as_reader::<share_ref::Reader<'_>>()
        .unwrap();
    assert_eq!(reader.get_share().unwrap(), [1; 16]);
    assert_eq!(reader.get_grant().unwrap(), [2; 16]);
    assert_eq!(
        (reader.get_epoch(), reader.get_pin().unwrap()),
        (3, [4; 32].as_slice())
    );
    assert_eq!(reader.get_secret().unwrap(), [5; 32]);

    let mut message = Builder::new_default();
    let claim = wire::ClaimRequest {
        outbox_key: OutboxKey::from_bytes([1; 32]),
        incarnation: Incarnation::new(2),
        nonce: Nonce::from_bytes([3; 16]),
        history: Some(HistoryId::from_bytes([4; 16])),
    };
    wire::write_claim_request(&claim, message.init_root());
    let reader = message
        .get_root_as_reader::<share_session::claim_writer_params::Reader<'_>>()
        .unwrap();
    assert_eq!(reader.get_outbox_key().unwrap(), [1; 32]);
    assert_eq!(reader.get_incarnation(), 2);
    assert_eq!(reader.get_nonce().unwrap(), [3; 16]);
    assert_eq!(reader.get_history().unwrap(), [4; 16]);

    let mut message = Builder::new_default();
    let answer = Claimed {
        incarnation: Incarnation::new(1),
        history: HistoryId::from_bytes([2; 16]),
        writer: Some(WriterId::new(3)),
        floor: Seq::new(4),
        highest: Seq::new(5),
        chain: Chain::from_bytes([6; 32]),
    };
    wire::write_claimed(&answer, message.init_root());
    let reader = message.get_root_as_reader::<claimed::Reader<'_>>().unwrap();
    assert_eq!((reader.get_incarnation(), reader.get_writer()), (1, 3));
    assert_eq!((reader.get_floor(), reader.get_highest()), (4, 5));
    assert_eq!(reader.get_history().unwrap(), [2; 16]);
    assert_eq!(reader.get_chain().unwrap(), [6; 32]);
}

#[test]
fn limits_rights_and_texts_of_a_redeemed_share_stand_in_the_fields_of_the_schema() {
    let limits = Limits {
        key_bytes_max: 1,
        value_bytes_max: 2,
        batch_ops_max: 3,
        batch_bytes_max: 4,
        document_bytes_max: 5,
        depth_max: 6,
        dependencies_max: 7,
        window: 8,
        ..Limits::DEFAULT
    };
    let answer = Redeemed {
        share: ShareId::from_bytes([1; 16]),
        cursor: Cursor::new(2),
        epoch: Epoch::new(3),
        history: HistoryId::from_bytes([4; 16]),
        rights: Rights::of(&[Right::Append]),
        limits,
        title: "title".to_owned(),
        created_at: UnixMs::new(5),
        origin: Origin::new(OriginKind::Agent, "who".to_owned(), 1024).unwrap(),
        server: "server".to_owned(),
        protocol_version: 6,
        grant: GrantId::from_bytes([7; 16]),
        expires_at: Some(UnixMs::new(8)),
        label: "label".to_owned(),
        owner: true,
        frozen: false,
    };
    let mut message = Builder::new_default();
    wire::write_redeemed(&answer, message.init_root());
    let reader = message
        .get_root_as_reader::<redeemed::Reader<'_>>()
        .unwrap();
    assert_eq!((reader.get_cursor(), reader.get_epoch()), (2, 3));
    assert_eq!(reader.get_history().unwrap(), [4; 16]);
    assert_eq!(reader.get_title().unwrap(), "title");
    assert_eq!(reader.get_server().unwrap(), "server");
    assert_eq!(
        (reader.get_created_at(), reader.get_protocol_version()),
        (5, 6)
    );
    assert_eq!(reader.get_grant().unwrap(), [7; 16]);
    assert_eq!(reader.get_expires_at(), 8);
    assert_eq!(reader.get_label().unwrap(), "label");
    assert_eq!((reader.get_owner(), reader.get_frozen()), (true, false));
    let rights = reader.get_rights().unwrap();
    let flags = (rights.get_read(), rights.get_append(), rights.get_admin());
    assert_eq!(flags, (false, true, false));
    let limits = reader.get_limits().unwrap();
    let narrow = [
        limits.get_key_bytes_max(),
        limits.get_batch_ops_max(),
        limits.get_depth_max(),
        limits.get_dependencies_max(),
        limits.get_window(),
    ];
    assert_eq!(narrow, [1, 3, 6, 7, 8]);
    let wide = [
        limits.get_value_bytes_max(),
        limits.get_batch_bytes_max(),
        limits.get_document_bytes_max(),
    ];
    assert_eq!(wide, [2, 4, 5]);
}
