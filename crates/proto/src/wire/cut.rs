//! What ended with authority.

use share_model::{Cursor, Cut, GrantId, Served};

use super::error::WireError;
use super::field::{bytes, items, list_len};
use crate::authority_capnp::{cut, served};

/// Reads what ended with authority.
///
/// # Errors
///
/// If a field is malformed, or more than [`Cut::SERVED_MAX`] viewers are told.
pub fn read_cut(reader: cut::Reader<'_>) -> Result<Cut, WireError> {
    let served = items(
        reader.get_served(),
        Cut::SERVED_MAX,
        "cut.served",
        read_served,
    )?;
    Ok(Cut {
        grants: reader.get_grants(),
        sessions: reader.get_sessions(),
        appenders: reader.get_appenders(),
        viewers: reader.get_viewers(),
        served,
    })
}

/// Fills what ended with authority; of the viewers that were served, the first
/// [`Cut::SERVED_MAX`].
///
/// # Panics
///
/// Never: a list of so many is one that a message holds.
pub fn write_cut(cut: &Cut, mut builder: cut::Builder<'_>) {
    builder.set_grants(cut.grants);
    builder.set_sessions(cut.sessions);
    builder.set_appenders(cut.appenders);
    builder.set_viewers(cut.viewers);
    let told = &cut.served[..cut.served.len().min(Cut::SERVED_MAX)];
    let mut list = builder.init_served(list_len(told.len()));
    for (index, served) in (0..).zip(told) {
        write_served(served, list.reborrow().get(index));
    }
}

fn read_served(reader: served::Reader<'_>) -> Result<Served, WireError> {
    Ok(Served {
        grant: GrantId::from_bytes(bytes(reader.get_grant(), "served.grant")?),
        cursor: Cursor::new(reader.get_cursor()),
    })
}

fn write_served(served: &Served, mut builder: served::Builder<'_>) {
    builder.set_grant(&served.grant.to_bytes());
    builder.set_cursor(served.cursor.get());
}
