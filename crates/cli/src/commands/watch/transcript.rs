//! A document at a cursor, with its items in their order.

use serde_json::Value;
use share_client::DocumentEntry;
use share_model::{Cursor, Document, Limits, LoggedOp, MutationError, UnixMs};

use super::figures;
use super::items::Items;
use super::lay::model_of;
use super::limits::WatchLimits;
use super::place::Place;
use super::text;

/// Why a share can't be watched any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WatchError {
    /// The server sent an op that does not change the document as it stands here.
    #[error("the op at cursor {cursor} can't be applied to the document before it")]
    NotApplied {
        /// Of the op.
        cursor: Cursor,
        /// The rule that it breaks.
        source: MutationError,
    },
    /// The server sent a document that is larger than this command holds.
    #[error("the document has more than {max} bytes, which is as much as `share watch` holds")]
    DocumentTooLarge {
        /// The limit.
        max: u64,
    },
    /// The server sent a value that is no JSON.
    #[error("the value at {key:?} is not JSON")]
    NotJson {
        /// Where.
        key: String,
    },
}

/// What is shown: a document, at a cursor.
#[derive(Debug)]
pub(super) struct Transcript {
    document: Document,
    items: Items,
    cursor: Cursor,
    /// When the last op was applied, if one was since the document came.
    at: Option<UnixMs>,
    /// More of the document is to come.
    is_partial: bool,
    limits: Limits,
    facts: Option<Facts>,
}

/// What is said of the whole agent session.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Facts {
    pub(super) title: Option<String>,
    pub(super) model: Option<String>,
    pub(super) cost: f64,
    pub(super) tokens_in: u64,
    pub(super) tokens_out: u64,
}

impl Transcript {
    pub(super) fn new(limits: &WatchLimits) -> Self {
        Self {
            document: Document::default(),
            items: Items::default(),
            cursor: Cursor::ZERO,
            at: None,
            is_partial: false,
            limits: limits.of_document(),
            facts: None,
        }
    }

    /// As it was when the document was this one.
    pub(super) fn of(
        document: Document,
        cursor: Cursor,
        at: Option<UnixMs>,
        limits: &WatchLimits,
    ) -> Self {
        Self {
            items: Items::of(&document),
            document,
            cursor,
            at,
            ..Self::new(limits)
        }
    }

    pub(super) fn document(&self) -> &Document {
        &self.document
    }

    pub(super) fn items(&self) -> &Items {
        &self.items
    }

    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    pub(super) fn at(&self) -> Option<UnixMs> {
        self.at
    }

    pub(super) fn is_partial(&self) -> bool {
        self.is_partial
    }

    /// Forgets everything: the document at this cursor comes in pieces.
    pub(super) fn reset(&mut self, cursor: Cursor) {
        self.document = Document::default();
        self.items = Items::default();
        self.cursor = cursor;
        self.at = None;
        self.facts = None;
        self.is_partial = true;
    }

    /// Takes a piece of the document.
    pub(super) fn load(&mut self, entries: &[DocumentEntry], done: bool) -> Result<(), WatchError> {
        for DocumentEntry { key, json } in entries {
            self.load_entry(key, json)?;
        }
        if done {
            self.loaded(self.cursor);
        }
        Ok(())
    }

    /// Takes one entry of the document.
    pub(super) fn load_entry(&mut self, key: &str, json: &str) -> Result<(), WatchError> {
        let bytes = json.len() as u64;
        self.document
            .load(key, json, bytes)
            .map_err(|_| WatchError::NotJson { key: key.into() })?;
        let max = self.limits.document_bytes_max;
        match self.document.bytes() > max {
            true => Err(WatchError::DocumentTooLarge { max }),
            false => Ok(()),
        }
    }

    /// The document is complete, and stands at this cursor.
    pub(super) fn loaded(&mut self, cursor: Cursor) {
        self.items = Items::of(&self.document);
        self.cursor = cursor;
        self.is_partial = false;
    }

    /// Applies the next op; the places at which nothing is any more as it was.
    pub(super) fn apply(&mut self, logged: &LoggedOp) -> Result<Vec<Place>, WatchError> {
        let mutation = &logged.op.mutation;
        let cursor = logged.cursor;
        self.document
            .apply_again(mutation, &self.limits)
            .map_err(|source| WatchError::NotApplied { cursor, source })?;
        self.cursor = cursor;
        self.at = Some(logged.at);
        let key = mutation.key();
        // Most ops are of parts, of which the facts say nothing.
        if !key.starts_with("part/") {
            self.facts = None;
        }
        Ok(self.items.change(&self.document, key))
    }

    /// What is said of the whole, counted when somebody looks.
    pub(super) fn facts(&mut self) -> &Facts {
        let (document, items) = (&self.document, &self.items);
        self.facts.get_or_insert_with(|| Facts::of(document, items))
    }
}

impl Facts {
    fn of(document: &Document, items: &Items) -> Self {
        let none = Value::Null;
        let value = |key: &str| document.get(key).map(|stored| stored.value());
        let session = value("session").unwrap_or(&none);
        let last = items
            .last_message()
            .and_then(|id| value(&format!("message/{id}")));
        let mut facts = Self {
            title: session
                .get("title")
                .and_then(Value::as_str)
                .map(text::short)
                .filter(|title| !title.is_empty()),
            model: last.and_then(model_of),
            ..Self::default()
        };
        if session.get("tokens").is_some() {
            facts.add(session);
            return facts;
        }
        // A session that does not count is counted here.
        for id in items.messages() {
            if let Some(message) = value(&format!("message/{id}")) {
                facts.add(message);
            }
        }
        facts
    }

    fn add(&mut self, counted: &Value) {
        let count = |pointer: &str| {
            counted
                .pointer(pointer)
                .and_then(Value::as_u64)
                .unwrap_or(0)
        };
        self.cost += counted.get("cost").and_then(Value::as_f64).unwrap_or(0.0);
        for pointer in ["/tokens/input", "/tokens/cache/read", "/tokens/cache/write"] {
            self.tokens_in = self.tokens_in.saturating_add(count(pointer));
        }
        for pointer in ["/tokens/output", "/tokens/reasoning"] {
            self.tokens_out = self.tokens_out.saturating_add(count(pointer));
        }
    }

    /// Model, cost and tokens, as far as they are known.
    pub(super) fn line(&self) -> Vec<String> {
        let mut words: Vec<String> = self.model.iter().cloned().collect();
        if self.cost > 0.0 {
            words.push(figures::cost(self.cost));
        }
        if self.tokens_in.max(self.tokens_out) > 0 {
            let (tokens_in, tokens_out) = (self.tokens_in, self.tokens_out);
            words.push(format!(
                "{}↑ {}↓",
                figures::tokens(tokens_in),
                figures::tokens(tokens_out)
            ));
        }
        words
    }
}
