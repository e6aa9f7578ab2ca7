//! One entry of a batch, with what is worked out about it once.

use share_model::{Entry, EntryBody, Identity, JsonLook, OutboxId, Seq};

use super::prepared::{PreparedBatch, PreparedEntry};

/// An entry, the identity of what it is about, and what a look at its text has told.
pub(super) struct Place<'a> {
    pub(super) entry: &'a Entry,
    pub(super) identity: Identity,
    /// `None`: nobody has looked so far.
    pub(super) look: Option<JsonLook>,
}

impl<'a> Place<'a> {
    /// The entries of a batch that is sent in the lane of `outbox`.
    pub(super) fn all(prepared: &'a PreparedBatch, outbox: OutboxId) -> Vec<Self> {
        let entries = prepared.batch().entries.iter();
        match prepared.entries(outbox) {
            Some(known) => {
                let places = entries.zip(known);
                places
                    .map(|(entry, known)| Self::of(entry, outbox, *known))
                    .collect()
            }
            None => {
                let places = entries.map(|entry| {
                    let fingerprint = entry.fingerprint(outbox);
                    let known = PreparedEntry {
                        fingerprint,
                        look: None,
                    };
                    Self::of(entry, outbox, known)
                });
                places.collect()
            }
        }
    }

    fn of(entry: &'a Entry, outbox: OutboxId, known: PreparedEntry) -> Self {
        Self {
            entry,
            identity: entry.identity_with(outbox, known.fingerprint),
            look: known.look,
        }
    }

    /// The seq in the lane in which it is sent.
    pub(super) fn seq(&self) -> Seq {
        self.entry.seq
    }

    pub(super) fn is_abandon(&self) -> bool {
        matches!(self.entry.body, EntryBody::Abandon(_))
    }
}
