//! The server of the check: the real engine, its log and its records.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use ring::digest::{SHA256, digest};
use share_engine::{
    AppendRequest, Appender, Authority, BumpEpoch, Change, ClaimAnswer, ClaimRequest, Context,
    CreateShare, LogAnswers, Record, Recorded, ShareState,
};
use share_model::{
    Ack, Batch, Cursor, Envelope, Fingerprint, GrantId, HistoryId, Limits, Origin, OriginKind,
    OutboxId, Refusal, RequestId, SecretHash, Seq, ShareId, UnixMs, WriterId,
};

/// An applied op, in the order of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) writer: WriterId,
    pub(crate) seq: Seq,
    pub(crate) fingerprint: Fingerprint,
}

/// A share on a server, as it is on disk.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    pub(crate) state: Rc<ShareState>,
    pub(crate) log: Rc<Vec<Line>>,
    records: Rc<Vec<Rc<Record>>>,
    /// What each lane holds, oldest first: from the records.
    pub(crate) lanes: Rc<BTreeMap<OutboxId, Vec<Fingerprint>>>,
    pub(crate) history: u8,
    /// Stands for `state` in hashes.
    pub(crate) digest: [u8; 16],
}

/// A recorded entry, as the properties look at it.
pub(crate) struct News {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) is_applied: bool,
    pub(crate) is_abandoned: bool,
    pub(crate) lane: OutboxId,
}

fn origin() -> Origin {
    Origin::new(OriginKind::Agent, "model".into(), 1024).unwrap()
}

fn owner(n: usize) -> (GrantId, SecretHash) {
    let n = u8::try_from(n).unwrap();
    (
        GrantId::from_bytes([n + 1; 16]),
        SecretHash::from_bytes([n + 1; 32]),
    )
}

const NOW: UnixMs = UnixMs::new(1000);

impl Server {
    pub(crate) fn new(limits: Limits) -> Self {
        let (owner_grant, owner_secret_hash) = owner(0);
        let command = CreateShare {
            share: ShareId::from_bytes([1; 16]),
            factory: GrantId::from_bytes([200; 16]),
            request: RequestId::from_bytes([1; 16]),
            owner_grant,
            owner_secret_hash,
            title: String::new(),
            origin: origin(),
        };
        let (state, record) = ShareState::create(command, limits, NOW).unwrap();
        let mut server = Self {
            state: Rc::new(state),
            log: Rc::default(),
            records: Rc::new(vec![Rc::new(record)]),
            lanes: Rc::default(),
            history: 1,
            digest: [0; 16],
        };
        server.set_digest();
        server
    }

    fn context(&self) -> Context {
        Context {
            now: NOW,
            history: HistoryId::from_bytes([self.history; 16]),
        }
    }

    fn set_digest(&mut self) {
        let state = ranked(&format!("{:?}", self.state), "ShareVersion(");
        let hash = digest(&SHA256, state.as_bytes());
        self.digest.copy_from_slice(&hash.as_ref()[..16]);
    }

    /// How often the epoch was bumped.
    pub(crate) fn bumps(&self) -> usize {
        usize::try_from(self.state.epoch().get()).unwrap() - 1
    }

    pub(crate) fn redeem(&self, reference: usize) -> Result<Authority, Refusal> {
        let (grant, secret) = owner(reference);
        self.state.redeem(grant, &secret, None, NOW)
    }

    pub(crate) fn bump(&mut self) {
        let bumps = self.bumps();
        let by = self.redeem(bumps).unwrap();
        let (owner_grant, owner_secret_hash) = owner(bumps + 1);
        let request = BumpEpoch {
            request: RequestId::from_bytes([u8::try_from(bumps).unwrap() + 2; 16]),
            owner_grant,
            owner_secret_hash,
            origin: origin(),
        };
        let context = self.context();
        let state = Rc::make_mut(&mut self.state);
        let (_, record) = state.bump_epoch(&context, &by, request).unwrap();
        self.commit(record.unwrap());
    }

