//! What may happen next.

use share_engine::{BumpEpoch, ClaimRequest, MintChild, MintKind};
use share_model::{
    Batch, BatchId, Cursor, Dependency, Entry, EntryBody, FirstLane, GrantId, HistoryId,
    Incarnation, Nonce, Op, OutboxId, RequestId, Right, Rights, SecretHash, Seq, UnixMs,
};

use super::naive::{Caller, Word};
use super::world::{Cap, World, origin};

const OUTBOXES: u64 = 7;

impl World {
    /// One random command.
    pub(crate) fn step(&mut self) {
        match self.chance.below(100) {
            0..=13 => self.claim_some(),
            14 => self.bump(),
            15 => self.pass_time(),
            16..=19 => self.mint(),
            20..=21 => self.restart(),
            22 => self.pass_time(),
            23 if self.chance.percent(40) => self.change_history(),
            24..=33 => self.repeat(),
            _ => self.send_new(),
        }
    }

    fn outbox(&self) -> OutboxId {
        // A few are used much more than the others, so that their lanes grow long.
        let n = self.chance.below(OUTBOXES).min(self.chance.below(OUTBOXES));
        OutboxId::from_bytes([u8::try_from(n).unwrap(); 16])
    }

    fn cap(&self) -> Cap {
        match self.chance.below(10) {
            0 if self.chance.percent(30) => self.caps[self.chance.index(self.caps.len())].clone(),
            1..=2 => self.caps[self.caps.len() - 1].clone(),
            _ => self.owner.clone(),
        }
    }

    fn claim_some(&mut self) {
        let outbox = self.outbox();
        let chance = &self.chance;
        let known = self.incarnation(outbox);
        let incarnation = match chance.below(12) {
            0 => Incarnation::new(chance.below(3)),
            1 => Incarnation::new(known.get() + chance.below(3)),
            _ => known,
        };
        let nonce = match self.nonces.get(&outbox) {
            Some(nonce) if chance.percent(15) => *nonce,
            _ => Nonce::from_bytes(chance.bytes()),
        };
        let history = match chance.below(10) {
            0 => Some(HistoryId::from_bytes([99; 16])),
            1..=4 => None,
            _ => Some(self.context.history),
        };
        let request = ClaimRequest {
            outbox,
            incarnation,
            nonce,
            history,
        };
        self.claim(&self.cap(), request);
    }

    fn bump(&mut self) {
        let request = BumpEpoch {
            request: RequestId::from_bytes(self.chance.bytes()),
            owner_grant: GrantId::from_bytes(self.chance.bytes()),
            owner_secret_hash: SecretHash::from_bytes(self.chance.bytes()),
            origin: origin(),
        };
        let old = self.owner.authority.clone();
        let (bumped, record) = self
            .state
            .bump_epoch(&self.context, &old, request.clone())
            .unwrap();
        self.naive.epoch += 1;
        self.coverage.saw("epoch bumped");
        self.commit(record);
        let (again, record) = self
            .state
            .bump_epoch(&self.context, &old, request.clone())
            .unwrap();
        assert_eq!(
            (again.epoch, again.grant, record),
            (bumped.epoch, bumped.grant, None)
        );
        self.coverage.saw("epoch bump repeated");
        let secret = request.owner_secret_hash;
        self.owner = Cap {
            authority: self
                .state
                .redeem(bumped.grant, &secret, None, self.context.now)
                .unwrap(),
            caller: Caller {
                epoch: self.naive.epoch,
                rights: Rights::ALL,
                expires_at: None,
                subtree: None,
            },
        };
        self.caps.push(self.owner.clone());
    }

    /// A child of the owner's grant, or of one of its children.
    fn mint(&mut self) {
        let now = self.context.now;
        let newest = &self.caps[self.caps.len() - 1];
        let stands = newest.caller.epoch == self.naive.epoch
            && newest.caller.rights == Rights::ALL
            && newest.caller.expires_at.is_none();
        let parent = if stands && self.chance.percent(50) {
            newest.clone()
        } else {
            self.owner.clone()
        };
        let rights = match self.chance.below(4) {
            0 => Rights::of(&[Right::Read]),
            _ => Rights::ALL,
        };
        let expires_at = self.chance.percent(30).then(|| now.plus_ms(50));
        let (grant, secret) = (
            GrantId::from_bytes(self.chance.bytes()),
            SecretHash::from_bytes(self.chance.bytes()),
        );
        let request = MintChild {
            kind: MintKind::Saved,
            sealed_for: None,
            grant,
            secret_hash: secret,
            rights,
            expires_at,
            label: String::new(),
            origin: origin(),
        };
        let (_, record) = self
            .state
            .mint_child(&self.context, &parent.authority, request)
            .unwrap();
        self.commit(record);
        self.caps.push(Cap {
            authority: self.state.redeem(grant, &secret, None, now).unwrap(),
            caller: Caller {
                epoch: self.naive.epoch,
                rights,
                expires_at,
                subtree: parent.caller.subtree.or(Some(grant)),
            },
        });
    }

