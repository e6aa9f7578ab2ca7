//! What a client sends by HTTP, and is answered: `schema/http.capnp`.

use share_model::{
    Ack, Batch, Claimed, CreateShare, CreatedShare, Cut, Envelope, FactoryRedeemed, FactoryRef,
    Limits, Minted, Origin, OwnerProof, Publish, Redeemed, Refusal, ShareRef,
};

use super::answer::{
    read_append_outcome, read_claim_outcome, read_create_outcome, read_end_outcome,
    read_factory_outcome, read_mint_outcome, read_redeem_outcome, write_append_outcome,
    write_claim_outcome, write_create_outcome, write_end_outcome, write_factory_outcome,
    write_mint_outcome, write_redeem_outcome,
};
use super::authority::{read_publish, write_publish};
use super::batch::{read_batch, read_envelope, write_batch, write_envelope};
use super::error::{WireError, WireFault};
use super::field::{at_most_items, got, known, list_len};
use super::grant::{required_origin, write_origin};
use super::request::{ClaimRequest, read_client_name, read_create_share, write_create_share};
use super::sturdy_ref::{write_factory_ref, write_share_ref};
use super::to_redeem::{read_factory_ref_to_redeem, read_owner_proof, read_share_ref_to_redeem};
use crate::http_capnp::{self, answer, append, appended, call, sent};

mod framing;

pub use framing::{posted_answer_bytes, posted_answer_of, posted_call_bytes, posted_call_of};

/// Batches of one call.
pub const POSTED_BATCHES_MAX: u32 = http_capnp::BATCHES_MAX;

/// Bytes of one call.
pub const POSTED_BYTES_MAX: u64 = http_capnp::BODY_BYTES_MAX;

/// A part of a call that may be malformed by itself: it is refused then, as RPC refuses it. Such a part
/// is left out of a message that is written.
pub type Part<T> = Result<T, WireError>;

/// One call.
#[derive(Debug, Clone)]
pub struct PostedCall {
    /// The version that the client speaks.
    pub protocol_version: u32,
    /// What it calls itself.
    pub client: String,
    /// What it asks for.
    pub asked: Posted,
}

/// What a call asks for.
#[derive(Debug, Clone)]
pub enum Posted {
    /// To redeem a share, claim a lane, and append batches to it.
    Append(PostedAppend),
    /// To create a share.
    Create(FactoryRef, Part<CreateShare>),
    /// To make a public address of a share.
    Publish(Proven, Part<Publish>),
    /// To delete a share.
    Delete(Proven, Part<Origin>),
    /// To redeem a factory.
    Factory(FactoryRef),
}

/// A ref, and what proves the owner to whom its grant may be sealed. As it is read, the ref is one to
/// redeem: without addresses and security.
#[derive(Debug, Clone)]
pub struct Proven {
    /// The ref.
    pub reference: ShareRef,
    /// The proof.
    pub proof: Option<OwnerProof>,
}

/// Redeem, claim and appends in one.
#[derive(Debug, Clone)]
pub struct PostedAppend {
    /// Opens the share.
    pub proven: Proven,
    /// Claims the lane.
    pub claim: Part<ClaimRequest>,
    /// In order. Nothing behind a malformed one is read.
    pub batches: Vec<Part<(Batch, Envelope)>>,
}

/// The answer to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PostedAnswer {
    /// To [`Posted::Append`].
    Append(PostedAppended),
    /// To [`Posted::Create`].
    Create(
        Result<FactoryRedeemed, Refusal>,
        Result<CreatedShare, Refusal>,
    ),
    /// To [`Posted::Publish`].
    Publish(Result<Minted, Refusal>),
    /// To [`Posted::Delete`].
    Delete(Result<Cut, Refusal>),
    /// To [`Posted::Factory`].
    Factory(Result<FactoryRedeemed, Refusal>),
}

/// What became of redeem, claim and appends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedAppended {
    /// Of the ref.
    pub redeem: Result<Redeemed, Refusal>,
    /// Of the claim.
    pub claim: Result<Claimed, Refusal>,
    /// Of the batches, in order, as far as there are outcomes.
    pub appends: Vec<Result<Ack, Refusal>>,
}