    pub(crate) fn claim(
        &mut self,
        by: &Authority,
        request: ClaimRequest,
    ) -> Result<ClaimAnswer, Refusal> {
        let context = self.context();
        let (answer, record) = Rc::make_mut(&mut self.state).claim(&context, by, request)?;
        self.commit(record);
        Ok(answer)
    }

    pub(crate) fn append(
        &mut self,
        by: &Authority,
        appender: &mut Appender,
        (settled, batch): (u64, &Batch),
    ) -> (Result<Ack, Refusal>, Vec<News>) {
        let mut log = LogAnswers::new();
        for (writer, seq) in self.state.lookups(appender, batch) {
            log.insert(writer, seq, self.find(writer, seq));
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
        let context = self.context();
        let state = Rc::make_mut(&mut self.state);
        let outcome = state.append(&context, by, appender, request);
        let news = match outcome.record {
            Some(record) => self.commit(record),
            None => Vec::new(),
        };
        (outcome.result, news)
    }

    fn find(&self, writer: WriterId, seq: Seq) -> Option<(Fingerprint, Cursor)> {
        let is_it = |line: &Line| line.writer == writer && line.seq == seq;
        let at = self.log.iter().position(is_it)?;
        Some((self.log[at].fingerprint, Cursor::new(at as u64 + 1)))
    }

    fn commit(&mut self, record: Record) -> Vec<News> {
        let mut news = Vec::new();
        if let Change::Appended(appended) = &record.change {
            for entry in &appended.entries {
                let is_applied = matches!(entry.outcome, Recorded::Applied(_));
                let fingerprint = entry.fingerprint;
                if is_applied {
                    Rc::make_mut(&mut self.log).push(Line {
                        writer: appended.writer,
                        seq: entry.seq,
                        fingerprint,
                    });
                }
                let lanes = Rc::make_mut(&mut self.lanes);
                let lane = lanes.entry(appended.outbox).or_default();
                if entry.seq.get() > lane.len() as u64 {
                    lane.push(fingerprint);
                }
                news.push(News {
                    fingerprint,
                    is_applied,
                    is_abandoned: entry.outcome == Recorded::Abandoned,
                    lane: appended.outbox,
                });
            }
        }
        Rc::make_mut(&mut self.records).push(Rc::new(record));
        self.set_digest();
        news
    }

    /// What a server is after a crash: a replay of its records. Whether a checkpoint would give the
    /// same.
    pub(crate) fn restart(&mut self) -> bool {
        let limits = *self.state.limits();
        let mut state = ShareState::begin(&self.records[0], limits).unwrap();
        for record in &self.records[1..] {
            state.apply(record).unwrap();
        }
        let (head, document) = (self.state.checkpoint(), self.state.document().clone());
        let loaded = ShareState::from_checkpoint(&head, document, limits).unwrap();
        let is_same = loaded == state;
        self.state = Rc::new(state);
        self.set_digest();
        is_same
    }

    /// Whether an op is in the log.
    pub(crate) fn has(&self, fingerprint: Fingerprint) -> bool {
        self.position(fingerprint).is_some()
    }

    /// Where an op first stands in the log.
    pub(crate) fn position(&self, fingerprint: Fingerprint) -> Option<usize> {
        let mut lines = self.log.iter();
        lines.position(|line| line.fingerprint == fingerprint)
    }
}

/// The text of a state with each version in it replaced by its rank among them: the engine compares
/// versions, and how many commits there were is of no matter else.
fn ranked(text: &str, before: &str) -> String {
    let mut parts = text.split(before);
    let head = parts.next().unwrap_or_default();
    let numbered = parts.filter_map(|part| {
        let (number, rest) = part.split_once(')')?;
        Some((number.parse::<u64>().ok()?, rest))
    });
    let numbered: Vec<_> = numbered.collect();
    let numbers: BTreeSet<u64> = numbered.iter().map(|(number, _)| *number).collect();
    let mut ranked = head.to_owned();
    for (number, rest) in numbered {
        let rank = numbers.range(..number).count();
        ranked.push_str(&format!("#{rank}{rest}"));
    }
    ranked
}
