//! Events as they are sent: each is encoded once, for all who take it.

use bytes::Bytes;
use serde::Serialize;
use share_model::{Cursor, HistoryId, Refusal, UnixMs};

use super::position;
use crate::view::Patch;

/// What begins a stream: how long a browser waits before it connects again.
pub(super) const RETRY: Bytes = Bytes::from_static(b"retry: 500\n\n");

/// A comment, which no one sees.
pub(super) const HEARTBEAT: Bytes = Bytes::from_static(b":\n\n");

/// What leads to a cursor.
#[derive(Serialize)]
pub(super) struct Change<'a> {
    /// When the op at the cursor was committed.
    pub(super) at: UnixMs,
    pub(super) cursor: Cursor,
    pub(super) patches: &'a [Patch],
}

/// Of which kind a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// To be applied to what stood at the event's beginning.
    View,
    /// To be applied to anything.
    Reset,
}

#[derive(Serialize)]
struct Count {
    count: usize,
}

#[derive(Serialize)]
struct Ended<'a> {
    reason: &'a str,
    words: &'a str,
}

/// The event of a change.
///
/// # Errors
///
/// If it can't be written as JSON, which no patch is.
pub(super) fn change(
    kind: Kind,
    history: HistoryId,
    change: &Change<'_>,
) -> Result<Bytes, serde_json::Error> {
    let name = match kind {
        Kind::View => "view",
        Kind::Reset => "reset",
    };
    let id = position::written(history, change.cursor);
    let mut text = format!("id: {id}\nevent: {name}\ndata: ").into_bytes();
    // JSON has no line breaks.
    serde_json::to_writer(&mut text, change)?;
    text.extend(b"\n\n");
    Ok(text.into())
}

/// How many view the share.
pub(super) fn viewers(count: usize) -> Bytes {
    named("viewers", &Count { count })
}

/// That nothing more comes, and why.
pub(super) fn ended(refusal: &Refusal) -> Bytes {
    let ended = Ended {
        reason: refusal.code.name(),
        words: &refusal.message,
    };
    named("end", &ended)
}

fn named(name: &str, data: &impl Serialize) -> Bytes {
    let json = serde_json::to_string(data).unwrap_or_else(|_| "{}".to_owned());
    format!("event: {name}\ndata: {json}\n\n").into()
}
