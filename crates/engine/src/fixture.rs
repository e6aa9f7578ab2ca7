//! A share for tests: each command is replayed on the state before it and must give the state
//! after it, and so must the checkpoint.

use std::collections::BTreeMap;

use share_model::{
    Batch, BatchId, Cursor, Dependency, Entry, EntryBody, Envelope, Fingerprint, FirstLane,
    GrantId, HistoryId, Identity, Incarnation, Limits, LoggedOp, Mutation, Nonce, Op, OpId,
    OpOutcome, Origin, OriginKind, OutboxId, Refusal, RequestId, Rights, SecretHash, Seq, ShareId,
    UnixMs, WriterId,
};

use crate::{
    AppendOutcome, AppendRequest, Appender, Authority, Change, ClaimAnswer, ClaimRequest, Context,
    CreateShare, LogAnswers, MintChild, MintKind, PreparedBatch, Record, ShareState,
};

pub(crate) const A: OutboxId = OutboxId::from_bytes([0xa; 16]);
pub(crate) const B: OutboxId = OutboxId::from_bytes([0xb; 16]);

pub(crate) struct Share {
    pub(crate) state: ShareState,
    pub(crate) context: Context,
    pub(crate) owner: Authority,
    pub(crate) log: BTreeMap<(WriterId, Seq), (Fingerprint, Cursor)>,
    /// What readers were told.
    pub(crate) told: Vec<LoggedOp>,
    nonces: u8,
}

pub(crate) fn origin(id: &str) -> Origin {
    Origin::new(OriginKind::Agent, id.into(), 1024).unwrap()
}

pub(crate) fn grant(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}

pub(crate) fn secret(n: u8) -> SecretHash {
    SecretHash::from_bytes([n; 32])
}

pub(crate) fn request(n: u8) -> RequestId {
    RequestId::from_bytes([n; 16])
}

/// A put of its own; ops of different `n` differ.
pub(crate) fn put(n: u8) -> Op {
    let key = format!("k{n}");
    op(
        n,
        vec![],
        Mutation::Put {
            key: key.into(),
            json: "1".into(),
        },
    )
}

/// An append to the text at `k0`, which must be a string.
pub(crate) fn text(n: u8) -> Op {
    let mutation = Mutation::AppendText {
        key: "k0".into(),
        pointer: String::new().into(),
        text: n.to_string().into(),
    };
    op(n, vec![], mutation)
}

pub(crate) fn op(n: u8, depends_on: Vec<Dependency>, mutation: Mutation) -> Op {
    Op {
        id: OpId::from_bytes([n; 16]),
        depends_on,
        mutation,
    }
}

/// The same op with a dependency on another op in its first lane.
pub(crate) fn after(op: Op, on: Identity) -> Op {
    let depends_on = vec![Dependency {
        outbox: Some(on.outbox),
        seq: on.seq,
        fingerprint: on.fingerprint,
    }];
    Op { depends_on, ..op }
}

pub(crate) fn identity(outbox: OutboxId, seq: u64, op: &Op) -> Identity {
    Identity {
        outbox,
        seq: Seq::new(seq),
        fingerprint: Fingerprint::of(op, outbox),
    }
}

pub(crate) fn entry(seq: u64, op: Op) -> Entry {
    Entry {
        seq: Seq::new(seq),
        was: None,
        body: EntryBody::Op(op),
        origin: None,
    }
}

pub(crate) fn abandon(seq: u64, fingerprint: Fingerprint) -> Entry {
    Entry {
        seq: Seq::new(seq),
        was: None,
        body: EntryBody::Abandon(fingerprint),
        origin: None,
    }
}

/// The entry of an op that was first enqueued elsewhere.
pub(crate) fn was(entry: Entry, outbox: OutboxId, seq: u64) -> Entry {
    let seq = Seq::new(seq);
    Entry {
        was: Some(FirstLane { outbox, seq }),
        ..entry
    }
}

