//! Every conversion from a message to a value of the model, and back where there is a way back.

use capnp::message::{Builder, Reader, ReaderOptions};
use capnp::serialize::{self, OwnedSegments};
use capnp::traits::Owned;
use share_model::{Entry, GrantId, Limits, Quotas, Refusal, Rights};
use share_proto::authority_capnp::{
    attenuate, audit_outcome, end_outcome, factory_attenuate, factory_grants_outcome,
    factory_mint_outcome, factory_revoke_outcome, freeze_outcome, grants_outcome, mint_outcome,
    publish, quotas, rights,
};
use share_proto::http_capnp::{answer, call};
use share_proto::ids_capnp::origin;
use share_proto::op_capnp::{ack, batch, entry, logged_op, op};
use share_proto::refusal_capnp::refusal;
use share_proto::share_capnp::{
    append_outcome, backup_outcome, bump_epoch, bump_outcome, claim_outcome, create_outcome,
    create_share, document_entry, envelope, factory_outcome, factory_ref, limits, log_position,
    redeem_outcome, share_factory, share_ref, share_session, snapshot_outcome, subscribe_outcome,
    writers_outcome,
};
use share_proto::wire::*;

/// What a server takes in one message.
const MESSAGE_BYTES_MAX: usize = 40 << 20;
/// Entries of the batches that the acks answer.
const ENTRIES: usize = 12;

const LIMITS: &Limits = &Limits::DEFAULT;

/// Reads the message behind the first byte, which says as what. What is read is written and read
/// again as the same; what is not is refused in words that are read again too.
///
/// # Panics
///
/// If that does not hold.
pub fn wire(data: &[u8]) {
    if let Some((kind, message)) = data.split_first() {
        let kind = usize::from(*kind) % CONVERSIONS.len();
        CONVERSIONS[kind](message);
    }
}

fn message(mut bytes: &[u8]) -> Option<Reader<OwnedSegments>> {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(MESSAGE_BYTES_MAX / 8));
    serialize::read_message(&mut bytes, options).ok()
}

fn refused(error: WireError) {
    let refusal = Refusal::from(error);
    let mut message = Builder::new_default();
    write_refusal(&refusal, message.init_root());
    let reader = message.get_root_as_reader::<refusal::Reader<'_>>();
    let read = read_refusal(reader.expect("a refusal was written"));
    assert_eq!(read, Ok(refusal));
}

macro_rules! conversions {
    ($($owned:ty, $read:expr $(, $write:expr)?;)*) => {
        const CONVERSIONS: &[fn(&[u8])] = &[$(|bytes| {
            let Some(message) = message(bytes) else { return };
            let Ok(reader) = message.get_root::<<$owned as Owned>::Reader<'_>>() else { return };
            match $read(reader) {
                Err(error) => refused(error),
                Ok(value) => {
                    _ = &value;
                    $(back!($owned, $read, $write, value);)?
                }
            }
        },)*];
    };
}

/// Writes a value, reads it and writes it again. Debug hides secrets, which the bytes have.
macro_rules! back {
    ($owned:ty, $read:expr, $write:expr, $value:ident) => {
        let mut written = Builder::new_default();
        $write(
            &$value,
            written.init_root::<<$owned as Owned>::Builder<'_>>(),
        );
        let reader = written.get_root_as_reader::<<$owned as Owned>::Reader<'_>>();
        let again = $read(reader.expect("it was written")).expect("what was written is read");
        assert_eq!(format!("{again:?}"), format!("{:?}", $value));
        let mut rewritten = Builder::new_default();
        $write(
            &again,
            rewritten.init_root::<<$owned as Owned>::Builder<'_>>(),
        );
        let bytes = serialize::write_message_to_words;
        assert_eq!(bytes(&rewritten), bytes(&written));
    };
}

