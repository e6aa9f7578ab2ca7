//! Grants of a factory, and what they may use up.

use share_model::{
    FactoryAttenuate, FactoryGrantInfo, GrantId, Limits, Quotas, RequestId, SecretHash,
};

use super::error::WireError;
use super::field::{bytes, got, optional_time, short_text, time_or_zero};
use super::grant::{required_origin, write_origin};
use crate::authority_capnp::{factory_attenuate, factory_grant_info, quotas};
use crate::share_capnp::share_factory::revoke_params;

/// Reads quotas: numbers, which no bytes can get wrong.
pub fn read_quotas(reader: quotas::Reader<'_>) -> Quotas {
    Quotas {
        shares_max: reader.get_shares_max(),
        bytes_max: reader.get_bytes_max(),
        appends_per_second: reader.get_appends_per_second(),
    }
}

/// Fills quotas.
pub fn write_quotas(quotas: Quotas, mut builder: quotas::Builder<'_>) {
    builder.set_shares_max(quotas.shares_max);
    builder.set_bytes_max(quotas.bytes_max);
    builder.set_appends_per_second(quotas.appends_per_second);
}

/// Reads a request for a factory grant within quotas.
///
/// # Errors
///
/// If a field is malformed, or the label is too long.
pub fn read_factory_attenuate(
    reader: factory_attenuate::Reader<'_>,
) -> Result<FactoryAttenuate, WireError> {
    let request = bytes(reader.get_request(), "request")?;
    let hash = bytes(reader.get_secret_hash(), "secretHash")?;
    Ok(FactoryAttenuate {
        request: RequestId::from_bytes(request),
        secret_hash: SecretHash::from_bytes(hash),
        quotas: read_quotas(got(reader.get_quotas(), "quotas")?),
        label: short_text(reader.get_label(), Limits::DEFAULT.label_bytes_max, "label")?,
        origin: required_origin(reader.get_origin())?,
    })
}

/// Fills a request for a factory grant within quotas.
pub fn write_factory_attenuate(
    request: &FactoryAttenuate,
    mut builder: factory_attenuate::Builder<'_>,
) {
    builder.set_request(&request.request.to_bytes());
    builder.set_secret_hash(&request.secret_hash.to_bytes());
    write_quotas(request.quotas, builder.reborrow().init_quotas());
    builder.set_label(&request.label);
    write_origin(&request.origin, builder.init_origin());
}

/// Reads which of a factory's grants is to end.
///
/// # Errors
///
/// If the id is malformed.
pub fn read_factory_revoke(reader: revoke_params::Reader<'_>) -> Result<GrantId, WireError> {
    Ok(GrantId::from_bytes(bytes(reader.get_grant(), "grant")?))
}

/// Fills which of a factory's grants is to end.
pub fn write_factory_revoke(grant: GrantId, mut builder: revoke_params::Builder<'_>) {
    builder.set_grant(&grant.to_bytes());
}

/// Reads what is seen of a factory's grant.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_factory_grant_info(
    reader: factory_grant_info::Reader<'_>,
) -> Result<FactoryGrantInfo, WireError> {
    let label_max = Limits::DEFAULT.label_bytes_max;
    Ok(FactoryGrantInfo {
        id: GrantId::from_bytes(bytes(reader.get_id(), "grant.id")?),
        root: reader.get_root(),
        quotas: read_quotas(got(reader.get_quotas(), "grant.quotas")?),
        shares: reader.get_shares(),
        bytes: reader.get_bytes(),
        label: short_text(reader.get_label(), label_max, "grant.label")?,
        created_at: optional_time(reader.get_created_at()),
    })
}

/// Fills what is seen of a factory's grant.
pub fn write_factory_grant_info(
    grant: &FactoryGrantInfo,
    mut builder: factory_grant_info::Builder<'_>,
) {
    builder.set_id(&grant.id.to_bytes());
    builder.set_root(grant.root);
    write_quotas(grant.quotas, builder.reborrow().init_quotas());
    builder.set_shares(grant.shares);
    builder.set_bytes(grant.bytes);
    builder.set_label(&grant.label);
    builder.set_created_at(time_or_zero(grant.created_at));
}
