//! Batches: the ops of one `appendOps` call, cut once, stored, never re-cut.

use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;
use crate::grant::Origin;
use crate::ids::{BatchId, Cursor, Epoch, OutboxId, Seq};
use crate::op::{Identity, Op};

/// What a client stores and sends, byte for byte the same however often.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Names the batch in logs and listings.
    pub id: BatchId,
    /// All ops are applied, or none is.
    pub atomic: bool,
    /// Compare-and-append: applied only if the share's cursor is this one. Only with `atomic`.
    pub expected_cursor: Option<Cursor>,
    /// In ascending order of seq; those above the server's `highest` are contiguous.
    pub entries: Vec<Entry>,
}

/// One place in a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The seq in the lane of this batch.
    pub seq: Seq,
    /// Set when the op was re-queued from an earlier lane: where it was first enqueued.
    pub was: Option<FirstLane>,
    /// The op, or the word that it is given up.
    pub body: EntryBody,
    /// Whose op it is, where one writer carries those of several agent sessions; `None`: the
    /// writer's own. Part of no fingerprint, so an op sent again under another origin is the same
    /// op, and the first origin stays. Means nothing on an op that is given up.
    pub origin: Option<Origin>,
}

/// Where a re-queued op was first enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirstLane {
    /// The outbox of the first lane.
    pub outbox: OutboxId,
    /// The seq in the first lane.
    pub seq: Seq,
}

/// What an [`Entry`] asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryBody {
    // The order of the variants is persisted: keep stable.
    /// Apply the op.
    Op(Op),
    /// Give up the op with this fingerprint, unless it was applied after all.
    Abandon(Fingerprint),
}

impl Entry {
    /// The fingerprint of what the entry is about, sent in the lane of `lane`.
    pub fn fingerprint(&self, lane: OutboxId) -> Fingerprint {
        match &self.body {
            EntryBody::Op(op) => Fingerprint::of(op, self.first_outbox(lane)),
            EntryBody::Abandon(fingerprint) => *fingerprint,
        }
    }

    /// The identity of what the entry is about: in its first lane.
    pub fn identity(&self, lane: OutboxId) -> Identity {
        self.identity_with(lane, self.fingerprint(lane))
    }

    /// As [`Entry::identity`], for an entry whose [`Entry::fingerprint`] is known.
    pub fn identity_with(&self, lane: OutboxId, fingerprint: Fingerprint) -> Identity {
        Identity {
            outbox: self.first_outbox(lane),
            seq: self.was.map_or(self.seq, |was| was.seq),
            fingerprint,
        }
    }

    /// Bytes that count against a batch's limit: the mutation's, and the origin's id.
    pub fn bytes(&self) -> u64 {
        match &self.body {
            EntryBody::Op(op) => op.bytes_from(self.origin.as_ref()),
            EntryBody::Abandon(_) => 0,
        }
    }

    fn first_outbox(&self, lane: OutboxId) -> OutboxId {
        self.was.map_or(lane, |was| was.outbox)
    }
}

/// What is filled in at each send of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// The epoch of the capability under which the batch is sent.
    pub capability_epoch: Epoch,
    /// The last seq before the first one without a final outcome: the client has durably recorded
    /// the outcome of every seq up to here and will never ask again.
    pub settled_through: Seq,
}
