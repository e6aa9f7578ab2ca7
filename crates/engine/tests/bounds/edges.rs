//! What a share is asked at the edges of its bounds.

use share_engine::{Appender, Authority, MintChild, MintKind};
use share_model::{
    Ack, Entry, EntryBody, FirstLane, GrantId, OpOutcome, Refusal, Rights, SecretHash, Seq,
};

use super::share::{CONTEXT, Share, batch, entry, op, origin, outbox};

/// A child of the owner's grant.
pub(crate) fn child(share: &mut Share, n: u8) -> Authority {
    let (grant, secret_hash) = (
        GrantId::from_bytes([n; 16]),
        SecretHash::from_bytes([n; 32]),
    );
    let request = MintChild {
        kind: MintKind::Attenuated,
        sealed_for: None,
        grant,
        secret_hash,
        rights: Rights::ALL,
        expires_at: None,
        label: String::new(),
        origin: origin(),
    };
    let owner = share.owner.clone();
    share.state.mint_child(&CONTEXT, &owner, request).unwrap();
    share
        .state
        .redeem(grant, &secret_hash, None, CONTEXT.now)
        .unwrap()
}

impl Share {
    /// Sends `count` ops of the outbox 0 from `first` on, with what is settled before.
    pub(crate) fn put(
        &mut self,
        appender: &mut Appender,
        (settled, first, count): (u64, u64, u64),
    ) -> Result<Ack, Refusal> {
        let seqs = first..first + count;
        let entries = seqs.map(|seq| entry(seq, EntryBody::Op(op(0, seq))));
        let batch = batch(entries.collect());
        self.send(&self.owner.clone(), appender, (settled, &batch))
    }

    /// A writer with one applied op that is not settled.
    pub(crate) fn open(&mut self, by: &Authority, n: u64) -> Result<Appender, Refusal> {
        let mut appender = self.claim(by, outbox(n))?;
        let first = batch(vec![entry(1, EntryBody::Op(op(n, 1)))]);
        self.send(by, &mut appender, (0, &first))?;
        Ok(appender)
    }

    /// A writer of the owner's with one applied op that is settled.
    pub(crate) fn open_and_settle(&mut self, n: u64) {
        let owner = self.owner.clone();
        let mut appender = self.open(&owner, n).unwrap();
        self.send(&owner, &mut appender, (1, &batch(vec![])))
            .unwrap();
    }

    /// Re-queues the first op of the outbox `from`: which lookups that takes, and whether it is a
    /// duplicate.
    pub(crate) fn requeue_first(
        &mut self,
        appender: &mut Appender,
        from: u64,
    ) -> (Vec<(u32, u64)>, bool) {
        let was = FirstLane {
            outbox: outbox(from),
            seq: Seq::new(1),
        };
        let again = batch(vec![Entry {
            was: Some(was),
            ..entry(1, EntryBody::Op(op(from, 1)))
        }]);
        let lookups = self.state.lookups(appender, &again);
        let asked = lookups
            .iter()
            .map(|(writer, seq)| (writer.get(), seq.get()));
        let asked = asked.collect();
        let ack = self
            .send(&self.owner.clone(), appender, (0, &again))
            .unwrap();
        (asked, matches!(ack.outcomes[0], OpOutcome::Duplicate(_)))
    }
}
