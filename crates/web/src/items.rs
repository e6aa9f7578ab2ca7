//! A document as a JSON array of items, made while it is taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde_json::Value;
use share_model::Document;
use share_model::seam::Clock;
use share_opencode::kind_at;

use crate::budget::{Budget, Full, Room};
use crate::face::Inner;
use crate::source::Source;
use crate::stall::Waiting;

/// A chunk is finished when it has so many bytes. A value that is larger is a chunk of its own, which
/// has room before it is made.
const CHUNK_BYTES: usize = 64 << 10;

/// Text around a value.
const AROUND_BYTES: usize = 1 << 10;

/// What an entry of the document takes as long as it is held here, beyond its value.
const ENTRY_BYTES: usize = 128;

/// How long to wait before room is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

/// The body of `GET …/data`. It holds the document, whose values are shared with whoever keeps it, and
/// never more text than a chunk.
#[derive(Debug)]
pub(crate) struct Items {
    document: Document,
    /// What was written last; `None`: nothing yet.
    after: Option<String>,
    open: Open,
    is_done: bool,
    budget: Budget,
    source: Option<Source>,
    /// Room for the document.
    _room: Room,
    clock: Arc<dyn Clock>,
    waiting: Waiting,
    /// How long it has waited for room for the next chunk, and how long it may.
    waited: Duration,
    wait_max: Duration,
}

/// Why the text ends before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ItemsError {
    /// There is no room for a large value.
    #[error(transparent)]
    Full(#[from] Full),
    /// A value can't be written.
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}

/// In the midst of what the text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    /// At the array's beginning.
    Nothing,
    /// Behind an item.
    Item,
    /// In the list of the one item that has all models.
    Models,
}

impl Items {
    /// The items of `document` for who asks from `source`.
    ///
    /// # Errors
    ///
    /// If there is no room to hold it.
    pub(crate) fn of(
        document: Document,
        face: &Inner,
        source: Option<Source>,
    ) -> Result<Self, Full> {
        let mut room = face.budget.room(source);
        room.grow(document.len().saturating_mul(ENTRY_BYTES))?;
        Ok(Self {
            document,
            after: None,
            open: Open::Nothing,
            is_done: false,
            budget: face.budget.clone(),
            source,
            _room: room,
            clock: Arc::clone(&face.options.clock),
            waiting: Waiting::default(),
            waited: Duration::ZERO,
            // By then who takes nothing of an answer has given its room back.
            wait_max: face.options.limits.write_stall * 2,
        })
    }

    /// The next chunk; on an error nothing has changed.
    fn chunk(&mut self) -> Result<Bytes, ItemsError> {
        let mut text = Vec::new();
        let mut room = self.budget.room(self.source);
        if self.after.is_none() {
            text.push(b'[');
        }
        let after = self.after.as_deref().unwrap_or_default();
        let (mut last, mut is_end) = (after, true);
        for (key, stored) in self.document.iter_after(after) {
            let bytes = usize::try_from(stored.bytes()).unwrap_or(usize::MAX);
            let is_large = bytes > CHUNK_BYTES;
            if text.len() >= CHUNK_BYTES || is_large && !text.is_empty() {
                is_end = false;
                break;
            }
            if let Some(kind) = kind_at(key, stored.value()) {
                if is_large {
                    let bytes = bytes.saturating_add(AROUND_BYTES);
                    room.grow(bytes)?;
                    text.reserve_exact(bytes);
                }
                self.open = write_item(&mut text, self.open, &kind, stored.value())?;
            }
            last = key;
        }
        if is_end {
            close_models(&mut text, self.open);
            text.push(b']');
            self.is_done = true;
        }
        self.after = Some(last.to_owned());
        Ok(room.keep(text))
    }
}

impl Body for Items {
    type Data = Bytes;
    type Error = ItemsError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        loop {
            if let Some(sleep) = &mut self.waiting.0 {
                ready!(sleep.as_mut().poll(context));
                self.waiting.0 = None;
            }
            match self.chunk() {
                Ok(text) => {
                    self.waited = Duration::ZERO;
                    return Poll::Ready(Some(Ok(Frame::data(text))));
                }
                Err(ItemsError::Full(_)) if self.waited < self.wait_max => {
                    self.waited += PAUSE;
                    self.waiting.0 = Some(self.clock.sleep(PAUSE));
                }
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_done
    }
}

/// Writes one item, or one more model.
fn write_item(
    text: &mut Vec<u8>,
    open: Open,
    kind: &str,
    data: &Value,
) -> Result<Open, serde_json::Error> {
    let is_model = kind == "model";
    if is_model && open == Open::Models {
        text.push(b',');
        serde_json::to_writer(&mut *text, data)?;
        return Ok(open);
    }
    close_models(text, open);
    if open != Open::Nothing {
        text.push(b',');
    }
    text.extend(b"{\"type\":");
    serde_json::to_writer(&mut *text, kind)?;
    text.extend(b",\"data\":");
    if is_model {
        text.push(b'[');
    }
    serde_json::to_writer(&mut *text, data)?;
    if is_model {
        return Ok(Open::Models);
    }
    text.push(b'}');
    Ok(Open::Item)
}

fn close_models(text: &mut Vec<u8>, open: Open) {
    if open == Open::Models {
        text.extend(b"]}");
    }
}
