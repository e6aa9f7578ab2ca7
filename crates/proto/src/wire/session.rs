//! What a server answers when a ref is redeemed, a share created, a writer claimed, an epoch
//! bumped, and what it tells of writers.

use share_model::{
    Bumped, Chain, Claimed, CreatedShare, Cursor, Epoch, FactoryRedeemed, GrantId, HistoryId,
    Incarnation, Limits, Redeemed, Seq, ShareId, UnixMs, WriterId, WriterInfo,
};

use super::cut::{read_cut, write_cut};
use super::error::WireError;
use super::field::{
    addresses, bytes, from_one, got, list_len, optional_time, short_text, time_or_zero,
    write_addresses,
};
use super::grant::{read_rights, required_origin, write_origin, write_rights};
use super::limits::{read_limits, write_limits};
use super::security::{Names, read_security, tls};
use crate::share_capnp::{
    bump_outcome::bumped, claim_outcome::claimed, create_outcome::created, factory_redeemed,
    redeemed, writer,
};

/// Bytes of the URL of a server's HTTP face.
const HTTP_URL_BYTES_MAX: u32 = 1024;

/// Reads the answer to a ref that opens its share.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_redeemed(reader: redeemed::Reader<'_>) -> Result<Redeemed, WireError> {
    let grant = GrantId::from_bytes(bytes(reader.get_grant(), "redeemed.grant")?);
    read_with_grant(reader, grant)
}

/// As [`read_redeemed`], by who redeemed `grant`: an early server of protocol version 1 does not say
/// which it was.
///
/// # Errors
///
/// As [`read_redeemed`].
pub fn read_redeemed_of(
    reader: redeemed::Reader<'_>,
    grant: GrantId,
) -> Result<Redeemed, WireError> {
    match reader.get_protocol_version() == 1 && !reader.has_grant() {
        true => read_with_grant(reader, grant),
        false => read_redeemed(reader),
    }
}

fn read_with_grant(reader: redeemed::Reader<'_>, grant: GrantId) -> Result<Redeemed, WireError> {
    let label_max = Limits::DEFAULT.label_bytes_max;
    let protocol = from_one(reader.get_protocol_version(), "redeemed.protocolVersion")?;
    Ok(Redeemed {
        share: ShareId::from_bytes(bytes(reader.get_share(), "redeemed.share")?),
        cursor: Cursor::new(reader.get_cursor()),
        epoch: Epoch::new(from_one(reader.get_epoch(), "redeemed.epoch")?),
        history: HistoryId::from_bytes(bytes(reader.get_history(), "redeemed.history")?),
        rights: read_rights(got(reader.get_rights(), "redeemed.rights")?),
        limits: read_limits(got(reader.get_limits(), "redeemed.limits")?)?,
        title: short_text(reader.get_title(), label_max, "redeemed.title")?,
        created_at: UnixMs::new(reader.get_created_at()),
        origin: required_origin(reader.get_origin())?,
        server: short_text(reader.get_server(), label_max, "redeemed.server")?,
        protocol_version: protocol,
        grant,
        expires_at: optional_time(reader.get_expires_at()),
        label: short_text(reader.get_label(), label_max, "redeemed.label")?,
        owner: reader.get_owner(),
        frozen: reader.get_frozen(),
    })
}

/// Fills the answer to a ref that opens its share.
pub fn write_redeemed(redeemed: &Redeemed, mut builder: redeemed::Builder<'_>) {
    builder.set_share(&redeemed.share.to_bytes());
    builder.set_cursor(redeemed.cursor.get());
    builder.set_epoch(redeemed.epoch.get());
    builder.set_history(&redeemed.history.to_bytes());
    write_rights(redeemed.rights, builder.reborrow().init_rights());
    write_limits(&redeemed.limits, builder.reborrow().init_limits());
    builder.set_title(&redeemed.title);
    builder.set_created_at(redeemed.created_at.get());
    write_origin(&redeemed.origin, builder.reborrow().init_origin());
    builder.set_server(&redeemed.server);
    builder.set_protocol_version(redeemed.protocol_version);
    builder.set_grant(&redeemed.grant.to_bytes());
    builder.set_expires_at(time_or_zero(redeemed.expires_at));
    builder.set_label(&redeemed.label);
    builder.set_owner(redeemed.owner);
    builder.set_frozen(redeemed.frozen);
}

