//! A small server in memory: an honest ledger, and a script of what goes wrong with it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::rc::Rc;

use async_trait::async_trait;
use futures_util::FutureExt;
use share_client::{Answer, ClientError, LaneAppender, LaneRequest, Link, LinkedLane};
use share_model::{
    Ack, Batch, Chain, Claimed, Cursor, EntryBody, Envelope, Epoch, Fingerprint, GrantId,
    HistoryId, Identity, Incarnation, Limits, Nonce, OpId, OpOutcome, Origin, OriginKind, OutboxId,
    Redeemed, Refusal, RefusalCode, RefusalDetail, RejectReason, Rights, Seq, UnixMs,
};

/// What is asked of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Connect,
    Redeem,
    Claim,
    Append,
}

/// What goes wrong with a call.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    None,
    /// The connection is lost before the server sees the call.
    LostRequest,
    /// The server does what is asked; then the connection is lost.
    LostReply,
    /// The server does what is asked and never answers.
    Silence,
    /// The server answers this instead.
    Answer(ClientError),
}

#[derive(Default)]
pub(crate) struct Lane {
    pub(crate) incarnation: Incarnation,
    nonce: Option<Nonce>,
    pub(crate) floor: Seq,
    pub(crate) highest: Seq,
    pub(crate) chain: Option<Chain>,
    pub(crate) recorded: BTreeMap<Seq, (Fingerprint, OpOutcome)>,
}

/// A batch as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arrived {
    pub(crate) connection: usize,
    pub(crate) outbox: OutboxId,
    pub(crate) batch: Batch,
    pub(crate) envelope: Envelope,
}

pub(crate) struct Server {
    pub(crate) history: HistoryId,
    pub(crate) limits: Limits,
    pub(crate) epoch: Epoch,
    pub(crate) lanes: HashMap<OutboxId, Lane>,
    /// Ids of applied ops, in the order of the log.
    pub(crate) log: Vec<OpId>,
    pub(crate) applied: HashMap<Identity, Cursor>,
    pub(crate) abandoned: HashSet<Identity>,
    /// Rejections that an op gets, one per try, before it is looked at.
    pub(crate) rejections: HashMap<OpId, VecDeque<RejectReason>>,
    /// Ops of which the server can't tell.
    pub(crate) in_doubt: HashSet<OpId>,
    /// Ops that make their batch refused, with this.
    pub(crate) poison: HashMap<OpId, Refusal>,
    pub(crate) script: HashMap<Call, VecDeque<Fault>>,
    pub(crate) arrived: Vec<Arrived>,
    pub(crate) nonces: Vec<Nonce>,
    /// Of every claim that was sent, also of those that did not arrive.
    pub(crate) sent_nonces: Vec<Nonce>,
    pub(crate) secrets: Vec<[u8; 32]>,
    pub(crate) connections: usize,
    /// How many polls an answer takes; more than one gives a client more places to die at.
    pub(crate) delay: usize,
    /// Answers to claims wait while this is set.
    pub(crate) hold_claims: bool,
    /// So many acks tell the outcome of one entry too few.
    pub(crate) short_acks: usize,
}

impl Server {
    pub(crate) fn new() -> Rc<RefCell<Self>> {
        Rc::new(RefCell::new(Self {
            history: HistoryId::from_bytes([1; 16]),
            limits: Limits::DEFAULT,
            epoch: Epoch::new(1),
            lanes: HashMap::new(),
            log: Vec::new(),
            applied: HashMap::new(),
            abandoned: HashSet::new(),
            rejections: HashMap::new(),
            in_doubt: HashSet::new(),
            poison: HashMap::new(),
            script: HashMap::new(),
            arrived: Vec::new(),
            nonces: Vec::new(),
            sent_nonces: Vec::new(),
            secrets: Vec::new(),
            connections: 0,
            delay: 1,
            hold_claims: false,
            short_acks: 0,
        }))
    }

    pub(crate) fn script(&mut self, call: Call, faults: impl IntoIterator<Item = Fault>) {
        self.script.entry(call).or_default().extend(faults);
    }

    pub(crate) fn lane(&self) -> &Lane {
        assert_eq!(self.lanes.len(), 1, "one lane was expected");
        self.lanes.values().next().unwrap()
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.arrived
            .iter()
            .map(|arrived| arrived.batch.clone())
            .collect()
    }

    /// The op comes in at `seq` by another way than this connection: late, from an old one.
    pub(crate) fn apply_as_if_sent_before(&mut self, op: OpId, seq: Seq) {
        let (outbox, lane) = self.lanes.iter().next().unwrap();
        let (fingerprint, _) = lane.recorded[&seq];
        self.log.push(op);
        let cursor = Cursor::new(self.log.len() as u64);
        self.applied.insert(
            Identity {
                outbox: *outbox,
                seq,
                fingerprint,
            },
            cursor,
        );
    }