/// Reads a call.
///
/// # Errors
///
/// If it asks for nothing that this version knows, or has too many batches. What only makes a part of
/// it malformed is in that part.
pub fn read_posted_call(
    reader: call::Reader<'_>,
    limits: &Limits,
) -> Result<PostedCall, WireError> {
    let asked = match known(reader.which(), "call")? {
        call::Unset(()) => return Err(WireError::new("call", WireFault::Unset)),
        call::Append(append) => Posted::Append(read_append(got(append, "call.append")?, limits)?),
        call::Create(create) => {
            let create = got(create, "call.create")?;
            let request = got(create.get_request(), "call.create.request");
            let factory = got(create.get_ref(), "call.create.ref")?;
            let factory = read_factory_ref_to_redeem(factory);
            Posted::Create(factory, request.and_then(read_create_share))
        }
        call::Publish(publish) => {
            let publish = got(publish, "call.publish")?;
            let reference = got(publish.get_ref(), "call.publish.ref")?;
            let request = got(publish.get_request(), "call.publish.request");
            let proven = Proven {
                reference: read_share_ref_to_redeem(reference),
                proof: read_owner_proof(publish.get_owner_proof()),
            };
            Posted::Publish(proven, request.and_then(read_publish))
        }
        call::Delete(delete) => {
            let delete = got(delete, "call.delete")?;
            let reference = got(delete.get_ref(), "call.delete.ref")?;
            let proven = Proven {
                reference: read_share_ref_to_redeem(reference),
                proof: read_owner_proof(delete.get_owner_proof()),
            };
            Posted::Delete(proven, required_origin(delete.get_origin()))
        }
        call::Factory(factory) => {
            let factory = got(factory, "call.factory")?;
            Posted::Factory(read_factory_ref_to_redeem(factory))
        }
    };
    Ok(PostedCall {
        protocol_version: reader.get_protocol_version(),
        client: read_client_name(reader.get_client())?,
        asked,
    })
}

fn read_append(reader: append::Reader<'_>, limits: &Limits) -> Result<PostedAppend, WireError> {
    let reference = got(reader.get_ref(), "append.ref")?;
    let list = got(reader.get_batches(), "append.batches")?;
    at_most_items(list.len(), POSTED_BATCHES_MAX, "append.batches")?;
    let mut batches = Vec::new();
    for sent in list {
        let read = read_sent(sent, limits);
        let is_malformed = read.is_err();
        batches.push(read);
        if is_malformed {
            break;
        }
    }
    Ok(PostedAppend {
        proven: Proven {
            reference: read_share_ref_to_redeem(reference),
            proof: read_owner_proof(reader.get_owner_proof()),
        },
        claim: ClaimRequest::read(
            reader.get_outbox_key(),
            reader.get_incarnation(),
            reader.get_nonce(),
            reader.get_history(),
        ),
        batches,
    })
}

fn read_sent(reader: sent::Reader<'_>, limits: &Limits) -> Part<(Batch, Envelope)> {
    let batch = read_batch(got(reader.get_batch(), "sent.batch")?, limits)?;
    let envelope = got(reader.get_envelope(), "sent.envelope")?;
    Ok((batch, read_envelope(envelope)))
}

/// Fills a call.
///
/// # Panics
///
/// If there are more batches than a list can hold; [`POSTED_BATCHES_MAX`] is far below.
pub fn write_posted_call(posted: &PostedCall, mut builder: call::Builder<'_>) {
    builder.set_protocol_version(posted.protocol_version);
    builder.set_client(&posted.client);
    match &posted.asked {
        Posted::Append(append) => write_append(append, builder.init_append()),
        Posted::Create(factory, request) => {
            let mut create = builder.init_create();
            write_factory_ref(factory, create.reborrow().init_ref());
            if let Ok(request) = request {
                write_create_share(request, create.init_request());
            }
        }
        Posted::Publish(proven, request) => {
            let mut publish = builder.init_publish();
            write_share_ref(&proven.reference, publish.reborrow().init_ref());
            if let Some(proof) = &proven.proof {
                publish.set_owner_proof(&proof.to_bytes());
            }
            if let Ok(request) = request {
                write_publish(request, publish.init_request());
            }
        }
        Posted::Delete(proven, origin) => {
            let mut delete = builder.init_delete();
            write_share_ref(&proven.reference, delete.reborrow().init_ref());
            if let Some(proof) = &proven.proof {
                delete.set_owner_proof(&proof.to_bytes());
            }
            if let Ok(origin) = origin {
                write_origin(origin, delete.init_origin());
            }
        }
        Posted::Factory(factory) => write_factory_ref(factory, builder.init_factory()),
    }
}

