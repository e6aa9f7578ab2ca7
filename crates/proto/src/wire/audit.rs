//! Entries of a share's audit.
//!
//! An event of a later version reads as its number, so that an audit is shown whole by whoever can
//! read it at all; one that was never set is malformed, like any other enumerant.

use capnp::NotInSchema;

use share_model::{AuditEntry, AuditEvent, Cursor, GrantId, Origin, ToldEvent, UnixMs};

use super::error::{WireError, WireFault};
use super::field::{from_one, got, optional_bytes, short_text};
use super::grant::{read_origin, write_origin};
use super::refusal::{code, read_optional_code};
use crate::authority_capnp::audit_entry::{self, Event};
use crate::ids_capnp::origin::Kind;

/// Bytes of a program's name, as a message counts them.
const CLIENT_BYTES_MAX: u32 = 128;
const _: () = assert!(CLIENT_BYTES_MAX as usize == AuditEntry::CLIENT_BYTES_MAX);

/// Reads an entry.
///
/// # Errors
///
/// If a field is malformed, or the event was never set.
pub fn read_audit_entry(
    reader: audit_entry::Reader<'_>,
) -> Result<AuditEntry<ToldEvent>, WireError> {
    Ok(AuditEntry {
        number: from_one(reader.get_number(), "entry.number")?,
        at: UnixMs::new(reader.get_at()),
        last_at: UnixMs::new(reader.get_last_at()),
        count: from_one(reader.get_count(), "entry.count")?,
        event: read_event(reader.get_event())?,
        grant: optional_bytes(reader.get_grant(), "entry.grant")?.map(GrantId::from_bytes),
        by: optional_bytes(reader.get_by(), "entry.by")?.map(GrantId::from_bytes),
        origin: read_said(reader)?,
        client: short_text(reader.get_client(), CLIENT_BYTES_MAX, "entry.client")?,
        refusal: read_optional_code(reader.get_refusal())?,
        cursor: Cursor::new(reader.get_cursor()),
    })
}

/// Fills an entry.
pub fn write_audit_entry(entry: &AuditEntry, mut builder: audit_entry::Builder<'_>) {
    builder.set_number(entry.number);
    builder.set_at(entry.at.get());
    builder.set_last_at(entry.last_at.get());
    builder.set_count(entry.count);
    builder.set_event(event(entry.event));
    if let Some(grant) = entry.grant {
        builder.set_grant(&grant.to_bytes());
    }
    if let Some(by) = entry.by {
        builder.set_by(&by.to_bytes());
    }
    if let Some(origin) = &entry.origin {
        write_origin(origin, builder.reborrow().init_origin());
    }
    builder.set_client(&entry.client);
    if let Some(refusal) = entry.refusal {
        builder.set_refusal(code(refusal));
    }
    builder.set_cursor(entry.cursor.get());
}

/// Who the caller said that it was, if it said so.
fn read_said(reader: audit_entry::Reader<'_>) -> Result<Option<Origin>, WireError> {
    if !reader.has_origin() {
        return Ok(None);
    }
    let origin = got(reader.get_origin(), "entry.origin")?;
    if origin.get_kind() == Ok(Kind::Unset) {
        return Ok(None);
    }
    read_origin(origin).map(Some)
}

macro_rules! events {
    ($($name:ident),* $(,)?) => {
        fn read_event(event: Result<Event, NotInSchema>) -> Result<ToldEvent, WireError> {
            match event {
                Ok(Event::Unset) => Err(WireError::new("entry.event", WireFault::Unset)),
                $(Ok(Event::$name) => Ok(ToldEvent::Known(AuditEvent::$name)),)*
                Err(NotInSchema(number)) => Ok(ToldEvent::Unknown(number)),
            }
        }

        const KNOWN: &[AuditEvent] = &[$(AuditEvent::$name),*];

        fn event(event: AuditEvent) -> Event {
            match event {
                $(AuditEvent::$name => Event::$name,)*
                // The model's enum is open; the constant below keeps this arm from being taken.
                _ => Event::Unset,
            }
        }
    };
}

events! {
    Created, Redeemed, Refused, RefusedUnproven, AppendedFirst, Granted, Revoked, Published, Bumped,
    Frozen, Unfrozen, Deleted, Restored,
}

/// An event of the model without a place in the schema does not compile.
const _: () = assert!(KNOWN.len() == AuditEvent::ALL.len());