    /// Another holder of the same outbox claims its lane.
    pub(crate) fn claim_as_a_copy(&mut self) {
        let lane = self.lanes.values_mut().next().unwrap();
        lane.incarnation = lane.incarnation.next();
        lane.nonce = None;
    }

    /// A restore of what it had after `ops` ops of its only lane, in which none was settled.
    pub(crate) fn go_back(&mut self, ops: &[(OpId, Fingerprint)], history: HistoryId) {
        let lane = self.lanes.values_mut().next().unwrap();
        let chain = ops.iter().fold(Chain::EMPTY, |chain, (_, fingerprint)| {
            chain.then(*fingerprint)
        });
        lane.highest = Seq::new(ops.len() as u64);
        lane.floor = Seq::ZERO;
        lane.chain = Some(chain);
        let kept = lane.highest;
        lane.recorded.retain(|seq, _| *seq <= kept);
        self.log = ops.iter().map(|(id, _)| *id).collect();
        self.applied.retain(|identity, _| identity.seq <= kept);
        self.abandoned.retain(|identity| identity.seq <= kept);
        self.history = history;
    }

    /// A copy of the outbox that kept incarnation and all appends an op of its own.
    pub(crate) fn go_on_as_a_copy(&mut self, fingerprint: Fingerprint) {
        let lane = self.lanes.values_mut().next().unwrap();
        lane.highest = lane.highest.next();
        lane.chain = Some(lane.chain.unwrap_or(Chain::EMPTY).then(fingerprint));
        let outcome = OpOutcome::Applied(Cursor::new(1));
        lane.recorded.insert(lane.highest, (fingerprint, outcome));
    }

    /// A copy of the outbox sends an op that this one holds as well.
    pub(crate) fn apply_as_a_copy(&mut self, op: OpId, identity: Identity) {
        self.log.push(op);
        let cursor = Cursor::new(self.log.len() as u64);
        self.applied.insert(identity, cursor);
    }

    fn fault(&mut self, call: Call) -> Fault {
        let next = self.script.get_mut(&call).and_then(VecDeque::pop_front);
        next.unwrap_or(Fault::None)
    }

    fn redeem(&self) -> Redeemed {
        Redeemed {
            share: share_model::ShareId::from_bytes([9; 16]),
            cursor: Cursor::new(self.log.len() as u64),
            epoch: self.epoch,
            history: self.history,
            rights: Rights::ALL,
            limits: self.limits,
            title: String::new(),
            created_at: UnixMs::new(1),
            origin: Origin::new(OriginKind::User, "t".into(), 8).unwrap(),
            server: "double".into(),
            protocol_version: 1,
            grant: GrantId::from_bytes([2; 16]),
            expires_at: None,
            label: String::new(),
            owner: true,
            frozen: false,
        }
    }

    fn claim(&mut self, request: &LaneRequest) -> Result<Claimed, Refusal> {
        self.nonces.push(request.nonce);
        if request
            .history
            .is_some_and(|history| history != self.history)
        {
            let lane = self.lanes.get(&request.key.outbox_id());
            let detail = RefusalDetail::History {
                history: self.history,
                floor: lane.map_or(Seq::ZERO, |lane| lane.floor),
                highest: lane.map_or(Seq::ZERO, |lane| lane.highest),
                chain: lane.and_then(|lane| lane.chain).unwrap_or(Chain::EMPTY),
            };
            let refusal = Refusal::new(RefusalCode::HistoryChanged, "another history");
            return Err(refusal.with_detail(detail));
        }
        let history = self.history;
        let lane = self.lanes.entry(request.key.outbox_id()).or_default();
        if lane.nonce != Some(request.nonce) {
            if request.incarnation < lane.incarnation {
                return Err(Refusal::new(
                    RefusalCode::WriterFenced,
                    "claimed by another",
                ));
            }
            lane.incarnation = request.incarnation.next();
            lane.nonce = Some(request.nonce);
        }
        Ok(Claimed {
            incarnation: lane.incarnation,
            history,
            writer: None,
            floor: lane.floor,
            highest: lane.highest,
            chain: lane.chain.unwrap_or(Chain::EMPTY),
        })
    }

