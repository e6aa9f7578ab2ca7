//! Bounds at and one past them, fields of the wrong form, and the numbers that both sides cite.

use capnp::message::Builder;
use share_model::{
    Batch, BatchId, Dependency, Entry, EntryBody, Fingerprint, Limits, Mutation, Op, OpId, Origin,
    OriginKind, PROTOCOL_VERSION, PROTOCOL_VERSION_MIN, Refusal, RefusalCode, RefusalDetail,
    Security, Seq,
};

use share_proto::ids_capnp::origin::Kind;
use share_proto::op_capnp::{ack, batch, entry};
use share_proto::refusal_capnp::refusal;
use share_proto::share_capnp::{
    self, Tls, create_share, limits, log_position, redeem_outcome, share_ref,
};
use share_proto::wire;

const SMALL: Limits = Limits {
    batch_ops_max: 2,
    batch_bytes_max: 10,
    dependencies_max: 1,
    ..Limits::DEFAULT
};

/// An op of `bytes` bytes.
fn op(bytes: usize, dependencies: usize) -> Op {
    let dependency = Dependency {
        outbox: None,
        seq: Seq::new(1),
        fingerprint: Fingerprint::from_bytes([3; 16]),
    };
    Op {
        id: OpId::from_bytes([1; 16]),
        depends_on: vec![dependency; dependencies],
        mutation: Mutation::Put {
            key: "k".into(),
            json: "1".repeat(bytes - 1).into(),
        },
    }
}

fn batch(ops: impl IntoIterator<Item = Op>) -> Batch {
    let entries = (7..).zip(ops).map(|(seq, op)| Entry {
        seq: Seq::new(seq),
        was: None,
        body: EntryBody::Op(op),
        origin: None,
    });
    Batch {
        id: BatchId::from_bytes([2; 16]),
        atomic: false,
        expected_cursor: None,
        entries: entries.collect(),
    }
}

fn read_small(sent: &Batch) -> Result<Batch, Refusal> {
    let mut message = Builder::new_default();
    wire::write_batch(sent, message.init_root());
    let reader = message.get_root_as_reader::<batch::Reader<'_>>().unwrap();
    wire::read_batch(reader, &SMALL).map_err(Refusal::from)
}

#[track_caller]
fn too_large(sent: &Batch, message: &str, (seq, actual, max): (u64, u64, u64)) {
    let refusal = read_small(sent).unwrap_err();
    assert_eq!(refusal.code, RefusalCode::BatchTooLarge);
    assert_eq!(refusal.message, message);
    let seq = Seq::new(seq);
    assert_eq!(refusal.detail, RefusalDetail::Limit { seq, actual, max });
}

#[test]
fn a_batch_at_its_limits_is_read_and_one_past_them_is_too_large() {
    let at = batch([op(5, 1), op(5, 0)]);
    assert_eq!(read_small(&at), Ok(at));
    too_large(
        &batch([op(2, 0), op(2, 0), op(2, 0)]),
        "`batch.entries` has 3 entries, limit is 2",
        (0, 3, 2),
    );
    too_large(
        &batch([op(5, 0), op(6, 0)]),
        "`batch.entries` of item 1 has 11 bytes of mutations and origins, limit is 10",
        (0, 11, 10),
    );
    // Here one op is too large by itself, so that a client knows which to give up.
    too_large(
        &batch([op(1, 0), op(11, 0)]),
        "`batch.entries` of item 1 has 12 bytes of mutations and origins, limit is 10",
        (8, 12, 10),
    );
}

fn session(id: &str) -> Origin {
    Origin::new(OriginKind::Agent, id.to_owned(), 1024).unwrap()
}

#[test]
fn the_bytes_of_an_origin_count_against_the_batch() {
    let mut at = batch([op(5, 0), op(3, 0)]);
    at.entries[1].origin = Some(session("ss"));
    assert_eq!(read_small(&at), Ok(at.clone()));
    at.entries[1].origin = Some(session("sss"));
    too_large(
        &at,
        "`batch.entries` of item 1 has 11 bytes of mutations and origins, limit is 10",
        (0, 11, 10),
    );
}

