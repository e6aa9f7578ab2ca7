//! What an administrator asks of a share: a weaker grant, a public address, the end of a grant.

use share_model::{
    Attenuate, Epoch, GrantId, Limits, Minted, Origin, OwnerId, Publish, RequestId, Rights,
    SecretHash,
};

use super::error::{WireError, WireFault};
use super::field::{
    bytes, from_one, got, optional_bytes, optional_time, short_text, text, time_or_zero,
};
use super::grant::{read_rights, required_origin, write_origin, write_rights};
use crate::authority_capnp::{attenuate, minted, publish};
use crate::share_capnp::share_session::{grants_params, revoke_capability_params};

/// The request of `revokeCapability`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokeRequest {
    /// What ends, with all that was made from it.
    pub grant: GrantId,
    /// Who asks.
    pub origin: Origin,
}

/// Reads a request for a weaker grant.
///
/// # Errors
///
/// If a field is malformed, the label is too long, or there is no right.
pub fn read_attenuate(reader: attenuate::Reader<'_>) -> Result<Attenuate, WireError> {
    let request = bytes(reader.get_request(), "request")?;
    let hash = bytes(reader.get_secret_hash(), "secretHash")?;
    let rights = read_rights(got(reader.get_rights(), "rights")?);
    if rights == Rights::NONE {
        return Err(WireError::new("rights", WireFault::Empty));
    }
    Ok(Attenuate {
        request: RequestId::from_bytes(request),
        secret_hash: SecretHash::from_bytes(hash),
        rights,
        expires_at: optional_time(reader.get_expires_at()),
        label: short_text(reader.get_label(), Limits::DEFAULT.label_bytes_max, "label")?,
        sealed_for: optional_bytes(reader.get_sealed_for(), "sealedFor")?.map(OwnerId::from_bytes),
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request for a weaker grant.
pub fn write_attenuate(request: &Attenuate, mut builder: attenuate::Builder<'_>) {
    builder.set_request(&request.request.to_bytes());
    builder.set_secret_hash(&request.secret_hash.to_bytes());
    write_rights(request.rights, builder.reborrow().init_rights());
    builder.set_expires_at(time_or_zero(request.expires_at));
    builder.set_label(&request.label);
    if let Some(owner) = request.sealed_for {
        builder.set_sealed_for(&owner.to_bytes());
    }
    write_origin(&request.origin, builder.init_origin());
}

/// Reads a request for a public address.
///
/// # Errors
///
/// If a field is malformed, or the label is too long.
pub fn read_publish(reader: publish::Reader<'_>) -> Result<Publish, WireError> {
    let hash = bytes(reader.get_slug_hash(), "slugHash")?;
    Ok(Publish {
        slug_hash: SecretHash::from_bytes(hash),
        expires_at: optional_time(reader.get_expires_at()),
        label: short_text(reader.get_label(), Limits::DEFAULT.label_bytes_max, "label")?,
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request for a public address.
pub fn write_publish(request: &Publish, mut builder: publish::Builder<'_>) {
    builder.set_slug_hash(&request.slug_hash.to_bytes());
    builder.set_expires_at(time_or_zero(request.expires_at));
    builder.set_label(&request.label);
    write_origin(&request.origin, builder.init_origin());
}

/// Reads a grant that was made.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_minted(reader: minted::Reader<'_>) -> Result<Minted, WireError> {
    Ok(Minted {
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "minted.grant")?),
        epoch: Epoch::new(from_one(reader.get_epoch(), "minted.epoch")?),
        expires_at: optional_time(reader.get_expires_at()),
    })
}

/// Fills a grant that was made.
pub fn write_minted(minted: &Minted, mut builder: minted::Builder<'_>) {
    builder.set_grant(&minted.grant.to_bytes());
    builder.set_epoch(minted.epoch.get());
    builder.set_expires_at(time_or_zero(minted.expires_at));
}

/// Reads a request to end a grant.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_revoke_request(
    reader: revoke_capability_params::Reader<'_>,
) -> Result<RevokeRequest, WireError> {
    Ok(RevokeRequest {
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "grant")?),
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request to end a grant.
pub fn write_revoke_request(
    request: &RevokeRequest,
    mut builder: revoke_capability_params::Builder<'_>,
) {
    builder.set_grant(&request.grant.to_bytes());
    write_origin(&request.origin, builder.init_origin());
}

/// Reads above which grant the grants are asked for; `None`: from the first.
///
/// # Errors
///
/// If the id is malformed.
pub fn read_grants_request(
    reader: grants_params::Reader<'_>,
) -> Result<Option<GrantId>, WireError> {
    let after = optional_bytes(reader.get_after(), "after")?;
    Ok(after.map(GrantId::from_bytes))
}

/// Fills above which grant the grants are asked for.
pub fn write_grants_request(after: Option<GrantId>, mut builder: grants_params::Builder<'_>) {
    if let Some(after) = after {
        builder.set_after(&after.to_bytes());
    }
}

/// Reads to whom `save` is to seal the ref: an owner as text; null or empty: to nobody.
///
/// # Errors
///
/// If the text names no owner.
pub fn read_seal_for(
    seal_for: capnp::Result<capnp::text::Reader<'_>>,
) -> Result<Option<OwnerId>, WireError> {
    let owner = text(seal_for, "sealFor")?;
    if owner.is_empty() {
        return Ok(None);
    }
    let owner = owner.parse();
    owner
        .map(Some)
        .map_err(|error| WireError::new("sealFor", WireFault::Owner(error)))
}