    fn pass_time(&mut self) {
        let now = UnixMs::new(self.context.now.get() + self.chance.below(60));
        self.context.now = now;
        self.naive.now = now;
    }

    fn change_history(&mut self) {
        let history = HistoryId::from_bytes(self.chance.bytes());
        self.context.history = history;
        self.naive.history = history;
    }

    /// A batch that was sent before, over the newest or any appender of its lane.
    fn repeat(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let recent = self.sent.len().min(8);
        let at = self.sent.len() - 1 - self.chance.index(recent);
        let (outbox, batch) = self.sent[at].clone();
        if let Some(at) = self.lane_of(outbox) {
            let settled = self.settled(outbox);
            self.send(&self.cap(), at, settled, &batch);
        }
    }

    /// Mostly the newest appender of the outbox, sometimes an old one.
    fn lane_of(&self, outbox: OutboxId) -> Option<usize> {
        let is_its = |at: &usize| self.lanes[*at].naive.outbox == outbox;
        let all: Vec<_> = (0..self.lanes.len()).filter(is_its).collect();
        let newest = *all.last()?;
        Some(if self.chance.percent(5) {
            all[self.chance.index(all.len())]
        } else {
            newest
        })
    }

    /// What the outbox says is settled: at most up to its first hole, unless it is wrong.
    fn settled(&self, outbox: OutboxId) -> u64 {
        let Some(lane) = self.naive.lanes.get(&outbox) else {
            return 0;
        };
        match self.chance.below(20) {
            0..=5 => 0,
            6 => lane.highest() + 1,
            7 => self.chance.below(lane.highest() + 1),
            _ => {
                let is_hole = |(_, word): &(_, Word)| *word == Word::Hole;
                let first = lane.told.iter().position(is_hole);
                first.unwrap_or(lane.told.len()) as u64
            }
        }
    }

    /// A claim as a client makes it whose appender has ended.
    fn claim_again(&mut self, outbox: OutboxId) {
        let held = self.lane_of(outbox);
        let ended = held.is_none_or(|at| self.lanes[at].naive.ended.is_some());
        if ended && self.chance.percent(80) {
            let request = ClaimRequest {
                outbox,
                incarnation: self.incarnation(outbox),
                nonce: Nonce::from_bytes(self.chance.bytes()),
                history: None,
            };
            self.claim(&self.owner.clone(), request);
        }
    }

    fn send_new(&mut self) {
        let outbox = self.outbox();
        self.claim_again(outbox);
        let Some(at) = self.lane_of(outbox) else {
            return;
        };
        let highest = self.naive.lanes.get(&outbox).map_or(0, |it| it.highest());
        let mut seqs: Vec<u64> = match self.chance.below(20) {
            0 => vec![highest + 2],
            1..=4 => self.some_known(outbox),
            _ if self.is_full(outbox) => self.some_known(outbox),
            5 if highest > 0 => (highest..highest + 3).collect(),
            6 => (highest + 1..highest + 1 + self.chance.below(7)).collect(),
            _ => (highest + 1..highest + 2 + self.chance.below(3)).collect(),
        };
        if self.chance.percent(2) {
            seqs.reverse();
        }
        let gives_up = self
            .chance
            .percent(if self.is_full(outbox) { 40 } else { 8 });
        let mut entries = Vec::new();
        for seq in seqs.into_iter().filter(|seq| *seq > 0) {
            let mut entry = self.row(outbox, seq);
            if gives_up {
                entry.body = EntryBody::Abandon(entry.fingerprint(outbox));
            } else if self.chance.percent(2) {
                entry.body = EntryBody::Op(self.op(outbox));
            }
            if self.chance.percent(5) {
                entry.origin = None;
            }
            entries.push(entry);
        }
        let atomic = !gives_up && self.chance.percent(30) || self.chance.percent(1);
        let expects = atomic && self.chance.percent(50) || self.chance.percent(1);
        let off = u64::from(self.chance.percent(30));
        let expected = Cursor::new(self.state.cursor().get() + off);
        let batch = Batch {
            id: BatchId::from_bytes(self.chance.bytes()),
            atomic,
            expected_cursor: expects.then_some(expected),
            entries,
        };
        self.sent.push((outbox, batch.clone()));
        let settled = self.settled(outbox);
        self.send(&self.cap(), at, settled, &batch);
    }

