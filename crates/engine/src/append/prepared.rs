//! What can be worked out about a batch before its turn, away from the share's state.

use share_model::{Batch, EntryBody, Fingerprint, JsonLook, OutboxId};

/// A batch, and what was worked out about it by whoever had the time: hashing the ops and looking at
/// their texts is most of the work of an append, and the thread that has the state is the narrow one.
///
/// All of it is worked out here, of the batch that is held here, and nothing is taken from the wire.
/// What was not worked out is worked out when the batch is appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedBatch {
    batch: Batch,
    bytes: u64,
    entries: Option<PreparedEntries>,
}

/// Of a batch that is sent in the lane of `outbox`, entry by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct PreparedEntries {
    outbox: OutboxId,
    entries: Vec<PreparedEntry>,
}

/// What was worked out about one entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PreparedEntry {
    pub(super) fingerprint: Fingerprint,
    /// `None`: nobody has looked so far.
    pub(super) look: Option<JsonLook>,
}

impl PreparedBatch {
    /// Works out what there is to work out about a batch that is sent in the lane of `outbox`.
    pub fn new(batch: Batch, outbox: OutboxId) -> Self {
        let mut prepared = Self::from(batch);
        // What no limits let in has lengths that no fingerprint holds.
        if prepared.bytes <= u64::from(u32::MAX) {
            let entries = prepared.batch.entries.iter().map(|entry| PreparedEntry {
                fingerprint: entry.fingerprint(outbox),
                look: match &entry.body {
                    EntryBody::Op(op) => Some(op.mutation.look()),
                    EntryBody::Abandon(_) => None,
                },
            });
            let entries = entries.collect();
            prepared.entries = Some(PreparedEntries { outbox, entries });
        }
        prepared
    }

    /// The batch.
    pub fn batch(&self) -> &Batch {
        &self.batch
    }

    /// Bytes of its mutations and origins.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What was worked out, entry by entry, if the batch is sent in the lane of `outbox`.
    pub(super) fn entries(&self, outbox: OutboxId) -> Option<&[PreparedEntry]> {
        let entries = self.entries.as_ref();
        let entries = entries.filter(|entries| entries.outbox == outbox)?;
        Some(&entries.entries)
    }
}

/// A batch of which nothing is worked out.
impl From<Batch> for PreparedBatch {
    fn from(batch: Batch) -> Self {
        Self {
            bytes: batch.entries.iter().map(|entry| entry.bytes()).sum(),
            batch,
            entries: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Dependency, Envelope, Epoch, Mutation, Op, OpId, Seq};

    use super::*;
    use crate::LogAnswers;
    use crate::append::AppendRequest;
    use crate::fixture::{A, B, Share, batch, entry, op, put};

    /// Its fingerprint speaks of the lane in which it is sent.
    fn dependent() -> Op {
        let on = Dependency {
            outbox: None,
            seq: Seq::new(1),
            fingerprint: Fingerprint::of(&put(1), A),
        };
        op(2, vec![on], put(2).mutation)
    }

    #[test]
    fn what_is_worked_out_before_changes_nothing_and_is_not_used_in_another_lane() {
        let mut share = Share::new();
        let mut a = share.claim(A);
        let malformed = Op {
            id: OpId::from_bytes([3; 16]),
            depends_on: Vec::new(),
            mutation: Mutation::Put {
                key: "k".into(),
                json: "[1".into(),
            },
        };
        let batch = batch(vec![
            entry(1, put(1)),
            entry(2, dependent()),
            entry(3, malformed),
        ]);
        let prepared = [
            PreparedBatch::from(batch.clone()),
            PreparedBatch::new(batch.clone(), A),
            PreparedBatch::new(batch, B),
        ];
        let outcomes = prepared.map(|batch| {
            let (mut state, by) = (share.state.clone(), share.owner.clone());
            let request = AppendRequest {
                envelope: &Envelope {
                    capability_epoch: Epoch::new(1),
                    settled_through: Seq::ZERO,
                },
                batch: &batch,
                log: &LogAnswers::new(),
            };
            let outcome = state.append(&share.context, &by, &mut a, request);
            assert!(outcome.record.is_some(), "{:?}", outcome.result);
            (outcome, state)
        });
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(outcomes[0], outcomes[2]);
    }
}
