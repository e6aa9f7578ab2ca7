//! A share, its oracle, and everything that is compared between the two.

use std::collections::BTreeMap;

use share_engine::{
    AppendRequest, Appender, Authority, Change, ClaimRequest, Context, CreateShare, LogAnswers,
    PreparedBatch, Record, ShareState,
};
use share_model::{
    Batch, Cursor, Entry, EntryBody, Envelope, Epoch, Fingerprint, GrantId, HistoryId, Identity,
    Incarnation, Limits, Nonce, OpOutcome, Origin, OriginKind, OutboxId, RequestId, Rights,
    SecretHash, Seq, ShareId, UnixMs, WriterId,
};

use super::chance::Chance;
use super::coverage::Coverage;
use super::naive::{Caller, Naive, NaiveAppender};

/// A capability: to the engine, and to the oracle.
#[derive(Debug, Clone)]
pub(crate) struct Cap {
    pub(crate) authority: Authority,
    pub(crate) caller: Caller,
}

/// An appender, likewise; old ones are kept and used again.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) appender: Appender,
    pub(crate) naive: NaiveAppender,
}

#[derive(Debug)]
pub(crate) struct World {
    pub(crate) chance: Chance,
    pub(crate) state: ShareState,
    /// Follows `state` by records only.
    replica: ShareState,
    records: Vec<Record>,
    pub(crate) naive: Naive,
    pub(crate) coverage: Coverage,
    pub(crate) context: Context,
    pub(crate) owner: Cap,
    pub(crate) caps: Vec<Cap>,
    pub(crate) lanes: Vec<Lane>,
    /// What each outbox sends at its seqs 1 and on.
    pub(crate) rows: BTreeMap<OutboxId, Vec<Entry>>,
    /// Every batch that was ever sent.
    pub(crate) sent: Vec<(OutboxId, Batch)>,
    pub(crate) nonces: BTreeMap<OutboxId, Nonce>,
    /// The log, as a store keeps it.
    log: BTreeMap<(WriterId, Seq), (Fingerprint, Cursor)>,
    identities: BTreeMap<Identity, Cursor>,
}

