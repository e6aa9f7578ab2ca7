//! Calls of the protocol, ready to be sent.

use share_model::seam::{Entropy, SystemClock};
use share_model::{
    Batch, BatchId, Entry, Envelope, Epoch, Incarnation, Nonce, OutboxKey, PROTOCOL_VERSION,
    Secret, Seq, ShareRef,
};
use share_proto::share_capnp::{appender, bootstrap, share_session, sink, snapshot};
use share_proto::wire;

use crate::message::{Method, Of, call};

/// Bytes of a snapshot's page: the most that a server gives.
const PAGE_BYTES: u32 = u32::MAX;

/// A sink that is only talked about: whoever holds it talks to whoever reads the connection.
struct Deaf;

impl sink::Server for Deaf {}

/// Redeems a ref.
pub(crate) fn redeem(question: u32, of: Of, reference: &ShareRef) -> Vec<u8> {
    call(question, of, Method::REDEEM_SHARE, 0, |content| {
        let mut params: bootstrap::redeem_share_params::Builder<'_> = content.init_as();
        wire::write_share_ref(reference, params.reborrow().init_ref());
        params.set_protocol_version(PROTOCOL_VERSION);
        params.set_client("hostile");
    })
}

/// The same ref with a secret that is wrong.
pub(crate) fn wrong(reference: &ShareRef, entropy: &dyn Entropy) -> ShareRef {
    ShareRef {
        secret: Secret::random(entropy),
        ..reference.clone()
    }
}

/// Calls a method that needs no parameters.
pub(crate) fn plain(question: u32, of: Of, method: Method) -> Vec<u8> {
    call(question, of, method, 0, |content| {
        // An empty struct has every field at its default.
        content.init_as::<share_session::document_params::Builder<'_>>();
    })
}

/// Reads a page of a snapshot.
pub(crate) fn read_snapshot(question: u32, of: Of) -> Vec<u8> {
    call(question, of, Method::READ_SNAPSHOT, 0, |content| {
        let mut params: snapshot::read_params::Builder<'_> = content.init_as();
        params.set_bytes_max(PAGE_BYTES);
    })
}

/// Subscribes from the first op on.
pub(crate) fn subscribe(question: u32, of: Of) -> Vec<u8> {
    call(question, of, Method::SUBSCRIBE, 1, |content| {
        let mut params: share_session::subscribe_params::Builder<'_> = content.init_as();
        params.set_sink(capnp_rpc::new_client(Deaf));
    })
}

/// Claims a lane that nobody has.
pub(crate) fn claim(question: u32, of: Of, entropy: &dyn Entropy) -> Vec<u8> {
    let request = wire::ClaimRequest {
        outbox_key: OutboxKey::random(entropy),
        incarnation: Incarnation::ZERO,
        nonce: Nonce::random(entropy),
        history: None,
    };
    call(question, of, Method::CLAIM_WRITER, 0, |content| {
        wire::write_claim_request(&request, content.init_as());
    })
}

/// Appends entries, and settles everything before them.
pub(crate) fn append(question: u32, of: Of, entries: Vec<Entry>, entropy: &dyn Entropy) -> Vec<u8> {
    let first = entries.first().map_or(1, |entry| entry.seq.get());
    let batch = Batch {
        id: BatchId::new(&SystemClock, entropy),
        atomic: false,
        expected_cursor: None,
        entries,
    };
    let envelope = Envelope {
        capability_epoch: Epoch::ZERO,
        settled_through: Seq::new(first.saturating_sub(1)),
    };
    call(question, of, Method::APPEND_OPS, 0, |content| {
        let mut params: appender::append_ops_params::Builder<'_> = content.init_as();
        wire::write_batch(&batch, params.reborrow().init_batch());
        wire::write_envelope(&envelope, params.init_envelope());
    })
}
