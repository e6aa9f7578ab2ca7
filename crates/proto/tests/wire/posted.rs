//! Calls by HTTP, and their answers.

use share_model::*;
use share_proto::wire::*;

use crate::authority;
use crate::kinds::{self, answer};
use crate::values::Values;

/// Entries of the batches that acks answer.
const ENTRIES: usize = 12;

fn reference(values: &Values) -> ShareRef {
    ShareRef {
        // Neither is read of a ref to redeem.
        addresses: Vec::new(),
        security: Security::ByAddress,
        share: ShareId::from_bytes(values.bytes()),
        grant: GrantId::from_bytes(values.bytes()),
        epoch: Epoch::new(values.number()),
        secret: Secret::from_bytes(values.bytes()),
    }
}

fn factory(values: &Values) -> FactoryRef {
    FactoryRef {
        addresses: Vec::new(),
        security: Security::ByAddress,
        grant: GrantId::from_bytes(values.bytes()),
        secret: Secret::from_bytes(values.bytes()),
    }
}

fn proven(values: &Values) -> Proven {
    Proven {
        reference: reference(values),
        proof: values.optional(|values| OwnerProof::from_bytes(values.bytes())),
    }
}

pub(crate) fn call(values: &Values) -> PostedCall {
    let sent = |values: &Values| {
        let envelope = Envelope {
            capability_epoch: Epoch::new(values.number()),
            settled_through: Seq::new(values.number()),
        };
        Ok((values.batch(), envelope))
    };
    let asked = match values.below(5) {
        0 => Posted::Append(PostedAppend {
            proven: proven(values),
            claim: Ok(kinds::claim(values)),
            batches: values.many(4, sent),
        }),
        1 => Posted::Create(factory(values), Ok(kinds::create_share(values))),
        2 => Posted::Publish(proven(values), Ok(authority::publish(values))),
        3 => Posted::Delete(proven(values), Ok(values.origin())),
        _ => Posted::Factory(factory(values)),
    };
    PostedCall {
        protocol_version: values.small(),
        client: "a client".to_owned(),
        asked,
    }
}

pub(crate) fn posted_answer(values: &Values) -> PostedAnswer {
    match values.below(5) {
        0 => PostedAnswer::Append(PostedAppended {
            redeem: answer(values, kinds::redeemed),
            claim: answer(values, kinds::claimed),
            appends: values.many(4, |values| answer(values, |values| values.ack(ENTRIES))),
        }),
        1 => PostedAnswer::Create(
            answer(values, kinds::factory_redeemed),
            answer(values, kinds::created),
        ),
        2 => PostedAnswer::Publish(answer(values, authority::minted)),
        3 => PostedAnswer::Delete(answer(values, authority::cut)),
        _ => PostedAnswer::Factory(answer(values, kinds::factory_redeemed)),
    }
}

/// As many batches as an answer may be to.
pub(crate) const OF_BATCHES: &[usize] = &[ENTRIES; 4];

fn append(batches: Vec<Part<(Batch, Envelope)>>) -> PostedCall {
    let values = Values::new(1);
    PostedCall {
        protocol_version: 2,
        client: String::new(),
        asked: Posted::Append(PostedAppend {
            proven: proven(&values),
            claim: Ok(kinds::claim(&values)),
            batches,
        }),
    }
}

fn sent(batch: Batch) -> Part<(Batch, Envelope)> {
    let envelope = Envelope {
        capability_epoch: Epoch::ZERO,
        settled_through: Seq::ZERO,
    };
    Ok((batch, envelope))
}

