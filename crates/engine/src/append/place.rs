//! One entry of a batch, with what is worked out about it once.

use share_model::{Batch, Entry, EntryBody, Identity, OutboxId, Seq};

/// An entry and the identity of what it is about: hashing an op is most of the work of an append.
pub(super) struct Place<'a> {
    pub(super) entry: &'a Entry,
    pub(super) identity: Identity,
}

impl<'a> Place<'a> {
    /// The entries of a batch that is sent in the lane of `outbox`.
    pub(super) fn all(batch: &'a Batch, outbox: OutboxId) -> Vec<Self> {
        let place = |entry: &'a Entry| Self {
            entry,
            identity: entry.identity(outbox),
        };
        batch.entries.iter().map(place).collect()
    }

    /// The seq in the lane in which it is sent.
    pub(super) fn seq(&self) -> Seq {
        self.entry.seq
    }

    pub(super) fn is_abandon(&self) -> bool {
        matches!(self.entry.body, EntryBody::Abandon(_))
    }
}
