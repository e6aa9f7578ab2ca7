//! A share that keeps no records: what is measured is the state alone.

use std::collections::BTreeMap;

use share_engine::{
    AppendRequest, Appender, Authority, Change, ClaimRequest, Context, CreateShare, LogAnswers,
    Record, Recorded, ShareState,
};
use share_model::{
    Ack, Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Fingerprint, GrantId, HistoryId,
    Incarnation, Limits, Mutation, Nonce, Op, OpId, Origin, OriginKind, OutboxId, Refusal,
    RequestId, SecretHash, Seq, ShareId, UnixMs, WriterId,
};

pub(crate) const CONTEXT: Context = Context {
    now: UnixMs::new(1000),
    history: HistoryId::from_bytes([9; 16]),
};

pub(crate) struct Share {
    pub(crate) state: ShareState,
    pub(crate) owner: Authority,
    /// Ops that records say were applied.
    pub(crate) applied: u64,
    pub(crate) abandoned: u64,
    /// Re-queued identities that were applied.
    pub(crate) remembered: u32,
    /// The log, of the first ops only: enough for the lookups here.
    log: BTreeMap<(WriterId, Seq), (Fingerprint, Cursor)>,
}

pub(crate) fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "bounds".into(), 1024).unwrap()
}

pub(crate) fn outbox(n: u64) -> OutboxId {
    OutboxId::from_bytes((u128::from(n) << 64 | 1).to_be_bytes())
}

/// The op of an outbox at a seq.
pub(crate) fn op(outbox: u64, seq: u64) -> Op {
    let id = u128::from(outbox) << 64 | u128::from(seq);
    Op {
        id: OpId::from_bytes(id.to_be_bytes()),
        depends_on: Vec::new(),
        mutation: Mutation::Put {
            key: "k".into(),
            json: "1".into(),
        },
    }
}

pub(crate) fn entry(seq: u64, body: EntryBody) -> Entry {
    Entry {
        seq: Seq::new(seq),
        was: None,
        body,
        origin: None,
    }
}

pub(crate) fn batch(entries: Vec<Entry>) -> Batch {
    Batch {
        id: BatchId::from_bytes([7; 16]),
        atomic: false,
        expected_cursor: None,
        entries,
    }
}

impl Share {
    pub(crate) fn new(limits: Limits) -> Self {
        let (owner_grant, owner_secret_hash) = (
            GrantId::from_bytes([1; 16]),
            SecretHash::from_bytes([1; 32]),
        );
        let command = CreateShare {
            share: ShareId::from_bytes([1; 16]),
            factory: GrantId::from_bytes([200; 16]),
            request: RequestId::from_bytes([1; 16]),
            owner_grant,
            owner_secret_hash,
            title: String::new(),
            origin: origin(),
        };
        let (state, _) = ShareState::create(command, limits, CONTEXT.now).unwrap();
        Self {
            owner: state
                .redeem(owner_grant, &owner_secret_hash, None, CONTEXT.now)
                .unwrap(),
            state,
            applied: 0,
            abandoned: 0,
            remembered: 0,
            log: BTreeMap::new(),
        }
    }

    /// Writers, and how many of them are retired.
    pub(crate) fn writers(&self) -> (u64, u64) {
        let retired = self.state.writers().filter(|writer| writer.retired).count();
        (self.state.writers().count() as u64, retired as u64)
    }

    pub(crate) fn claim(&mut self, by: &Authority, outbox: OutboxId) -> Result<Appender, Refusal> {
        // Higher than the share's own is let in: no need to remember it.
        let request = ClaimRequest {
            outbox,
            incarnation: Incarnation::new(self.state.version().get()),
            nonce: Nonce::from_bytes([1; 16]),
            history: None,
        };
        let (answer, _) = self.state.claim(&CONTEXT, by, request)?;
        Ok(answer.appender)
    }

    pub(crate) fn send(
        &mut self,
        by: &Authority,
        appender: &mut Appender,
        (settled, batch): (u64, &Batch),
    ) -> Result<Ack, Refusal> {
        let mut log = LogAnswers::new();
        for (writer, seq) in self.state.lookups(appender, batch) {
            log.insert(writer, seq, self.log.get(&(writer, seq)).copied());
        }
        let envelope = Envelope {
            capability_epoch: by.epoch(),
            settled_through: Seq::new(settled),
        };
        let request = AppendRequest {
            envelope: &envelope,
            batch: &batch.clone().into(),
            log: &log,
        };
        let outcome = self.state.append(&CONTEXT, by, appender, request);
        if let Some(record) = outcome.record {
            self.count(&record);
        }
        outcome.result
    }

    fn count(&mut self, record: &Record) {
        let Change::Appended(appended) = &record.change else {
            return;
        };
        for entry in &appended.entries {
            match entry.outcome {
                Recorded::Applied(_) => {
                    self.applied += 1;
                    self.remembered += u32::from(entry.was.is_some());
                    if entry.seq.get() == 1 && appended.writer.get() == 1 {
                        let place = (appended.writer, entry.seq);
                        let cursor = Cursor::new(self.applied);
                        self.log.insert(place, (entry.fingerprint, cursor));
                    }
                }
                Recorded::Abandoned => self.abandoned += 1,
                _ => {}
            }
        }
    }
}