#[test]
fn an_origin_that_is_not_whole_is_invalid_and_is_not_looked_at_where_it_means_nothing() {
    let read = |change: fn(entry::Builder<'_>)| {
        let mut message = Builder::new_default();
        wire::write_batch(&batch([op(5, 0)]), message.init_root());
        let root: batch::Builder<'_> = message.get_root().unwrap();
        change(root.get_entries().unwrap().get(0));
        let reader = message.get_root_as_reader::<batch::Reader<'_>>().unwrap();
        wire::read_batch(reader, &Limits::DEFAULT).map_err(|error| {
            let refusal = Refusal::from(error);
            (refusal.code, refusal.message)
        })
    };
    let invalid = |message: &str| Err((RefusalCode::InvalidRequest, message.to_owned()));
    assert_eq!(
        read(|entry| entry.init_origin().set_id("s")),
        invalid("`origin.kind` of item 0 is not set")
    );
    assert_eq!(
        read(|entry| entry.init_origin().set_kind(Kind::Agent)),
        invalid("`origin` of item 0 is refused: origin id is empty")
    );
    assert_eq!(
        read(|entry| {
            let mut origin = entry.init_origin();
            origin.set_kind(Kind::Agent);
            origin.set_id("i".repeat(1025));
        }),
        invalid("`origin.id` of item 0 has 1025 bytes, limit is 1024")
    );
    let given_up = read(|mut entry| {
        entry.reborrow().init_origin().set_id("");
        entry.set_abandon(&[0; 16]);
    });
    assert_eq!(given_up.unwrap().entries[0].origin, None);
}

#[track_caller]
fn invalid(sent: &Batch, message: &str) {
    let refusal = read_small(sent).unwrap_err();
    assert_eq!(
        (refusal.code, refusal.message.as_str()),
        (RefusalCode::InvalidRequest, message)
    );
}

#[test]
fn a_batch_with_seq_zero_or_with_too_many_dependencies_is_invalid() {
    let mut zero = batch([op(5, 0)]);
    zero.entries[0].seq = Seq::ZERO;
    invalid(&zero, "`entry.seq` of item 0 is zero or empty");
    invalid(
        &batch([op(5, 2)]),
        "`op.dependsOn` of item 0 has 2 items, limit is 1",
    );
}

#[test]
fn an_id_of_another_length_and_a_union_that_was_not_set_are_invalid_with_the_field_named() {
    let read = |change: fn(batch::Builder<'_>)| {
        let mut message = Builder::new_default();
        wire::write_batch(&batch([op(5, 0)]), message.init_root());
        change(message.get_root().unwrap());
        let reader = message.get_root_as_reader::<batch::Reader<'_>>().unwrap();
        wire::read_batch(reader, &SMALL).unwrap_err().to_string()
    };
    assert_eq!(
        read(|mut batch| batch.set_id(&[0; 15])),
        "`batch.id` has 15 bytes, must have 16"
    );
    assert_eq!(
        read(|batch| batch.get_entries().unwrap().get(0).set_unset(())),
        "`entry` of item 0 is not set"
    );
    assert_eq!(
        read(|batch| {
            let entry = batch.get_entries().unwrap().get(0);
            entry.init_op().init_mutation().set_unset(());
        }),
        "`op.mutation` of item 0 is not set"
    );
    assert_eq!(
        read(|batch| batch.get_entries().unwrap().get(0).set_abandon(&[0; 17])),
        "`entry.abandon` of item 0 has 17 bytes, must have 16"
    );
}