// The order is that of the first byte of the inputs: new ones at the end.
conversions! {
    batch::Owned, |reader| read_batch(reader, LIMITS), write_batch;
    entry::Owned, |reader| read_entry(reader, LIMITS), |entry: &Entry, builder| write_entry(entry, builder);
    op::Owned, |reader| read_op(reader, LIMITS), write_op;
    envelope::Owned, |reader| Ok::<_, WireError>(read_envelope(reader)), write_envelope;
    ack::Owned, |reader| read_ack(reader, ENTRIES), write_ack;
    refusal::Owned, read_refusal, write_refusal;
    rights::Owned, |reader| Ok::<_, WireError>(read_rights(reader)),
        |rights: &Rights, builder| write_rights(*rights, builder);
    origin::Owned, read_origin, write_origin;
    limits::Owned, read_limits, write_limits;
    share_ref::Owned, read_share_ref, write_share_ref;
    factory_ref::Owned, read_factory_ref, write_factory_ref;
    share_session::claim_writer_params::Owned, read_claim_request, write_claim_request;
    create_share::Owned, read_create_share, write_create_share;
    bump_epoch::Owned, read_bump_epoch, write_bump_epoch;
    log_position::Owned, read_log_position, write_log_position;
    logged_op::Owned, |reader| read_logged_op(reader, LIMITS), write_logged_op;
    document_entry::Owned, read_document_entry,
        |entry: &DocumentEntry, builder| write_document_entry(&entry.key, &entry.json, builder);
    redeem_outcome::Owned, read_redeem_outcome, write_redeem_outcome;
    factory_outcome::Owned, read_factory_outcome, write_factory_outcome;
    create_outcome::Owned, read_create_outcome, write_create_outcome;
    claim_outcome::Owned, read_claim_outcome, write_claim_outcome;
    append_outcome::Owned, |reader| read_append_outcome(reader, ENTRIES), write_append_outcome;
    snapshot_outcome::Owned, read_snapshot_outcome, write_snapshot_outcome;
    subscribe_outcome::Owned, read_subscribe_outcome, write_subscribe_outcome;
    bump_outcome::Owned, read_bump_outcome, write_bump_outcome;
    backup_outcome::Owned, read_backup_outcome, write_backup_outcome;
    writers_outcome::Owned, read_writers_outcome, write_writers_outcome;
    attenuate::Owned, read_attenuate, write_attenuate;
    publish::Owned, read_publish, write_publish;
    share_session::revoke_capability_params::Owned, read_revoke_request, write_revoke_request;
    share_session::grants_params::Owned, read_grants_request,
        |after: &Option<GrantId>, builder| write_grants_request(*after, builder);
    factory_attenuate::Owned, read_factory_attenuate, write_factory_attenuate;
    share_factory::revoke_params::Owned, read_factory_revoke,
        |grant: &GrantId, builder| write_factory_revoke(*grant, builder);
    mint_outcome::Owned, read_mint_outcome, write_mint_outcome;
    end_outcome::Owned, read_end_outcome, write_end_outcome;
    freeze_outcome::Owned, read_freeze_outcome, write_freeze_outcome;
    grants_outcome::Owned, read_grants_outcome, write_grants_outcome;
    // Whoever reads events that it does not know can't write them.
    audit_outcome::Owned, read_audit_outcome;
    factory_mint_outcome::Owned, read_factory_mint_outcome, write_factory_mint_outcome;
    factory_grants_outcome::Owned, read_factory_grants_outcome, write_factory_grants_outcome;
    factory_revoke_outcome::Owned, read_factory_revoke_outcome, write_factory_revoke_outcome;
    // What is redeemed always reads as something.
    share_ref::Owned, |reader| Ok::<_, WireError>(read_share_ref_to_redeem(reader));
    factory_ref::Owned, |reader| Ok::<_, WireError>(read_factory_ref_to_redeem(reader));
    share_ref::Owned, |reader: share_ref::Reader<'_>| {
        read_owner_proof(reader.get_secret());
        Ok::<_, WireError>(read_slug_to_redeem(reader.get_grant()))
    };
    document_entry::Owned, |reader: document_entry::Reader<'_>| read_seal_for(reader.get_key());
    document_entry::Owned, |reader: document_entry::Reader<'_>| read_client_name(reader.get_key());
    quotas::Owned, |reader| Ok::<_, WireError>(read_quotas(reader)),
        |quotas: &Quotas, builder| write_quotas(*quotas, builder);
    // What is malformed in a part of a call has no way back.
    call::Owned, |reader| read_posted_call(reader, LIMITS);
    answer::Owned, |reader| read_posted_answer(reader, &[ENTRIES; 4]), write_posted_answer;
}
