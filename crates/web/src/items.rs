//! A document as a JSON array of items, made while it is taken.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame};
use serde_json::Value;
use share_model::Document;
use share_opencode::kind_at;

/// A chunk is finished when it has so many bytes: it is so large, and one value.
const CHUNK_BYTES: usize = 64 << 10;

/// The body of `GET …/data`. It holds the document, whose values are shared with whoever keeps it, and
/// never more text than a chunk.
#[derive(Debug)]
pub(crate) struct Items {
    document: Document,
    /// What was written last; `None`: nothing yet.
    after: Option<String>,
    open: Open,
    is_done: bool,
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
    pub(crate) fn of(document: Document) -> Self {
        Self {
            document,
            after: None,
            open: Open::Nothing,
            is_done: false,
        }
    }

    fn chunk(&mut self) -> Result<Vec<u8>, serde_json::Error> {
        let mut text = Vec::with_capacity(CHUNK_BYTES);
        let after = match &self.after {
            None => {
                text.push(b'[');
                ""
            }
            Some(after) => after,
        };
        let mut last = None;
        for (key, stored) in self.document.iter_after(after) {
            last = Some(key);
            if let Some(kind) = kind_at(key, stored.value()) {
                self.open = write_item(&mut text, self.open, &kind, stored.value())?;
            }
            if text.len() >= CHUNK_BYTES {
                break;
            }
        }
        let is_full = text.len() >= CHUNK_BYTES;
        match last.map(str::to_owned) {
            Some(last) if is_full => self.after = Some(last),
            _ => {
                close_models(&mut text, self.open);
                text.push(b']');
                self.is_done = true;
            }
        }
        Ok(text)
    }
}

impl Body for Items {
    type Data = Bytes;
    type Error = serde_json::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_done {
            return Poll::Ready(None);
        }
        let chunk = self.chunk();
        Poll::Ready(Some(chunk.map(|text| Frame::data(text.into()))))
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
