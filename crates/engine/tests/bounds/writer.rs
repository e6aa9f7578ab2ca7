//! A writer's lifetime at the bounds: a full window, holes that are filled or given up, re-queues.

use share_engine::Appender;
use share_model::{Batch, Cursor, EntryBody, Fingerprint, FirstLane, OpOutcome, Seq};

use super::share::{Share, batch, entry, op, outbox};

/// Ops of one round: as many as the window holds in two.
pub(crate) const ROUND: u64 = 512;
/// Of these, the holes.
const HOLES: u64 = 4;

pub(crate) struct Writer {
    n: u64,
    appender: Appender,
    highest: u64,
    settled: u64,
    /// Neither filled nor given up.
    holes: Vec<u64>,
    abandoned: u32,
}

impl Writer {
    pub(crate) fn new(share: &mut Share, n: u64) -> Self {
        Self {
            n,
            appender: share.claim(&share.owner.clone(), outbox(n)).unwrap(),
            highest: 0,
            settled: 0,
            holes: Vec::new(),
            abandoned: 0,
        }
    }

    /// Another half of the window; nothing of it is settled until the window is full.
    pub(crate) fn round(&mut self, share: &mut Share) {
        if self.highest - self.settled + ROUND > u64::from(share.state.limits().window) {
            self.mend(share);
        }
        self.send(share, ROUND - HOLES);
        for _ in 0..HOLES {
            let seq = self.highest + 1;
            // No share has this cursor: a hole.
            let hole = Batch {
                atomic: true,
                expected_cursor: Some(Cursor::new(u64::MAX)),
                ..batch(vec![entry(seq, EntryBody::Op(op(self.n, seq)))])
            };
            let outcomes = self.append(share, &hole);
            assert!(matches!(outcomes[0], OpOutcome::Rejected(_)));
            self.highest = seq;
            self.holes.push(seq);
        }
    }

    /// Settles everything; the writer comes back no more.
    pub(crate) fn finish(&mut self, share: &mut Share) {
        self.mend(share);
        while self.abandoned < share.state.limits().abandoned_max {
            self.highest += 1;
            self.give_up(share, self.highest);
        }
        self.settle(share);
    }

    fn send(&mut self, share: &mut Share, count: u64) {
        let seqs = self.highest + 1..=self.highest + count;
        let mut room = share.state.limits().remembered_max - share.remembered;
        let entries = seqs.map(|seq| {
            let mut entry = entry(seq, EntryBody::Op(op(self.n, seq)));
            if seq % 16 == 0 && room > 0 {
                room -= 1;
                entry.was = Some(FirstLane {
                    outbox: outbox(u64::MAX - self.n),
                    seq: Seq::new(seq),
                });
            }
            entry
        });
        let outcomes = self.append(share, &batch(entries.collect()));
        let is_applied = |outcome: &OpOutcome| matches!(outcome, OpOutcome::Applied(_));
        assert!(outcomes.iter().all(is_applied));
        self.highest += count;
    }

    /// Fills holes, gives them up as far as that is bounded, and settles.
    fn mend(&mut self, share: &mut Share) {
        for seq in std::mem::take(&mut self.holes) {
            if seq % 2 == 0 && self.abandoned < share.state.limits().abandoned_max {
                self.give_up(share, seq);
                continue;
            }
            let again = batch(vec![entry(seq, EntryBody::Op(op(self.n, seq)))]);
            let outcomes = self.append(share, &again);
            assert!(matches!(outcomes[0], OpOutcome::Applied(_)));
        }
        self.settle(share);
    }

    fn give_up(&mut self, share: &mut Share, seq: u64) {
        let fingerprint = Fingerprint::of(&op(self.n, seq), outbox(self.n));
        let given_up = batch(vec![entry(seq, EntryBody::Abandon(fingerprint))]);
        assert_eq!(self.append(share, &given_up), [OpOutcome::Abandoned]);
        self.abandoned += 1;
    }

    fn settle(&mut self, share: &mut Share) {
        self.settled = self.highest;
        self.append(share, &batch(vec![]));
    }

    fn append(&mut self, share: &mut Share, batch: &Batch) -> Vec<OpOutcome> {
        let owner = share.owner.clone();
        let ack = share.send(&owner, &mut self.appender, (self.settled, batch));
        ack.unwrap().outcomes
    }
}