fn write_append(posted: &PostedAppend, mut builder: append::Builder<'_>) {
    let Proven { reference, proof } = &posted.proven;
    write_share_ref(reference, builder.reborrow().init_ref());
    if let Some(proof) = proof {
        builder.set_owner_proof(&proof.to_bytes());
    }
    if let Ok(claim) = &posted.claim {
        builder.set_outbox_key(claim.outbox_key.expose());
        builder.set_incarnation(claim.incarnation.get());
        builder.set_nonce(&claim.nonce.to_bytes());
        if let Some(history) = claim.history {
            builder.set_history(&history.to_bytes());
        }
    }
    let mut list = builder.init_batches(list_len(posted.batches.len()));
    for (index, sent) in (0..).zip(&posted.batches) {
        if let Ok((batch, envelope)) = sent {
            let mut sent = list.reborrow().get(index);
            write_batch(batch, sent.reborrow().init_batch());
            write_envelope(envelope, sent.init_envelope());
        }
    }
}

/// Reads the answer to a call whose batches had so many `entries` each.
///
/// # Errors
///
/// If the answer is malformed or was never set, or does not fit the call.
pub fn read_posted_answer(
    reader: answer::Reader<'_>,
    entries: &[usize],
) -> Result<PostedAnswer, WireError> {
    Ok(match known(reader.which(), "answer")? {
        answer::Unset(()) => return Err(WireError::new("answer", WireFault::Unset)),
        answer::Append(appended) => {
            PostedAnswer::Append(read_appended(got(appended, "answer.append")?, entries)?)
        }
        answer::Create(created) => {
            let created = got(created, "answer.create")?;
            PostedAnswer::Create(
                read_factory_outcome(got(created.get_redeem(), "answer.create.redeem")?)?,
                read_create_outcome(got(created.get_create(), "answer.create.create")?)?,
            )
        }
        answer::Publish(minted) => {
            PostedAnswer::Publish(read_mint_outcome(got(minted, "answer.publish")?)?)
        }
        answer::Delete(ended) => {
            PostedAnswer::Delete(read_end_outcome(got(ended, "answer.delete")?)?)
        }
        answer::Factory(redeemed) => {
            PostedAnswer::Factory(read_factory_outcome(got(redeemed, "answer.factory")?)?)
        }
    })
}

fn read_appended(
    reader: appended::Reader<'_>,
    entries: &[usize],
) -> Result<PostedAppended, WireError> {
    let mut entries_of = entries.iter();
    let appends = got(reader.get_appends(), "answer.append.appends")?;
    at_most_items(
        appends.len(),
        list_len(entries.len()),
        "answer.append.appends",
    )?;
    Ok(PostedAppended {
        redeem: read_redeem_outcome(got(reader.get_redeem(), "answer.append.redeem")?)?,
        claim: read_claim_outcome(got(reader.get_claim(), "answer.append.claim")?)?,
        appends: appends
            .iter()
            .zip(&mut entries_of)
            .map(|(outcome, entries)| read_append_outcome(outcome, *entries))
            .collect::<Result<_, _>>()?,
    })
}

/// Fills an answer.
///
/// # Panics
///
/// As [`write_append_outcome`].
pub fn write_posted_answer(posted: &PostedAnswer, builder: answer::Builder<'_>) {
    match posted {
        PostedAnswer::Append(posted) => {
            let mut appended = builder.init_append();
            write_redeem_outcome(&posted.redeem, appended.reborrow().init_redeem());
            write_claim_outcome(&posted.claim, appended.reborrow().init_claim());
            let mut list = appended.init_appends(list_len(posted.appends.len()));
            for (index, outcome) in (0..).zip(&posted.appends) {
                write_append_outcome(outcome, list.reborrow().get(index));
            }
        }
        PostedAnswer::Create(redeem, create) => {
            let mut created = builder.init_create();
            write_factory_outcome(redeem, created.reborrow().init_redeem());
            write_create_outcome(create, created.init_create());
        }
        PostedAnswer::Publish(minted) => write_mint_outcome(minted, builder.init_publish()),
        PostedAnswer::Delete(ended) => write_end_outcome(ended, builder.init_delete()),
        PostedAnswer::Factory(redeemed) => write_factory_outcome(redeemed, builder.init_factory()),
    }
}
