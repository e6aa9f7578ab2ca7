//! Sturdy refs as structs.

use share_model::{Epoch, FactoryRef, GrantId, Secret, ShareId, ShareRef};

use super::error::WireError;
use super::field::{addresses, bytes, from_one, list_len, write_addresses};
use super::security::{Names, read_security, tls};
use crate::share_capnp::{factory_ref, share_ref};

const NAMES: Names = Names {
    pin: "ref.pin",
    tls: "ref.tls",
};

/// Reads the ref of a share, as whoever was given one.
///
/// # Errors
///
/// If a field is malformed, or there is no address.
pub fn read_share_ref(reader: share_ref::Reader<'_>) -> Result<ShareRef, WireError> {
    Ok(ShareRef {
        addresses: addresses(reader.get_addresses(), "ref.addresses")?,
        share: ShareId::from_bytes(bytes(reader.get_share(), "ref.share")?),
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "ref.grant")?),
        epoch: Epoch::new(from_one(reader.get_epoch(), "ref.epoch")?),
        security: read_security(reader.get_pin(), reader.get_tls(), &NAMES)?,
        secret: Secret::from_bytes(bytes(reader.get_secret(), "ref.secret")?),
    })
}

/// Fills the ref of a share.
///
/// # Panics
///
/// If there are more addresses than a list can hold; a ref has at most 16.
pub fn write_share_ref(share_ref: &ShareRef, mut builder: share_ref::Builder<'_>) {
    let addresses = builder
        .reborrow()
        .init_addresses(list_len(share_ref.addresses.len()));
    write_addresses(&share_ref.addresses, addresses);
    builder.set_share(&share_ref.share.to_bytes());
    builder.set_grant(&share_ref.grant.to_bytes());
    builder.set_epoch(share_ref.epoch.get());
    if let Some(pin) = share_ref.security.pin() {
        builder.set_pin(&pin.to_bytes());
    }
    builder.set_tls(tls(share_ref.security));
    builder.set_secret(share_ref.secret.expose());
}

/// Reads the ref of a factory, as whoever was given one.
///
/// # Errors
///
/// If a field is malformed, or there is no address.
pub fn read_factory_ref(reader: factory_ref::Reader<'_>) -> Result<FactoryRef, WireError> {
    Ok(FactoryRef {
        addresses: addresses(reader.get_addresses(), "ref.addresses")?,
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "ref.grant")?),
        security: read_security(reader.get_pin(), reader.get_tls(), &NAMES)?,
        secret: Secret::from_bytes(bytes(reader.get_secret(), "ref.secret")?),
    })
}

/// Fills the ref of a factory.
///
/// # Panics
///
/// If there are more addresses than a list can hold; a ref has at most 16.
pub fn write_factory_ref(factory_ref: &FactoryRef, mut builder: factory_ref::Builder<'_>) {
    let addresses = builder
        .reborrow()
        .init_addresses(list_len(factory_ref.addresses.len()));
    write_addresses(&factory_ref.addresses, addresses);
    builder.set_grant(&factory_ref.grant.to_bytes());
    if let Some(pin) = factory_ref.security.pin() {
        builder.set_pin(&pin.to_bytes());
    }
    builder.set_tls(tls(factory_ref.security));
    builder.set_secret(factory_ref.secret.expose());
}