/// Reads an ack with these runs of abandoned entries, for a batch of 3.
fn read_counts(counts: &[u32]) -> Result<usize, String> {
    let mut message = Builder::new_default();
    let list = message.init_root::<ack::Builder<'_>>();
    let mut list = list.init_outcomes(u32::try_from(counts.len()).unwrap());
    for (index, count) in (0..).zip(counts) {
        let mut run = list.reborrow().get(index);
        run.set_count(*count);
        run.set_abandoned(());
    }
    let reader = message.get_root_as_reader::<ack::Reader<'_>>().unwrap();
    match wire::read_ack(reader, 3) {
        Ok(ack) => Ok(ack.outcomes.len()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn counts_of_outcomes_that_do_not_add_up_are_refused_before_anything_is_allocated_for_them() {
    let not = |actual: u64| {
        Err(format!(
            "`ack.outcomes` stand for {actual} entries, the batch has 3"
        ))
    };
    assert_eq!(read_counts(&[1, 2]), Ok(3));
    assert_eq!(read_counts(&[2]), not(2));
    assert_eq!(read_counts(&[]), not(0));
    assert_eq!(read_counts(&[1, 3]), not(4));
    assert_eq!(read_counts(&[u32::MAX, u32::MAX]), not(4_294_967_295));
    let zero = Err("`ack.outcomes.count` is zero or empty".to_owned());
    assert_eq!(read_counts(&[3, 0]), zero);
}

#[test]
fn a_run_that_goes_beyond_the_greatest_cursor_is_refused() {
    let read = |first: u64| {
        let mut message = Builder::new_default();
        let list = message.init_root::<ack::Builder<'_>>();
        let mut run = list.init_outcomes(1).get(0);
        run.set_count(2);
        run.set_applied(first);
        let reader = message.get_root_as_reader::<ack::Reader<'_>>().unwrap();
        wire::read_ack(reader, 2).map_err(|error| error.to_string())
    };
    let last = read(u64::MAX - 1).unwrap().outcomes[1].cursor();
    assert_eq!(last.unwrap().get(), u64::MAX);
    assert_eq!(
        read(u64::MAX).unwrap_err(),
        "`ack.outcomes` go beyond the greatest cursor"
    );
}

#[test]
fn a_refusal_with_a_code_of_a_later_version_reads_as_invalid_request() {
    let mut message = Builder::new_default();
    let mut later = message.init_root::<refusal::Builder<'_>>();
    later.set_message("too late");
    // The code is the first field: 16 bits at the beginning of the struct's data.
    let mut bytes = capnp::serialize::write_message_to_words(&message);
    let data = 8 + 8;
    assert_eq!(bytes[data..data + 2], [0, 0]);
    let read = |mut bytes: &[u8]| {
        let message =
            capnp::serialize::read_message_from_flat_slice(&mut bytes, Default::default()).unwrap();
        wire::read_refusal(message.get_root().unwrap()).map_err(|error| error.to_string())
    };
    assert_eq!(read(&bytes).unwrap_err(), "`refusal.code` is not set");
    bytes[data] = 200;
    let refusal = read(&bytes).unwrap();
    assert_eq!(
        refusal,
        Refusal::new(RefusalCode::InvalidRequest, "too late")
    );
}

#[test]
fn a_title_and_an_origin_at_1024_bytes_are_read_and_one_past_is_invalid() {
    let read = |title: usize, origin: usize| {
        let mut message = Builder::new_default();
        let mut request = message.init_root::<create_share::Builder<'_>>();
        request.set_request(&[1; 16]);
        request.set_owner_secret_hash(&[1; 32]);
        request.set_title("t".repeat(title));
        let mut builder = request.init_origin();
        builder.set_kind(share_proto::ids_capnp::origin::Kind::User);
        builder.set_id("o".repeat(origin));
        let reader = message.get_root_as_reader().unwrap();
        match wire::read_create_share(reader) {
            Ok(request) => Ok((request.title.len(), request.origin.id().len())),
            Err(error) => Err(error.to_string()),
        }
    };
    let not = |text: &str| Err(text.to_owned());
    assert_eq!(read(1024, 1024), Ok((1024, 1024)));
    assert_eq!(read(1025, 1), not("`title` has 1025 bytes, limit is 1024"));
    assert_eq!(
        read(0, 1025),
        not("`origin.id` has 1025 bytes, limit is 1024")
    );
    assert_eq!(read(0, 0), not("`origin` is refused: origin id is empty"));
}

#[test]
fn text_that_is_not_utf8_is_invalid() {
    let mut message = Builder::new_default();
    let mut request = message.init_root::<create_share::Builder<'_>>();
    request.set_request(&[1; 16]);
    request.set_owner_secret_hash(&[1; 32]);
    request.set_title(capnp::text::Reader(b"\xff\xfe"));
    let error = wire::read_create_share(message.get_root_as_reader().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`title` is not UTF-8");
}

#[test]
fn a_ref_to_redeem_is_read_without_what_the_server_does_not_look_at() {
    let mut message = Builder::new_default();
    let mut share_ref = message.init_root::<share_ref::Builder<'_>>();
    share_ref.set_share(&[1; 16]);
    share_ref.set_grant(&[2; 16]);
    share_ref.set_secret(&[3; 32]);
    share_ref.set_pin(&[4; 5]);
    let reader = message
        .get_root_as_reader::<share_ref::Reader<'_>>()
        .unwrap();
    let read = wire::read_share_ref_to_redeem(reader);
    assert_eq!(read.secret.expose(), &[3; 32]);
    let Err(error) = wire::read_share_ref(reader) else {
        panic!("a ref without an address was read");
    };
    assert_eq!(error.to_string(), "`ref.addresses` is zero or empty");
}

#[test]
fn a_ref_that_pins_a_certificate_says_no_more_of_tls() {
    let mut message = Builder::new_default();
    let mut share_ref = message.init_root::<share_ref::Builder<'_>>();
    share_ref.reborrow().init_addresses(1).set(0, "a:1");
    share_ref.set_share(&[1; 16]);
    share_ref.set_grant(&[2; 16]);
    share_ref.set_epoch(1);
    share_ref.set_secret(&[3; 32]);
    share_ref.set_pin(&[4; 32]);
    share_ref.set_tls(Tls::Off);
    let read = |message: &Builder<_>| {
        let reader = message.get_root_as_reader::<share_ref::Reader<'_>>();
        wire::read_share_ref(reader.unwrap()).map(|read| read.security)
    };
    let error = read(&message).unwrap_err();
    assert_eq!(error.to_string(), "`ref.tls` is set beside a pin");
    let mut share_ref = message.get_root::<share_ref::Builder<'_>>().unwrap();
    share_ref.set_pin(&[]);
    assert_eq!(read(&message).unwrap(), Security::Plain);
}

#[test]
fn the_beginning_of_a_log_has_cursor_zero() {
    let mut message = Builder::new_default();
    message
        .init_root::<log_position::Builder<'_>>()
        .set_cursor(5);
    let error = wire::read_log_position(message.get_root_as_reader().unwrap()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`position.cursor` is 5, must be zero without a history"
    );
}

#[test]
fn an_answer_that_nobody_filled_in_is_refused() {
    let mut message = Builder::new_default();
    message.init_root::<redeem_outcome::Builder<'_>>();
    let error = wire::read_redeem_outcome(message.get_root_as_reader().unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "`outcome` is not set");
}

#[test]
fn a_client_name_is_cut_at_128_bytes_between_characters() {
    let long = format!("{}ß tail", "x".repeat(127));
    let read = wire::read_client_name(Ok(long.as_str().into())).unwrap();
    assert_eq!(read, "x".repeat(127));
    let short = wire::read_client_name(Ok("share 0.1.0".into())).unwrap();
    assert_eq!(short, "share 0.1.0");
}

#[test]
fn limits_that_are_not_on_the_wire_are_the_defaults() {
    let mut message = Builder::new_default();
    let sent = Limits {
        window: 5,
        abandoned_max: 6,
        ..Limits::DEFAULT
    };
    wire::write_limits(&sent, message.init_root::<limits::Builder<'_>>());
    let read = wire::read_limits(message.get_root_as_reader().unwrap()).unwrap();
    let expected = Limits {
        window: 5,
        ..Limits::DEFAULT
    };
    assert_eq!(read, expected);
}

#[test]
fn the_constants_of_the_schema_are_those_of_the_model() {
    let limits = Limits::DEFAULT;
    assert_eq!(share_capnp::PROTOCOL_VERSION, PROTOCOL_VERSION);
    assert_eq!(share_capnp::PROTOCOL_VERSION_MIN, PROTOCOL_VERSION_MIN);
    assert_eq!(share_capnp::BATCH_OPS_MAX, limits.batch_ops_max);
    assert_eq!(share_capnp::BATCH_BYTES_MAX, limits.batch_bytes_max);
    assert_eq!(share_capnp::KEY_BYTES_MAX, limits.key_bytes_max);
    assert_eq!(share_capnp::VALUE_BYTES_MAX, limits.value_bytes_max);
    assert_eq!(share_capnp::DOCUMENT_BYTES_MAX, limits.document_bytes_max);
    assert_eq!(share_capnp::WINDOW, limits.window);
}
