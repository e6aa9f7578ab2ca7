//! What an administrator sees of a grant, and what is remembered of its use.

use share_model::{Cursor, Epoch, GrantId, GrantInfo, Limits, OwnerId, UnixMs, Usage};

use super::error::WireError;
use super::field::{bytes, from_one, got, optional_bytes, optional_time, short_text, time_or_zero};
use super::grant::{read_rights, required_origin, write_origin, write_rights};
use crate::authority_capnp::{grant_info, usage};

/// Reads what is seen of a grant.
///
/// # Errors
///
/// If a field is malformed.
pub fn read_grant_info(reader: grant_info::Reader<'_>) -> Result<GrantInfo, WireError> {
    let label_max = Limits::DEFAULT.label_bytes_max;
    let sealed_for = optional_bytes(reader.get_sealed_for(), "grant.sealedFor")?;
    Ok(GrantInfo {
        id: GrantId::from_bytes(bytes(reader.get_id(), "grant.id")?),
        rights: read_rights(got(reader.get_rights(), "grant.rights")?),
        epoch: Epoch::new(from_one(reader.get_epoch(), "grant.epoch")?),
        created_at: UnixMs::new(reader.get_created_at()),
        expires_at: optional_time(reader.get_expires_at()),
        label: short_text(reader.get_label(), label_max, "grant.label")?,
        parent: optional_bytes(reader.get_parent(), "grant.parent")?.map(GrantId::from_bytes),
        origin: required_origin(reader.get_origin())?,
        sealed_for: sealed_for.map(OwnerId::from_bytes),
        published: reader.get_published(),
        revoked_at: optional_time(reader.get_revoked_at()),
        sessions: reader.get_sessions(),
        viewers: reader.get_viewers(),
        usage: read_usage(got(reader.get_usage(), "grant.usage")?),
    })
}

/// Fills what is seen of a grant.
pub fn write_grant_info(grant: &GrantInfo, mut builder: grant_info::Builder<'_>) {
    builder.set_id(&grant.id.to_bytes());
    write_rights(grant.rights, builder.reborrow().init_rights());
    builder.set_epoch(grant.epoch.get());
    builder.set_created_at(grant.created_at.get());
    builder.set_expires_at(time_or_zero(grant.expires_at));
    builder.set_label(&grant.label);
    if let Some(parent) = grant.parent {
        builder.set_parent(&parent.to_bytes());
    }
    write_origin(&grant.origin, builder.reborrow().init_origin());
    if let Some(owner) = grant.sealed_for {
        builder.set_sealed_for(&owner.to_bytes());
    }
    builder.set_published(grant.published);
    builder.set_revoked_at(time_or_zero(grant.revoked_at));
    builder.set_sessions(grant.sessions);
    builder.set_viewers(grant.viewers);
    write_usage(&grant.usage, builder.init_usage());
}

/// Reads what is remembered of a grant's use: numbers, which no bytes can get wrong.
pub fn read_usage(reader: usage::Reader<'_>) -> Usage {
    Usage {
        redeems: reader.get_redeems(),
        first_redeemed_at: optional_time(reader.get_first_redeemed_at()),
        last_redeemed_at: optional_time(reader.get_last_redeemed_at()),
        first_appended_at: optional_time(reader.get_first_appended_at()),
        last_read_at: optional_time(reader.get_last_read_at()),
        last_read_cursor: Cursor::new(reader.get_last_read_cursor()),
        refusals: reader.get_refusals(),
        last_refused_at: optional_time(reader.get_last_refused_at()),
    }
}

/// Fills what is remembered of a grant's use.
pub fn write_usage(usage: &Usage, mut builder: usage::Builder<'_>) {
    builder.set_redeems(usage.redeems);
    builder.set_first_redeemed_at(time_or_zero(usage.first_redeemed_at));
    builder.set_last_redeemed_at(time_or_zero(usage.last_redeemed_at));
    builder.set_first_appended_at(time_or_zero(usage.first_appended_at));
    builder.set_last_read_at(time_or_zero(usage.last_read_at));
    builder.set_last_read_cursor(usage.last_read_cursor.get());
    builder.set_refusals(usage.refusals);
    builder.set_last_refused_at(time_or_zero(usage.last_refused_at));
}