    fn append(
        &mut self,
        (outbox, incarnation): (OutboxId, Incarnation),
        batch: &Batch,
        envelope: Envelope,
    ) -> Result<Ack, Refusal> {
        let window = self.limits.window;
        let lane = self.lanes.get_mut(&outbox).unwrap();
        if lane.incarnation != incarnation {
            return Err(Refusal::new(RefusalCode::WriterFenced, "fenced"));
        }
        if envelope.settled_through > lane.highest {
            return Err(Refusal::new(
                RefusalCode::HistoryChanged,
                "settled what was never seen",
            ));
        }
        lane.floor = lane.floor.max(envelope.settled_through);
        let floor = lane.floor;
        lane.recorded.retain(|seq, _| *seq > floor);
        let Some((first, last)) = batch.entries.first().zip(batch.entries.last()) else {
            return Ok(self.apply(outbox, batch));
        };
        let (first, last) = (first.seq, last.seq);
        if batch.entries.len() > self.limits.batch_ops_max as usize {
            return Err(Refusal::new(RefusalCode::BatchTooLarge, "too many ops"));
        }
        if last.above(floor) > u64::from(window) {
            return Err(Refusal::new(RefusalCode::WindowExceeded, "window"));
        }
        if first > lane.highest.next() {
            return Err(Refusal::new(RefusalCode::OutOfOrder, "gap"));
        }
        for entry in &batch.entries {
            if entry.seq <= lane.floor {
                return Err(Refusal::new(RefusalCode::AlreadySettled, "settled"));
            }
            let known = lane.recorded.get(&entry.seq);
            if known.is_some_and(|(fingerprint, _)| *fingerprint != entry.fingerprint(outbox)) {
                return Err(Refusal::new(RefusalCode::WriterForked, "forked"));
            }
            if let EntryBody::Op(op) = &entry.body
                && let Some(refusal) = self.poison.get(&op.id)
            {
                return Err(refusal.clone());
            }
        }
        Ok(self.apply(outbox, batch))
    }

    fn apply(&mut self, outbox: OutboxId, batch: &Batch) -> Ack {
        let before = (self.log.clone(), self.applied.clone());
        let mut outcomes: Vec<_> = batch
            .entries
            .iter()
            .map(|entry| self.apply_entry(outbox, entry))
            .collect();
        let failed = outcomes.iter().any(|outcome| outcome.cursor().is_none());
        if batch.atomic && failed {
            (self.log, self.applied) = before;
            for outcome in &mut outcomes {
                if !matches!(outcome, OpOutcome::Rejected(_)) {
                    *outcome = OpOutcome::Rejected(RejectReason::AtomicGroupFailed);
                }
            }
        }
        let lane = self.lanes.get_mut(&outbox).unwrap();
        for (entry, outcome) in batch.entries.iter().zip(&outcomes) {
            let fingerprint = entry.fingerprint(outbox);
            if entry.seq > lane.highest {
                assert_eq!(entry.seq, lane.highest.next(), "a gap inside a batch");
                lane.highest = entry.seq;
                lane.chain = Some(lane.chain.unwrap_or(Chain::EMPTY).then(fingerprint));
            }
            lane.recorded
                .insert(entry.seq, (fingerprint, outcome.clone()));
        }
        if self.short_acks > 0 {
            self.short_acks -= 1;
            outcomes.pop();
        }
        Ack {
            cursor: Cursor::new(self.log.len() as u64),
            epoch: self.epoch,
            outcomes,
        }
    }

    fn apply_entry(&mut self, outbox: OutboxId, entry: &share_model::Entry) -> OpOutcome {
        let identity = entry.identity(outbox);
        if let Some(cursor) = self.applied.get(&identity) {
            return OpOutcome::Duplicate(*cursor);
        }
        if self.abandoned.contains(&identity) {
            return OpOutcome::Abandoned;
        }
        let EntryBody::Op(op) = &entry.body else {
            self.abandoned.insert(identity);
            return OpOutcome::Abandoned;
        };
        if self.in_doubt.contains(&op.id) {
            return OpOutcome::InDoubt;
        }
        if let Some(reason) = self
            .rejections
            .get_mut(&op.id)
            .and_then(VecDeque::pop_front)
        {
            return OpOutcome::Rejected(reason);
        }
        for dependency in &op.depends_on {
            let dependency = dependency.resolve(identity.outbox);
            if self.abandoned.contains(&dependency) {
                return OpOutcome::Rejected(RejectReason::DependencyAbandoned(dependency));
            }
            if !self.applied.contains_key(&dependency) {
                return OpOutcome::Rejected(RejectReason::DependencyMissing(dependency));
            }
        }
        self.log.push(op.id);
        let cursor = Cursor::new(self.log.len() as u64);
        self.applied.insert(identity, cursor);
        OpOutcome::Applied(cursor)
    }
}

/// Connects to a [`Server`].
pub(crate) struct ToServer(pub(crate) Rc<RefCell<Server>>);

#[async_trait(?Send)]
impl Link for ToServer {
    async fn open(&self, request: LaneRequest) -> Result<LinkedLane, ClientError> {
        self.connect()?;
        Ok(self.lane(request))
    }
}

impl ToServer {
    /// Connects, if the script lets it.
    pub(crate) fn connect(&self) -> Result<(), ClientError> {
        match self.0.borrow_mut().fault(Call::Connect) {
            Fault::None => Ok(()),
            Fault::Answer(error) => Err(error),
            _ => Err(lost()),
        }
    }

