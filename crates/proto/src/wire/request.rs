//! What a client asks for: to create a share, to claim a writer, to bump the epoch.

use share_model::{
    AuditEntry, BumpEpoch, CreateShare, HistoryId, Incarnation, Limits, Nonce, OutboxKey,
    RequestId, SecretHash,
};

use super::error::WireError;
use super::field::{bytes, optional_bytes, short_text, text};
use super::grant::{required_origin, write_origin};
use crate::share_capnp::{bump_epoch, create_share, share_session::claim_writer_params};

/// The request of `claimWriter`.
#[derive(Debug, Clone)]
pub struct ClaimRequest {
    /// What proves that the lane is one's own.
    pub outbox_key: OutboxKey,
    /// What the client holds; zero before its first claim.
    pub incarnation: Incarnation,
    /// Stored by the client before the claim.
    pub nonce: Nonce,
    /// The history that the client knows, if any.
    pub history: Option<HistoryId>,
}

/// Reads the name that a client gives itself at redeem, cut to what is looked at.
///
/// # Errors
///
/// If it can't be read as text.
pub fn read_client_name(name: capnp::Result<capnp::text::Reader<'_>>) -> Result<String, WireError> {
    let name = text(name, "client")?;
    Ok(name[..name.floor_char_boundary(AuditEntry::CLIENT_BYTES_MAX)].to_owned())
}

/// Reads a claim.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_claim_request(
    reader: claim_writer_params::Reader<'_>,
) -> Result<ClaimRequest, WireError> {
    ClaimRequest::read(
        reader.get_outbox_key(),
        reader.get_incarnation(),
        reader.get_nonce(),
        reader.get_history(),
    )
}

type Data<'a> = capnp::Result<capnp::data::Reader<'a>>;

impl ClaimRequest {
    /// Of the fields of a message that has a claim in it.
    pub(super) fn read(
        outbox_key: Data<'_>,
        incarnation: u64,
        nonce: Data<'_>,
        history: Data<'_>,
    ) -> Result<Self, WireError> {
        let outbox_key = OutboxKey::from_bytes(bytes(outbox_key, "outboxKey")?);
        let nonce = Nonce::from_bytes(bytes(nonce, "nonce")?);
        let history = optional_bytes(history, "history")?;
        Ok(Self {
            outbox_key,
            incarnation: Incarnation::new(incarnation),
            nonce,
            history: history.map(HistoryId::from_bytes),
        })
    }
}

/// Fills a claim.
pub fn write_claim_request(request: &ClaimRequest, mut builder: claim_writer_params::Builder<'_>) {
    builder.set_outbox_key(request.outbox_key.expose());
    builder.set_incarnation(request.incarnation.get());
    builder.set_nonce(&request.nonce.to_bytes());
    if let Some(history) = request.history {
        builder.set_history(&history.to_bytes());
    }
}

/// Reads a request for a new share.
///
/// # Errors
///
/// If a field is malformed, or the title is too long.
pub fn read_create_share(reader: create_share::Reader<'_>) -> Result<CreateShare, WireError> {
    let request = bytes(reader.get_request(), "request")?;
    let hash = bytes(reader.get_owner_secret_hash(), "ownerSecretHash")?;
    let title = short_text(reader.get_title(), Limits::DEFAULT.label_bytes_max, "title")?;
    Ok(CreateShare {
        request: RequestId::from_bytes(request),
        owner_secret_hash: SecretHash::from_bytes(hash),
        title,
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request for a new share.
pub fn write_create_share(request: &CreateShare, mut builder: create_share::Builder<'_>) {
    builder.set_request(&request.request.to_bytes());
    builder.set_owner_secret_hash(&request.owner_secret_hash.to_bytes());
    builder.set_title(&request.title);
    write_origin(&request.origin, builder.init_origin());
}

/// Reads a request to bump the epoch.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_bump_epoch(reader: bump_epoch::Reader<'_>) -> Result<BumpEpoch, WireError> {
    let request = bytes(reader.get_request(), "request")?;
    let hash = bytes(reader.get_owner_secret_hash(), "ownerSecretHash")?;
    Ok(BumpEpoch {
        request: RequestId::from_bytes(request),
        owner_secret_hash: SecretHash::from_bytes(hash),
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request to bump the epoch.
pub fn write_bump_epoch(request: &BumpEpoch, mut builder: bump_epoch::Builder<'_>) {
    builder.set_request(&request.request.to_bytes());
    builder.set_owner_secret_hash(&request.owner_secret_hash.to_bytes());
    write_origin(&request.origin, builder.init_origin());
}