pub(crate) fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "oracle".into(), 100).unwrap()
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let chance = Chance::new(seed);
        let limits = chance.limits();
        let (grant, secret) = (
            GrantId::from_bytes([1; 16]),
            SecretHash::from_bytes([1; 32]),
        );
        let now = UnixMs::new(1000);
        let command = CreateShare {
            share: ShareId::from_bytes([1; 16]),
            factory: GrantId::from_bytes([2; 16]),
            request: RequestId::from_bytes([3; 16]),
            owner_grant: grant,
            owner_secret_hash: secret,
            title: String::new(),
            origin: origin(),
        };
        let (state, record) = ShareState::create(command, limits, now).unwrap();
        let history = HistoryId::from_bytes([1; 16]);
        let owner = Cap {
            authority: state.redeem(grant, &secret, None, now).unwrap(),
            caller: Caller {
                epoch: 1,
                rights: Rights::ALL,
                expires_at: None,
                subtree: None,
            },
        };
        Self {
            chance,
            replica: ShareState::begin(&record, limits).unwrap(),
            state,
            records: vec![record],
            naive: Naive::new(limits, history, now),
            coverage: Coverage::default(),
            context: Context { now, history },
            caps: vec![owner.clone()],
            owner,
            lanes: Vec::new(),
            rows: BTreeMap::new(),
            sent: Vec::new(),
            nonces: BTreeMap::new(),
            log: BTreeMap::new(),
            identities: BTreeMap::new(),
        }
    }

    /// Takes a record in, and compares all that can be compared.
    pub(crate) fn commit(&mut self, record: Option<Record>) {
        if let Some(record) = record {
            let record = Record::decode(&record.encode()).unwrap();
            self.replica.apply(&record).unwrap();
            self.index(&record);
            self.records.push(record);
        }
        assert_eq!(self.replica, self.state, "records do not give the state");
        assert_eq!(self.state.cursor().get(), self.naive.log.len() as u64);
        assert_eq!(self.state.epoch().get(), self.naive.epoch);
        let of_engine = self.state.document().iter();
        let of_engine = of_engine.map(|(key, value)| (key, value.value(), value.bytes()));
        assert!(
            of_engine.eq(self.naive.document.values()),
            "{:?} is not {:?}",
            self.state.document(),
            self.naive.document
        );
        let mut writers: Vec<_> = self
            .state
            .writers()
            .map(|it| (it.number.get(), it.highest.get(), it.retired))
            .collect();
        writers.sort_unstable();
        let lanes = self.naive.lanes.values();
        let mut expected: Vec<_> = lanes
            .filter_map(|lane| Some((lane.number?, lane.highest(), !lane.open)))
            .collect();
        expected.sort_unstable();
        assert_eq!(writers, expected);
        self.check_bounds();
    }

    /// Each op enters the log once, under the identity of its first lane.
    fn index(&mut self, record: &Record) {
        let Change::Appended(appended) = &record.change else {
            return;
        };
        let mut cursor = appended.cursor_before;
        for entry in &appended.entries {
            if entry.outcome.applied().is_none() {
                continue;
            }
            cursor = cursor.next();
            let place = (appended.writer, entry.seq);
            let twice = self.log.insert(place, (entry.fingerprint, cursor));
            assert_eq!(twice, None, "{place:?} is in the log twice");
            let identity = Identity {
                outbox: entry.was.map_or(appended.outbox, |was| was.outbox),
                seq: entry.was.map_or(entry.seq, |was| was.seq),
                fingerprint: entry.fingerprint,
            };
            let twice = self.identities.insert(identity, cursor);
            assert_eq!(twice, None, "{identity:?} was applied twice");
        }
    }

    fn check_bounds(&self) {
        let limits = &self.naive.limits;
        let open = self.naive.lanes.values().filter(|lane| lane.open).count();
        assert!(open <= limits.open_writers_max as usize);
        // A generous sum over the bounds of the ledger: 64 bytes for each thing that it may keep.
        let lanes = u64::from(limits.open_writers_max + limits.retired_writers_max);
        let of_lane = u64::from(limits.window + limits.abandoned_max) + 4;
        let things = lanes * of_lane + u64::from(limits.remembered_max) + 100;
        assert!((self.state.checkpoint().len() as u64) < things * 64);
    }

    pub(crate) fn send(&mut self, cap: &Cap, at: usize, settled: u64, batch: &Batch) {
        let lane = &mut self.lanes[at];
        let asked = self.state.lookups(&lane.appender, batch);
        let mut log = LogAnswers::new();
        for (writer, seq) in asked {
            self.coverage.saw("log asked");
            log.insert(writer, seq, self.log.get(&(writer, seq)).copied());
        }
        let envelope = Envelope {
            capability_epoch: Epoch::new(cap.caller.epoch),
            settled_through: Seq::new(settled),
        };
        let had_ended = lane.naive.ended.is_some();
        let before = self.naive.clone();
        let expected = self
            .naive
            .append(&cap.caller, &mut lane.naive, &envelope, batch);
        let prepared = PreparedBatch::new(batch.clone(), lane.appender.outbox());
        let request = AppendRequest {
            envelope: &envelope,
            batch: &prepared,
            log: &log,
        };
        let outcome = self
            .state
            .append(&self.context, &cap.authority, &mut lane.appender, request);
        let outbox = lane.naive.outbox;
        let ack = outcome.result.as_ref().map(|ack| {
            assert_eq!(ack.epoch.get(), self.naive.epoch);
            assert_eq!(ack.cursor.get(), self.naive.log.len() as u64);
            &ack.outcomes
        });
        let got = ack.map_err(|refusal| refusal.code);
        assert_eq!(
            got,
            expected.as_ref().map_err(|code| *code),
            "{envelope:?} {batch:?}"
        );
        match &expected {
            Ok(outcomes) => self.saw_ack(outbox, batch, outcomes, &before),
            Err(_) if had_ended => self
                .coverage
                .saw("batch refused by an appender that had ended"),
            Err(code) => {
                self.coverage.saw(format!("batch refused: {}", code.name()));
                if outcome.record.is_some() {
                    self.coverage.saw("batch refused that moved the floor");
                }
            }
        }
        if expected.is_ok() && outcome.record.is_none() {
            self.coverage.saw("batch that changed nothing");
        }
        let logged = outcome.record.as_ref().map(Record::logged);
        for op in logged.unwrap_or_default() {
            let entry = batch.entries.iter().find(|entry| entry.seq == op.seq);
            assert_eq!(
                entry.map(|it| &it.origin),
                Some(&op.origin),
                "whose op it is"
            );
        }
        self.commit(outcome.record);
    }

    fn saw_ack(&mut self, outbox: OutboxId, batch: &Batch, outcomes: &[OpOutcome], before: &Naive) {
        let coverage = &mut self.coverage;
        let is_applied = |it: &OpOutcome| matches!(it, OpOutcome::Applied(_));
        let is_duplicate = |it: &OpOutcome| matches!(it, OpOutcome::Duplicate(_));
        if batch.entries.len() > 1 && outcomes.iter().all(is_duplicate) {
            coverage.saw("batch repeated, all duplicates");
        }
        if batch.atomic && batch.entries.len() > 1 && outcomes.iter().all(is_applied) {
            coverage.saw("batch of an atomic group applied");
        }
        let highest = before.lanes[&outbox].highest();
        for (entry, outcome) in batch.entries.iter().zip(outcomes) {
            coverage.saw_outcome(outcome);
            let EntryBody::Op(op) = &entry.body else {
                continue;
            };
            let first = entry.identity(outbox);
            match (outcome, entry.was) {
                (OpOutcome::Applied(_), None) if entry.seq.get() <= highest => {
                    coverage.saw("batch that filled a hole");
                }
                (OpOutcome::Applied(_), Some(_)) => coverage.saw("requeued op applied"),
                (OpOutcome::Duplicate(_), Some(_)) => coverage.saw("requeued op duplicate"),
                (OpOutcome::Duplicate(_), None) => {
                    let line = before.log.iter().find(|line| line.identity == first);
                    if line.is_some_and(|line| line.lane != outbox) {
                        coverage.saw("requeued op duplicate in its first lane");
                    }
                }
                _ => {}
            }
            let others = |on: &share_model::Dependency| on.outbox.is_some_and(|it| it != outbox);
            if is_applied(outcome) && op.depends_on.iter().any(others) {
                coverage.saw("dependency on another lane applied");
            }
        }
    }

    pub(crate) fn claim(&mut self, cap: &Cap, request: ClaimRequest) {
        let before = self.naive.clone();
        let expected = self.naive.claim(
            &cap.caller,
            request.outbox,
            request.incarnation,
            (request.nonce, request.history),
        );
        let got = self
            .state
            .claim(&self.context, &cap.authority, request.clone());
        match (got, expected) {
            (Ok((answer, record)), Ok(expected)) => {
                let told = (
                    answer.incarnation,
                    answer.floor.get(),
                    answer.highest.get(),
                    answer.chain,
                    answer.writer.map(WriterId::get),
                );
                assert_eq!(told, expected);
                self.nonces.insert(request.outbox, request.nonce);
                self.lanes.push(Lane {
                    naive: NaiveAppender {
                        outbox: request.outbox,
                        incarnation: answer.incarnation,
                        nonce: request.nonce,
                        history: self.context.history,
                        ended: None,
                    },
                    appender: answer.appender,
                });
                self.saw_claim(&before, request.outbox);
                self.commit(Some(record));
            }
            (Err(refusal), Err(code)) => {
                assert_eq!(refusal.code, code);
                self.coverage.saw(format!("claim refused: {}", code.name()));
                self.commit(None);
            }
            (got, expected) => panic!("{request:?}: {got:?}, expected {expected:?}"),
        }
    }

    fn saw_claim(&mut self, before: &Naive, outbox: OutboxId) {
        let coverage = &mut self.coverage;
        match before.lanes.get(&outbox) {
            None => coverage.saw("claim of a new lane"),
            Some(lane) if lane.open => coverage.saw("claim again"),
            Some(_) => coverage.saw("claim that opened a retired writer"),
        }
        for (id, lane) in &before.lanes {
            match self.naive.lanes.get(id) {
                None => coverage.saw("claim that let go of a lane without appends"),
                Some(now) if lane.open && !now.open => {
                    coverage.saw("claim that retired a writer");
                }
                Some(_) => {}
            }
        }
    }

    /// Goes on from a checkpoint, as after a restart.
    pub(crate) fn restart(&mut self) {
        let (head, document) = (self.state.checkpoint(), self.state.document().clone());
        let loaded = ShareState::from_checkpoint(&head, document, self.limits()).unwrap();
        assert_eq!(loaded, self.state, "the checkpoint is not the whole state");
        self.state = loaded;
        self.coverage.saw("checkpoint loaded");
    }

    pub(crate) fn limits(&self) -> Limits {
        self.naive.limits
    }

    /// The incarnation that the lane's holder knows.
    pub(crate) fn incarnation(&self, outbox: OutboxId) -> Incarnation {
        let lane = self.naive.lanes.get(&outbox);
        lane.map_or(Incarnation::ZERO, |lane| lane.incarnation)
    }

    /// What is checked over a whole run.
    pub(crate) fn finish(self) -> Coverage {
        let mut replayed = ShareState::begin(&self.records[0], self.limits()).unwrap();
        for record in &self.records[1..] {
            replayed.apply(record).unwrap();
        }
        assert_eq!(replayed, self.state, "replay from empty is not the state");
        let mut last: BTreeMap<OutboxId, u64> = BTreeMap::new();
        for line in self.naive.log.iter().filter(|line| line.first_try) {
            let before = last.insert(line.lane, line.seq).unwrap_or(0);
            assert!(
                before < line.seq,
                "a lane's ops entered the log out of order"
            );
        }
        self.coverage
    }
}