    /// Whether the window has hardly any room: time to retry holes, or to give them up.
    fn is_full(&self, outbox: OutboxId) -> bool {
        let room = u64::from(self.limits().window) - 2;
        let lane = self.naive.lanes.get(&outbox);
        lane.is_some_and(|lane| lane.highest() - lane.floor > room)
    }

    /// Some of the lane's seqs, holes above all.
    fn some_known(&self, outbox: OutboxId) -> Vec<u64> {
        let Some(lane) = self.naive.lanes.get(&outbox) else {
            return vec![1];
        };
        let mut seqs = Vec::new();
        for (seq, (_, word)) in (1..).zip(&lane.told) {
            let wanted = if *word == Word::Hole { 70 } else { 5 };
            let is_near = seq + 6 > lane.highest() || self.chance.percent(2);
            if (seq > lane.floor || self.chance.percent(3))
                && is_near
                && self.chance.percent(wanted)
            {
                seqs.push(seq);
            }
        }
        seqs.truncate(5);
        seqs
    }

    /// What the outbox has at a seq; made up when it is asked for first.
    fn row(&mut self, outbox: OutboxId, seq: u64) -> Entry {
        let len = self.rows.get(&outbox).map_or(0, Vec::len) as u64;
        for seq in len + 1..=seq {
            let entry = self.requeued(outbox, seq).unwrap_or_else(|| Entry {
                seq: Seq::new(seq),
                was: None,
                body: EntryBody::Op(self.op(outbox)),
                origin: self.chance.percent(30).then(origin),
            });
            self.rows.entry(outbox).or_default().push(entry);
        }
        self.rows[&outbox][usize::try_from(seq).unwrap() - 1].clone()
    }

    /// A recent op of another outbox, under its first identity.
    fn requeued(&self, outbox: OutboxId, seq: u64) -> Option<Entry> {
        if !self.chance.percent(25) {
            return None;
        }
        let from = self.outbox();
        let (row, identity) = self.recent_row(from)?;
        if from == outbox || identity.outbox == outbox {
            return None;
        }
        let was = FirstLane {
            outbox: identity.outbox,
            seq: identity.seq,
        };
        Some(Entry {
            seq: Seq::new(seq),
            was: Some(was),
            body: row.body,
            origin: row.origin,
        })
    }

    fn recent_row(&self, outbox: OutboxId) -> Option<(Entry, share_model::Identity)> {
        let rows = self.rows.get(&outbox)?;
        let recent = rows.len().min(6);
        let row = &rows[rows.len() - 1 - self.chance.index(recent)];
        Some((row.clone(), row.identity(outbox)))
    }

    /// A new op, that may depend on others: recent ones, any, or none that there is.
    fn op(&self, outbox: OutboxId) -> Op {
        let mut depends_on = Vec::new();
        let count = match self.chance.below(60) {
            0 => 3,
            1..=5 => 2,
            6..=20 => 1,
            _ => 0,
        };
        for _ in 0..count {
            let from = if self.chance.percent(50) {
                outbox
            } else {
                self.outbox()
            };
            let Some((_, mut on)) = self.recent_row(from) else {
                continue;
            };
            if self.chance.percent(5) {
                on.fingerprint = share_model::Fingerprint::from_bytes(self.chance.bytes());
            }
            depends_on.push(Dependency {
                outbox: (on.outbox != outbox || self.chance.percent(50)).then_some(on.outbox),
                seq: on.seq,
                fingerprint: on.fingerprint,
            });
        }
        Op {
            id: self.chance.op_id(),
            depends_on,
            mutation: self.chance.mutation(),
        }
    }
}