/// Reads the answer to a factory ref that holds.
///
/// # Errors
///
/// If a field is malformed, or there is no address.
pub fn read_factory_redeemed(
    reader: factory_redeemed::Reader<'_>,
) -> Result<FactoryRedeemed, WireError> {
    let label_max = Limits::DEFAULT.label_bytes_max;
    let history = bytes(reader.get_history(), "factoryRedeemed.history")?;
    let names = Names {
        pin: "factoryRedeemed.pin",
        tls: "factoryRedeemed.tls",
    };
    Ok(FactoryRedeemed {
        addresses: addresses(reader.get_addresses(), "factoryRedeemed.addresses")?,
        security: read_security(reader.get_pin(), reader.get_tls(), &names)?,
        history: HistoryId::from_bytes(history),
        server: short_text(reader.get_server(), label_max, "factoryRedeemed.server")?,
        http_url: Some(short_text(
            reader.get_http_url(),
            HTTP_URL_BYTES_MAX,
            "factoryRedeemed.httpUrl",
        )?)
        .filter(|url| !url.is_empty()),
    })
}

/// Fills the answer to a factory ref that holds.
///
/// # Panics
///
/// If there are more addresses than a list can hold; a ref has at most 16.
pub fn write_factory_redeemed(
    redeemed: &FactoryRedeemed,
    mut builder: factory_redeemed::Builder<'_>,
) {
    let addresses = builder
        .reborrow()
        .init_addresses(list_len(redeemed.addresses.len()));
    write_addresses(&redeemed.addresses, addresses);
    if let Some(pin) = redeemed.security.pin() {
        builder.set_pin(&pin.to_bytes());
    }
    builder.set_tls(tls(redeemed.security));
    builder.set_history(&redeemed.history.to_bytes());
    builder.set_server(&redeemed.server);
    if let Some(url) = &redeemed.http_url {
        builder.set_http_url(url);
    }
}

/// Reads the answer to a request for a new share.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_created(reader: created::Reader<'_>) -> Result<CreatedShare, WireError> {
    Ok(CreatedShare {
        share: ShareId::from_bytes(bytes(reader.get_share(), "created.share")?),
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "created.grant")?),
        epoch: Epoch::new(from_one(reader.get_epoch(), "created.epoch")?),
    })
}

/// Fills the answer to a request for a new share.
pub fn write_created(created: &CreatedShare, mut builder: created::Builder<'_>) {
    builder.set_share(&created.share.to_bytes());
    builder.set_grant(&created.grant.to_bytes());
    builder.set_epoch(created.epoch.get());
}

/// Reads the answer to a claim that holds.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_claimed(reader: claimed::Reader<'_>) -> Result<Claimed, WireError> {
    let writer = reader.get_writer();
    let incarnation = from_one(reader.get_incarnation(), "claimed.incarnation")?;
    Ok(Claimed {
        incarnation: Incarnation::new(incarnation),
        history: HistoryId::from_bytes(bytes(reader.get_history(), "claimed.history")?),
        writer: (writer != 0).then_some(WriterId::new(writer)),
        floor: Seq::new(reader.get_floor()),
        highest: Seq::new(reader.get_highest()),
        chain: Chain::from_bytes(bytes(reader.get_chain(), "claimed.chain")?),
    })
}

/// Fills the answer to a claim that holds.
pub fn write_claimed(claimed: &Claimed, mut builder: claimed::Builder<'_>) {
    builder.set_incarnation(claimed.incarnation.get());
    builder.set_history(&claimed.history.to_bytes());
    builder.set_writer(claimed.writer.unwrap_or_default().get());
    builder.set_floor(claimed.floor.get());
    builder.set_highest(claimed.highest.get());
    builder.set_chain(&claimed.chain.to_bytes());
}

/// Reads the answer to a request to bump the epoch.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_bumped(reader: bumped::Reader<'_>) -> Result<Bumped, WireError> {
    Ok(Bumped {
        epoch: Epoch::new(from_one(reader.get_epoch(), "bumped.epoch")?),
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "bumped.grant")?),
        cut: read_cut(got(reader.get_cut(), "bumped.cut")?)?,
    })
}

/// Fills the answer to a request to bump the epoch.
pub fn write_bumped(bumped: &Bumped, mut builder: bumped::Builder<'_>) {
    builder.set_epoch(bumped.epoch.get());
    builder.set_grant(&bumped.grant.to_bytes());
    write_cut(&bumped.cut, builder.init_cut());
}

/// Reads what a reader is told of a writer.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_writer_info(reader: writer::Reader<'_>) -> Result<WriterInfo, WireError> {
    Ok(WriterInfo {
        number: WriterId::new(from_one(reader.get_number(), "writer.number")?),
        origin: required_origin(reader.get_origin())?,
        highest: Seq::new(reader.get_highest()),
        retired: reader.get_retired(),
    })
}

/// Fills what a reader is told of a writer.
pub fn write_writer_info(writer: &WriterInfo, mut builder: writer::Builder<'_>) {
    builder.set_number(writer.number.get());
    write_origin(&writer.origin, builder.reborrow().init_origin());
    builder.set_highest(writer.highest.get());
    builder.set_retired(writer.retired);
}