/// The entry of an op of the agent session `session`.
pub(crate) fn of_session(entry: Entry, session: &str) -> Entry {
    Entry {
        origin: Some(origin(session)),
        ..entry
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

pub(crate) fn atomic(entries: Vec<Entry>, expected: Option<u64>) -> Batch {
    Batch {
        atomic: true,
        expected_cursor: expected.map(Cursor::new),
        ..batch(entries)
    }
}

pub(crate) fn applied(cursor: u64) -> OpOutcome {
    OpOutcome::Applied(Cursor::new(cursor))
}

pub(crate) fn duplicate(cursor: u64) -> OpOutcome {
    OpOutcome::Duplicate(Cursor::new(cursor))
}

impl Share {
    pub(crate) fn new() -> Self {
        Self::with(Limits::DEFAULT)
    }

    /// A share whose owner is grant 1 with secret 1.
    pub(crate) fn with(limits: Limits) -> Self {
        let command = CreateShare {
            share: ShareId::from_bytes([1; 16]),
            factory: grant(200),
            request: request(1),
            owner_grant: grant(1),
            owner_secret_hash: secret(1),
            title: "title".into(),
            origin: origin("owner"),
        };
        let now = UnixMs::new(1000);
        let (state, record) = ShareState::create(command, limits, now).unwrap();
        let begun = ShareState::begin(&record, limits).unwrap();
        assert_eq!(begun, state, "the first record gives the created share");
        Self {
            owner: state.redeem(grant(1), &secret(1), None, now).unwrap(),
            state,
            context: Context {
                now,
                history: HistoryId::from_bytes([9; 16]),
            },
            log: BTreeMap::new(),
            told: Vec::new(),
            nonces: 0,
        }
    }

    /// Runs a command and checks that its records, if any, are the whole of its effect.
    #[track_caller]
    pub(crate) fn run<T, R: IntoIterator<Item = Record>>(
        &mut self,
        command: impl FnOnce(&mut ShareState, &Context) -> (T, R),
    ) -> T {
        let before = self.state.clone();
        let (answer, records) = command(&mut self.state, &self.context);
        let mut replayed = before;
        for record in records {
            let read = Record::decode(&record.encode()).unwrap();
            assert_eq!(read, record);
            replayed.apply(&read).unwrap();
            self.index(&record);
        }
        assert_eq!(replayed, self.state, "the record is not the whole effect");
        let head = self.state.checkpoint();
        let document = self.state.document().clone();
        let limits = *self.state.limits();
        let loaded = ShareState::from_checkpoint(&head, document, limits).unwrap();
        assert_eq!(loaded, self.state, "the checkpoint is not the whole state");
        answer
    }

    fn index(&mut self, record: &Record) {
        let Change::Appended(appended) = &record.change else {
            return;
        };
        self.told.extend(record.logged());
        let mut cursor = appended.cursor_before;
        for entry in &appended.entries {
            if entry.outcome.applied().is_some() {
                cursor = cursor.next();
                let place = (appended.writer, entry.seq);
                self.log.insert(place, (entry.fingerprint, cursor));
            }
        }
    }

    #[track_caller]
    pub(crate) fn try_claim(
        &mut self,
        by: &Authority,
        claim: ClaimRequest,
    ) -> Result<ClaimAnswer, Refusal> {
        self.run(|state, context| match state.claim(context, by, claim) {
            Ok((answer, record)) => (Ok(answer), Some(record)),
            Err(refusal) => (Err(refusal), None),
        })
    }

    pub(crate) fn nonce(&mut self) -> Nonce {
        self.nonces += 1;
        Nonce::from_bytes([self.nonces; 16])
    }

    /// A claim by who holds the lane, with a new nonce.
    pub(crate) fn request(&mut self, outbox: OutboxId) -> ClaimRequest {
        let lane = self.state.head.ledger.lane(outbox);
        ClaimRequest {
            outbox,
            incarnation: lane.map_or(Incarnation::ZERO, |lane| lane.claim().incarnation),
            nonce: self.nonce(),
            history: None,
        }
    }

    #[track_caller]
    pub(crate) fn claim_by(&mut self, by: &Authority, outbox: OutboxId) -> Appender {
        let request = self.request(outbox);
        self.try_claim(by, request).unwrap().appender
    }

    /// Claims by the owner.
    #[track_caller]
    pub(crate) fn claim(&mut self, outbox: OutboxId) -> Appender {
        self.claim_by(&self.owner.clone(), outbox)
    }

    #[track_caller]
    pub(crate) fn send_by(
        &mut self,
        by: &Authority,
        appender: &mut Appender,
        settled: u64,
        batch: &Batch,
    ) -> Result<Vec<OpOutcome>, Refusal> {
        let mut log = LogAnswers::new();
        for (writer, seq) in self.state.lookups(appender, batch) {
            log.insert(writer, seq, self.log.get(&(writer, seq)).copied());
        }
        let envelope = Envelope {
            capability_epoch: by.epoch(),
            settled_through: Seq::new(settled),
        };
        let prepared = PreparedBatch::new(batch.clone(), appender.outbox());
        self.run(|state, context| {
            let request = AppendRequest {
                envelope: &envelope,
                batch: &prepared,
                log: &log,
            };
            let AppendOutcome { result, record } = state.append(context, by, appender, request);
            (result.map(|ack| ack.outcomes), record)
        })
    }

    /// Sends by the owner.
    #[track_caller]
    pub(crate) fn send(
        &mut self,
        appender: &mut Appender,
        settled: u64,
        entries: Vec<Entry>,
    ) -> Result<Vec<OpOutcome>, Refusal> {
        self.send_by(&self.owner.clone(), appender, settled, &batch(entries))
    }

    #[track_caller]
    pub(crate) fn send_batch(
        &mut self,
        appender: &mut Appender,
        batch: &Batch,
    ) -> Result<Vec<OpOutcome>, Refusal> {
        self.send_by(&self.owner.clone(), appender, 0, batch)
    }

    /// A child grant `n` with secret `n`, of the owner's or of `parent`.
    #[track_caller]
    pub(crate) fn mint(&mut self, parent: &Authority, n: u8, rights: Rights) -> Authority {
        let child = MintChild {
            kind: MintKind::Attenuated,
            grant: grant(n),
            secret_hash: secret(n),
            rights,
            expires_at: None,
            label: String::new(),
            sealed_for: None,
            origin: origin("child"),
        };
        self.run(|state, context| state.mint_child(context, parent, child).unwrap());
        self.redeem(n).unwrap()
    }

    /// Redeems grant `n` with secret `n`.
    pub(crate) fn redeem(&self, n: u8) -> Result<Authority, Refusal> {
        let now = self.context.now;
        self.state.redeem(grant(n), &secret(n), None, now)
    }

    /// The document as text: key=value for each key.
    pub(crate) fn document(&self) -> String {
        let entries = self.state.document().iter();
        let texts: Vec<_> = entries
            .map(|(key, value)| format!("{key}={}", value.value()))
            .collect();
        texts.join(" ")
    }
}
