//! A writer's side of its lane: key, seqs, batches.

use share_model::seam::SeededEntropy;
use share_model::{
    Batch, BatchId, Entry, EntryBody, HistoryId, Incarnation, Mutation, Nonce, Op, OpId, OutboxKey,
    Seq,
};
use share_proto::wire::ClaimRequest;

/// A lane with its own key.
pub(crate) struct Lane {
    number: u8,
    key: OutboxKey,
    pub(crate) incarnation: Incarnation,
    nonce: u8,
    pub(crate) history: Option<HistoryId>,
    next: Seq,
}

impl Lane {
    pub(crate) fn new(number: u8) -> Self {
        Self {
            number,
            key: OutboxKey::random(&SeededEntropy::new(u64::from(number))),
            incarnation: Incarnation::ZERO,
            nonce: 0,
            history: None,
            next: Seq::ZERO.next(),
        }
    }

    /// A claim with a nonce of its own.
    pub(crate) fn claim(&mut self) -> ClaimRequest {
        self.nonce += 1;
        self.claim_again()
    }

    /// The last claim once more.
    pub(crate) fn claim_again(&self) -> ClaimRequest {
        let mut nonce = [self.number; 16];
        nonce[0] = self.nonce;
        ClaimRequest {
            outbox_key: self.key.clone(),
            incarnation: self.incarnation,
            nonce: Nonce::from_bytes(nonce),
            history: self.history,
        }
    }

    /// A batch that puts each key to 1.
    pub(crate) fn puts(&mut self, keys: &[&str]) -> Batch {
        let puts = keys.iter().map(|key| Mutation::Put {
            key: (*key).into(),
            json: "1".into(),
        });
        self.batch(puts.collect())
    }

    /// A batch of these mutations.
    pub(crate) fn batch(&mut self, mutations: Vec<Mutation>) -> Batch {
        let entries = mutations.into_iter().map(|mutation| {
            let seq = self.next;
            self.next = seq.next();
            let mut id = [self.number; 16];
            id[..8].copy_from_slice(&seq.get().to_be_bytes());
            Entry {
                seq,
                was: None,
                body: EntryBody::Op(Op {
                    id: OpId::from_bytes(id),
                    depends_on: Vec::new(),
                    mutation,
                }),
                origin: None,
            }
        });
        Batch {
            atomic: false,
            expected_cursor: None,
            entries: entries.collect(),
            id: BatchId::from_bytes([self.number; 16]),
        }
    }
}