fn read_batches(bytes: &[u8], limits: &Limits) -> Result<Vec<Part<(Batch, Envelope)>>, WireError> {
    match posted_call_of(bytes, limits)?.asked {
        Posted::Append(append) => Ok(append.batches),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_behind_a_batch_beyond_its_limits_is_read() {
    let batch = |entries: usize| {
        let values = Values::new(2);
        Batch {
            entries: std::iter::repeat_with(|| values.entry())
                .take(entries)
                .collect(),
            ..values.batch()
        }
    };
    let batches = [1, 3, 1].map(|entries| sent(batch(entries)));
    let bytes = posted_call_bytes(&append(batches.into()));
    let limits = Limits {
        batch_ops_max: 2,
        ..Limits::DEFAULT
    };
    let read = read_batches(&bytes, &limits).unwrap();
    assert_eq!(read.len(), 2);
    let refusal = Refusal::from(read[1].clone().unwrap_err());
    assert_eq!(refusal.code, RefusalCode::BatchTooLarge);
}

#[test]
fn so_many_batches_are_read_and_not_one_more() {
    let batch = Values::new(3).batch();
    let of = |count: usize| append(vec![sent(batch.clone()); count]);
    let most = POSTED_BATCHES_MAX as usize;
    let bytes = posted_call_bytes(&of(most));
    assert_eq!(read_batches(&bytes, &Limits::DEFAULT).unwrap().len(), most);
    let error = read_batches(&posted_call_bytes(&of(most + 1)), &Limits::DEFAULT).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`append.batches` has 65 items, limit is 64"
    );
}

#[test]
fn a_body_is_one_message_and_nothing_else_wherever_it_lies_in_memory() {
    let bytes = posted_call_bytes(&append(Vec::new()));
    let limits = &Limits::DEFAULT;
    let mut shifted = vec![0];
    shifted.extend(&bytes);
    posted_call_of(&shifted[1..], limits).unwrap();
    let mut longer = bytes.clone();
    longer.extend([0; 8]);
    for wrong in [
        &longer,
        &bytes[..bytes.len() - 1],
        &bytes[..8],
        &[],
        &[0xff; 4096],
    ] {
        posted_call_of(wrong, limits).unwrap_err();
    }
}

#[test]
fn an_answer_to_more_batches_than_were_sent_is_none() {
    let values = Values::new(4);
    let answer = PostedAnswer::Append(PostedAppended {
        redeem: Ok(kinds::redeemed(&values)),
        claim: Ok(kinds::claimed(&values)),
        appends: vec![Ok(values.ack(3)), Ok(values.ack(2))],
    });
    let bytes = posted_answer_bytes(&answer);
    assert_eq!(posted_answer_of(&bytes, &[3, 2]).unwrap(), answer);
    assert_eq!(posted_answer_of(&bytes, &[3, 2, 7]).unwrap(), answer);
    posted_answer_of(&bytes, &[3]).unwrap_err();
    posted_answer_of(&bytes, &[2, 3]).unwrap_err();
}

#[test]
fn a_call_that_asks_for_nothing_known_is_none() {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<share_proto::http_capnp::call::Builder<'_>>();
    let bytes = capnp::serialize::write_message_to_words(&message);
    let error = posted_call_of(&bytes, &Limits::DEFAULT).unwrap_err();
    assert_eq!(error.to_string(), "`call` is not set");
}

/// A call whose batches are all one and the same place in the message.
fn the_same_batch(times: u32) -> Vec<u8> {
    let allocator = capnp::message::HeapAllocator::new().first_segment_words(1 << 16);
    let mut message = capnp::message::Builder::new(allocator);
    let call = message.init_root::<share_proto::http_capnp::call::Builder<'_>>();
    let mut append = call.init_append();
    append.reborrow().init_ref();
    let mut first = append.init_batches(times).get(0);
    let values = Values::new(5);
    let batch = Batch {
        entries: std::iter::repeat_with(|| values.entry())
            .take(200)
            .collect(),
        ..values.batch()
    };
    write_batch(&batch, first.reborrow().init_batch());
    first.init_envelope();
    let mut bytes = capnp::serialize::write_message_to_words(&message);
    // The list's tag: so many structs of two pointers each. Behind it stand the structs.
    let tag = [times << 2, 2 << 16].map(u32::to_le_bytes).concat();
    let is_tag = |at: &usize| bytes[*at..].starts_with(&tag);
    let list = (0..bytes.len()).step_by(8).find(is_tag).unwrap() + 8;
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let [batch, envelope] = [word(list), word(list + 8)];
    for number in 1..u64::from(times) {
        // An offset is counted in words, from behind the pointer, in the bits from the third on.
        let nearer = number * 2 * 4;
        let at = list + usize::try_from(number).unwrap() * 16;
        bytes[at..at + 8].copy_from_slice(&(batch - nearer).to_le_bytes());
        bytes[at + 8..at + 16].copy_from_slice(&(envelope - nearer).to_le_bytes());
    }
    bytes
}

#[test]
fn a_call_that_leads_to_the_same_place_again_and_again_is_malformed() {
    let limits = &Limits::DEFAULT;
    let read = |times| read_batches(&the_same_batch(times), limits).unwrap();
    assert!(read(1)[0].is_ok());
    let refused: Vec<_> = read(64).into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.len(), 1, "no batch is read behind it");
    assert!(
        matches!(refused[0].fault, WireFault::Malformed(_)),
        "{refused:?}"
    );
}