    /// Redeems and claims on a new connection.
    pub(crate) fn lane(&self, request: LaneRequest) -> LinkedLane {
        let mut server = self.0.borrow_mut();
        server.connections += 1;
        server.sent_nonces.push(request.nonce);
        server.secrets.push(*request.reference.secret.expose());
        let connection = Rc::new(Connection {
            number: server.connections,
            cut: Cell::new(false),
            refused: RefCell::new(None),
        });
        let redeemed = carry(&mut server, &connection, Call::Redeem, |server| {
            Ok(server.redeem())
        });
        if let Some(Err(ClientError::Refused(refusal))) = &redeemed {
            *connection.refused.borrow_mut() = Some(refusal.clone());
        }
        let claimed = carry(
            &mut server,
            &connection,
            Call::Claim,
            |server| match connection.refused.borrow().clone() {
                Some(refusal) => Err(refusal),
                None => server.claim(&request),
            },
        );
        if let Some(Err(ClientError::Refused(refusal))) = &claimed {
            connection
                .refused
                .borrow_mut()
                .get_or_insert(refusal.clone());
        }
        let outbox = request.key.outbox_id();
        let incarnation = server
            .lanes
            .get(&outbox)
            .map_or(Incarnation::ZERO, |lane| lane.incarnation);
        let delay = server.delay;
        drop(server);
        let appender = ToLane {
            server: Rc::clone(&self.0),
            connection: Rc::clone(&connection),
            lane: (outbox, incarnation),
        };
        LinkedLane {
            redeemed: answer(&connection, redeemed, delay, None),
            claimed: answer(&connection, claimed, delay, Some(Rc::clone(&self.0))),
            appender: Box::new(appender),
        }
    }
}

struct Connection {
    number: usize,
    cut: Cell<bool>,
    /// What ended the appender.
    refused: RefCell<Option<Refusal>>,
}

struct ToLane {
    server: Rc<RefCell<Server>>,
    connection: Rc<Connection>,
    lane: (OutboxId, Incarnation),
}

impl LaneAppender for ToLane {
    fn append(&self, batch: &Batch, envelope: Envelope) -> Answer<Ack> {
        let mut server = self.server.borrow_mut();
        let delay = server.delay;
        let connection = &self.connection;
        let landed = carry(&mut server, connection, Call::Append, |server| {
            if let Some(refusal) = connection.refused.borrow().clone() {
                return Err(refusal);
            }
            // A batch without entries only says what is settled: seen in the floor.
            if !batch.entries.is_empty() {
                server.arrived.push(Arrived {
                    connection: connection.number,
                    outbox: self.lane.0,
                    batch: batch.clone(),
                    envelope,
                });
            }
            server.append(self.lane, batch, envelope)
        });
        if let Some(Err(ClientError::Refused(refusal))) = &landed {
            connection
                .refused
                .borrow_mut()
                .get_or_insert(refusal.clone());
        }
        answer(connection, landed, delay, None)
    }
}

/// Does what is asked, with the fault that the script has for it. `None`: no answer ever.
fn carry<T>(
    server: &mut Server,
    connection: &Connection,
    call: Call,
    work: impl FnOnce(&mut Server) -> Result<T, Refusal>,
) -> Option<Result<T, ClientError>> {
    if connection.cut.get() {
        return Some(Err(lost()));
    }
    match server.fault(call) {
        Fault::None => Some(work(server).map_err(ClientError::Refused)),
        Fault::LostRequest => {
            connection.cut.set(true);
            Some(Err(lost()))
        }
        Fault::LostReply => {
            drop(work(server));
            connection.cut.set(true);
            Some(Err(lost()))
        }
        Fault::Silence => {
            drop(work(server));
            None
        }
        Fault::Answer(error) => Some(Err(error)),
    }
}

fn answer<T: 'static>(
    connection: &Rc<Connection>,
    landed: Option<Result<T, ClientError>>,
    delay: usize,
    hold: Option<Rc<RefCell<Server>>>,
) -> Answer<T> {
    let connection = Rc::clone(connection);
    async move {
        let Some(landed) = landed else {
            return std::future::pending().await;
        };
        for _ in 0..delay {
            tokio::task::yield_now().await;
        }
        while hold
            .as_ref()
            .is_some_and(|server| server.borrow().hold_claims)
        {
            tokio::task::yield_now().await;
        }
        // What a cut connection had not delivered yet is lost with it.
        if connection.cut.get() {
            Err(lost())
        } else {
            landed
        }
    }
    .boxed_local()
}

pub(crate) fn lost() -> ClientError {
    ClientError::Disconnected {
        reason: "cut".into(),
    }
}
