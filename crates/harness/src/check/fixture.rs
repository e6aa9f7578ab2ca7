//! Histories by hand: an honest run of one share with two agents, in which a test breaks something.

use std::collections::{BTreeMap, HashMap};
use std::sync::OnceLock;

use share_client::{NewOp, Outbox, OutboxOptions, Outcome, Recovery, Row, RowFilter, RowState};
use share_model::{
    Chain, Cursor, Dependency, Epoch, Fingerprint, GrantId, HistoryId, Identity, Incarnation,
    LogPosition, LoggedOp, Mutation, Op, OpId, OpOutcome, OutboxId, RefusalCode, Rights, Seq,
    ShareId, UnixMs, WriterId,
};

use super::algebra;
use crate::check::Violation;
use crate::history::{Authority, Bounds, Call, Group, History, MadeOp, SentEntry, Trouble, What};

/// Of the share's ledger.
pub(crate) const WINDOW: u32 = 8;

/// The number of the agent that has no outbox: it sends what it likes.
pub(crate) const PROBER: u8 = 3;

pub(crate) fn share(n: u8) -> ShareId {
    ShareId::from_bytes([n; 16])
}
pub(crate) fn grant(n: u8) -> GrantId {
    GrantId::from_bytes([n; 16])
}
pub(crate) fn outbox(n: u8) -> OutboxId {
    OutboxId::from_bytes([n; 16])
}
pub(crate) fn history(n: u8) -> HistoryId {
    HistoryId::from_bytes([n; 16])
}
fn op(n: u8) -> OpId {
    OpId::from_bytes([n; 16])
}
pub(crate) fn fingerprint(n: u8) -> Fingerprint {
    Fingerprint::from_bytes([n; 16])
}
fn agent_name(agent: u8) -> String {
    match agent {
        PROBER => format!("prober-{agent}"),
        _ => format!("agent-{agent}"),
    }
}

pub(crate) fn put(key: &str, json: &str) -> Mutation {
    let (key, json) = (key.into(), json.into());
    Mutation::Put { key, json }
}
pub(crate) fn merge(key: &str, json: &str) -> Mutation {
    let (key, json) = (key.into(), json.into());
    Mutation::Merge { key, json }
}
pub(crate) fn text(key: &str, pointer: &str, text: &str) -> Mutation {
    let (key, pointer, text) = (key.into(), pointer.into(), text.into());
    Mutation::AppendText { key, pointer, text }
}
pub(crate) fn item(key: &str, pointer: &str, json: &str) -> Mutation {
    let (key, pointer, json) = (key.into(), pointer.into(), json.into());
    Mutation::AppendItem { key, pointer, json }
}
pub(crate) fn remove(key: &str) -> Mutation {
    Mutation::Remove { key: key.into() }
}

/// The rules that were broken, each once, in the order of the events.
pub(crate) fn names(violations: &[Violation]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for violation in violations {
        if !names.contains(&violation.check) {
            names.push(violation.check);
        }
    }
    names
}

/// The numbers of the ops of a log.
pub(crate) fn ids(log: &[LoggedOp]) -> Vec<u8> {
    log.iter().map(|op| op.op.id.to_bytes()[0]).collect()
}

/// A row, of an outbox that is made for it: nobody else can make one.
fn template() -> Row {
    static ROW: OnceLock<Row> = OnceLock::new();
    let make = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/share.sqlite");
        runtime.block_on(async {
            let outbox = Outbox::open(&path, OutboxOptions::default()).unwrap();
            let (id, secret) = ("0".repeat(32), "A".repeat(43));
            let reference = format!("share://h:1/{id}/{id}?epoch=1#{secret}");
            let reference: share_model::ShareRef = reference.parse().unwrap();
            let share = reference.share;
            outbox.use_ref(reference).await.unwrap();
            let op = NewOp::of(put("a", "1"));
            outbox.enqueue(share, op).await.unwrap();
            let rows = outbox.rows(RowFilter::default(), None, 1).await.unwrap();
            rows[0].clone()
        })
    };
    ROW.get_or_init(make).clone()
}

/// A row of an agent's outbox.
pub(crate) struct HeldRow {
    agent: u8,
    pub(crate) row: Row,
}

/// A batch on its way.
struct OnItsWay {
    agent: u8,
    entries: Vec<(u64, u8)>,
    lane: u8,
}

/// A run of one share. Everything in it is honest, until a test changes it.
pub(crate) struct Run {
    pub(crate) events: History,
    /// The server's.
    pub(crate) history: u8,
    pub(crate) log: Vec<LoggedOp>,
    /// What the final document has besides what the log makes.
    pub(crate) document: BTreeMap<String, String>,
    pub(crate) rows: Vec<HeldRow>,
    pub(crate) recoveries: Vec<Recovery>,
    pub(crate) stopped: Option<RefusalCode>,
    /// How far the final cursor is beyond the log.
    pub(crate) cursor_ahead: u64,
    pub(crate) is_gone: bool,
    /// What batches say is settled.
    pub(crate) settled: Seq,
    /// Of what is enqueued and sent from now on.
    pub(crate) group: Group,
    /// By agent.
    pub(crate) next_seq: HashMap<u8, u64>,
    grants: HashMap<u8, u8>,
    /// The lane's number and its claim, by agent.
    pub(crate) lanes: HashMap<u8, (u8, Call)>,
    /// The last incarnation of each lane.
    pub(crate) incarnations: HashMap<u8, u64>,
    mutations: HashMap<u8, Mutation>,
    dependencies: HashMap<u8, u8>,
    sent: HashMap<Call, OnItsWay>,
    /// Lane and seq of an op when it was last sent.
    places: HashMap<u8, (u8, u64)>,
    now_ms: u64,
}

impl Run {
    pub(crate) fn new() -> Self {
        let mut run = Self {
            events: History::new(),
            history: 1,
            log: Vec::new(),
            document: BTreeMap::new(),
            rows: Vec::new(),
            recoveries: Vec::new(),
            stopped: None,
            cursor_ahead: 0,
            is_gone: false,
            settled: Seq::ZERO,
            group: Group::Loose,
            next_seq: HashMap::new(),
            grants: HashMap::from([(1, 1), (2, 1)]),
            lanes: HashMap::new(),
            incarnations: HashMap::new(),
            mutations: HashMap::new(),
            dependencies: HashMap::new(),
            sent: HashMap::new(),
            places: HashMap::new(),
            now_ms: 0,
        };
        run.serves();
        let (share, grant, epoch) = (share(1), grant(1), Epoch::new(1));
        run.push(
            "owner",
            What::Created {
                share,
                grant,
                epoch,
            },
        );
        for agent in [1, 2] {
            let folder = agent_name(agent);
            run.push(&folder.clone(), What::Began { folder });
            run.claims(agent);
        }
        run
    }

    pub(crate) fn push(&mut self, actor: &str, what: What) {
        self.now_ms += 1;
        self.events.set_now(self.now_ms);
        self.events.push(actor, what);
    }

    /// Enough time passes that nothing is under way any more.
    pub(crate) fn later(&mut self) {
        self.now_ms += 60_000;
    }

    pub(crate) fn check(&self) -> Vec<Violation> {
        super::check(&self.events.events(), &Bounds { window: WINDOW })
    }

    // ── ops ──────────────────────────────────────────────────────────────────────────────────

    pub(crate) fn mutation(&mut self, op: u8, mutation: Mutation) {
        self.mutations.insert(op, mutation);
    }

    pub(crate) fn depends(&mut self, op: u8, on: u8) {
        self.dependencies.insert(op, on);
    }

    pub(crate) fn op_of(&self, n: u8) -> Op {
        let value = put(&format!("k{n}"), &format!("\"v{n}\""));
        let dependency = self.dependencies.get(&n).map(|on| Dependency {
            outbox: None,
            seq: Seq::new(1),
            fingerprint: fingerprint(*on),
        });
        Op {
            id: op(n),
            depends_on: dependency.into_iter().collect(),
            mutation: self.mutations.get(&n).cloned().unwrap_or(value),
        }
    }

    fn made(&self, n: u8) -> MadeOp {
        let made = self.op_of(n);
        let depends_on = self.dependencies.get(&n).map(|on| op(*on));
        MadeOp {
            id: made.id,
            mutation: made.mutation,
            depends_on: depends_on.into_iter().collect(),
        }
    }

    // ── agents ───────────────────────────────────────────────────────────────────────────────

    /// An op goes all its way.
    pub(crate) fn put(&mut self, agent: u8, op: u8) {
        let call = self.sends(agent, &[op]);
        self.applies(call, &[op]);
    }

    pub(crate) fn asks(&mut self, agent: u8, call: Call, ops: Vec<MadeOp>) {
        let what = What::Enqueue {
            call,
            share: share(1),
            ops,
            group: self.group,
        };
        self.push(&agent_name(agent), what);
    }

    pub(crate) fn enqueues(&mut self, agent: u8, ops: &[u8]) {
        let call = self.events.call();
        let made = ops.iter().map(|n| self.made(*n)).collect();
        self.asks(agent, call, made);
        if agent == PROBER {
            *self.next_seq.entry(agent).or_insert(1) += ops.len() as u64;
            return;
        }
        let lane = self.lanes[&agent].0;
        let mut identities = Vec::new();
        for n in ops {
            let seq = self.next_seq.entry(agent).or_insert(1);
            let identity = Identity {
                outbox: outbox(lane),
                seq: Seq::new(*seq),
                fingerprint: fingerprint(*n),
            };
            *seq += 1;
            let mut row = template();
            row.share = share(1);
            row.outbox = identity.outbox;
            row.seq = identity.seq;
            row.op_id = op(*n);
            self.rows.push(HeldRow { agent, row });
            identities.push(identity);
        }
        self.push(&agent_name(agent), What::Enqueued { call, identities });
    }

    /// Enqueues ops, and sends them.
    pub(crate) fn sends(&mut self, agent: u8, ops: &[u8]) -> Call {
        let first = self.next_seq.get(&agent).copied().unwrap_or(1);
        self.enqueues(agent, ops);
        let entries: Vec<_> = (first..).zip(ops.iter().copied()).collect();
        self.sends_only(agent, &entries)
    }

    /// Sends seqs and ops.
    pub(crate) fn sends_only(&mut self, agent: u8, entries: &[(u64, u8)]) -> Call {
        let call = self.events.call();
        let (lane, claim) = self.lanes[&agent];
        let expected = match self.group {
            Group::Loose => None,
            Group::Atomic { expected } => expected,
        };
        let sent = entries.iter().map(|(seq, n)| SentEntry {
            seq: Seq::new(*seq),
            op: Some(op(*n)),
            fingerprint: fingerprint(*n),
            requeued: lane > 10,
        });
        let what = What::Append {
            call,
            claim,
            atomic: self.group != Group::Loose,
            expected,
            entries: sent.collect(),
            settled_through: self.settled,
        };
        self.push(&agent_name(agent), what);
        for (seq, n) in entries {
            self.places.insert(*n, (lane, *seq));
        }
        let on_its_way = OnItsWay {
            agent,
            entries: entries.to_vec(),
            lane,
        };
        self.sent.insert(call, on_its_way);
        call
    }

    /// The op enters the log.
    pub(crate) fn logs(&mut self, op: Op) {
        let n = op.id.to_bytes()[0];
        let (writer, seq) = self.places.get(&n).copied().unwrap_or((1, 1));
        self.log.push(LoggedOp {
            cursor: Cursor::new(self.log.len() as u64 + 1),
            writer: WriterId::new(writer.into()),
            seq: Seq::new(seq),
            at: UnixMs::new(1),
            op,
            origin: None,
        });
    }

    /// These ops of a batch are applied, and acked, and their rows have ended.
    pub(crate) fn applies(&mut self, call: Call, ops: &[u8]) {
        let mut outcomes = Vec::new();
        for n in ops {
            self.logs(self.op_of(*n));
            outcomes.push(OpOutcome::Applied(Cursor::new(self.log.len() as u64)));
        }
        self.acks(call, outcomes);
    }

    /// A batch is acked, and its rows have ended as the ack says.
    pub(crate) fn acks(&mut self, call: Call, outcomes: Vec<OpOutcome>) {
        let OnItsWay {
            agent,
            entries,
            lane,
        } = &self.sent[&call];
        let (agent, entries, lane) = (*agent, entries.clone(), *lane);
        let what = What::Acked {
            call,
            cursor: Cursor::new(self.log.len() as u64),
            outcomes: outcomes.clone(),
        };
        self.push(&agent_name(agent), what);
        for ((seq, n), outcome) in entries.into_iter().zip(outcomes) {
            let outcome = match outcome {
                OpOutcome::Applied(cursor) => Outcome::Applied(cursor),
                OpOutcome::Duplicate(cursor) => Outcome::Duplicate(cursor),
                _ => continue,
            };
            let mut rows = self.rows.iter_mut();
            if let Some(held) = rows.find(|held| held.agent == agent && held.row.op_id == op(n)) {
                held.row.outbox = outbox(lane);
                held.row.seq = Seq::new(seq);
                held.row.state = RowState::Settled;
                held.row.outcome = Some(outcome.clone());
            }
            if agent != PROBER {
                self.ended(agent, n, outcome);
            }
        }
    }

    /// A batch is refused.
    pub(crate) fn refuses(&mut self, call: Call, code: RefusalCode) {
        self.fails(call, Trouble::Refused(code));
    }

    /// A batch is not acked.
    pub(crate) fn fails(&mut self, call: Call, why: Trouble) {
        let agent = agent_name(self.sent[&call].agent);
        self.push(&agent, What::NotAcked { call, why });
    }

    pub(crate) fn ended(&mut self, agent: u8, n: u8, outcome: Outcome) {
        let what = What::Ended {
            share: share(1),
            seq: Seq::new(1),
            op: op(n),
            outcome,
        };
        self.push(&agent_name(agent), what);
    }

    /// A row ends in this way.
    pub(crate) fn settles(&mut self, row: usize, state: RowState, outcome: Outcome) {
        let held = &mut self.rows[row];
        held.row.state = state;
        held.row.outcome = Some(outcome.clone());
        let (agent, n) = (held.agent, held.row.op_id.to_bytes()[0]);
        self.ended(agent, n, outcome);
    }

    /// An agent leaves its lane, and sends ops again in a new one, where they are applied.
    pub(crate) fn requeues(&mut self, agent: u8, ops: &[u8]) {
        self.lanes.get_mut(&agent).unwrap().0 += 10;
        self.next_seq.remove(&agent);
        self.claims(agent);
        let entries: Vec<_> = (1..).zip(ops.iter().copied()).collect();
        let call = self.sends_only(agent, &entries);
        self.applies(call, ops);
    }

    pub(crate) fn claims(&mut self, agent: u8) {
        let next = self.next_seq.get(&agent).copied().unwrap_or(1);
        self.claims_as(agent, (Seq::ZERO, Seq::new(next - 1)));
    }

    pub(crate) fn claims_as(&mut self, agent: u8, standing: (Seq, Seq)) {
        self.claimed_by(&agent_name(agent), agent, (standing, None));
    }

    /// An agent claims its lane, and is told this chain.
    pub(crate) fn claims_and_is_told(&mut self, agent: u8, chain: Chain) {
        let next = self.next_seq.get(&agent).copied().unwrap_or(1);
        let standing = (Seq::ZERO, Seq::new(next - 1));
        self.claimed_by(&agent_name(agent), agent, (standing, Some(chain)));
    }

    /// Another actor claims the lane of an agent.
    pub(crate) fn claims_by(&mut self, actor: &str, agent: u8) {
        let next = self.next_seq.get(&agent).copied().unwrap_or(1);
        let standing = (Seq::ZERO, Seq::new(next - 1));
        self.claimed_by(actor, agent, (standing, None));
    }

    fn claimed_by(&mut self, actor: &str, agent: u8, told: ((Seq, Seq), Option<Chain>)) {
        self.asks_for_lane(actor, agent);
        self.holds_lane(actor, agent, told);
    }

    /// A claim of an agent's lane sets out.
    pub(crate) fn asks_for_lane(&mut self, actor: &str, agent: u8) {
        let call = self.events.call();
        let lane = self.lanes.entry(agent).or_insert((agent, call));
        lane.1 = call;
        let lane = lane.0;
        let incarnation = self.incarnations.entry(lane).or_default();
        let before = *incarnation;
        *incarnation += 1;
        let what = What::Claim {
            call,
            share: share(1),
            grant: grant(self.grants[&agent]),
            epoch: Epoch::new(1),
            outbox: outbox(lane),
            incarnation: Incarnation::new(before),
            history: None,
        };
        self.push(actor, what);
    }

    /// The newest claim of an agent's lane is answered.
    pub(crate) fn holds_lane(
        &mut self,
        actor: &str,
        agent: u8,
        ((floor, highest), chain): ((Seq, Seq), Option<Chain>),
    ) {
        let (lane, call) = self.lanes[&agent];
        let what = What::Claimed {
            call,
            incarnation: Incarnation::new(self.incarnations[&lane]),
            history: history(self.history),
            floor,
            highest,
            chain: chain.unwrap_or_else(|| self.chain_of(lane, highest)),
        };
        self.push(actor, what);
    }

    /// The chain of a lane, by what was kept or sent on it last.
    fn chain_of(&self, lane: u8, highest: Seq) -> Chain {
        (1..=highest.get()).fold(Chain::EMPTY, |chain, seq| {
            let sent = self.places.iter().find(|(_, place)| **place == (lane, seq));
            let kept = self.rows.iter().map(|held| &held.row);
            let kept = kept.filter(|row| row.outbox == outbox(lane) && row.seq.get() == seq);
            let kept = kept.map(|row| row.op_id.to_bytes()[0]).next_back();
            let op = sent.map(|(op, _)| *op).or(kept);
            op.map_or(chain, |op| chain.then(fingerprint(op)))
        })
    }

    /// One without an outbox begins, with a lane of its own.
    pub(crate) fn probes(&mut self) {
        self.grants.insert(PROBER, 1);
        self.claims(PROBER);
    }

    // ── authority ────────────────────────────────────────────────────────────────────────────

    pub(crate) fn granted(&mut self, n: u8, parent: u8, rights: Rights, until: Option<UnixMs>) {
        let what = What::Granted {
            share: share(1),
            grant: grant(n),
            parent: grant(parent),
            epoch: Epoch::new(1),
            rights,
            expires_at: until,
        };
        self.push("owner", what);
    }

    /// The agent claims under this grant from now on.
    pub(crate) fn grant_of_agent(&mut self, agent: u8, n: u8) {
        self.grants.insert(agent, n);
        self.claims(agent);
    }

    pub(crate) fn ends(&mut self, authority: Authority) {
        let call = self.events.call();
        let what = What::End {
            call,
            share: share(1),
            authority,
            request: None,
        };
        self.push("owner", what);
        let new_owner = match authority {
            Authority::Grant(_) => None,
            Authority::Before(epoch) => Some((grant(90), epoch)),
        };
        self.push("owner", What::AuthorityEnded { call, new_owner });
    }

    pub(crate) fn freezes(&mut self, frozen: bool) {
        let call = self.events.call();
        let share = share(1);
        self.push(
            "owner",
            What::Freeze {
                call,
                share,
                frozen,
            },
        );
        self.push("owner", What::Frozen { call });
    }

    pub(crate) fn deletes(&mut self) {
        let call = self.events.call();
        let share = share(1);
        self.push("owner", What::Delete { call, share });
        self.push("owner", What::Deleted { call });
        self.is_gone = true;
    }

    /// Somebody reads the cursor.
    pub(crate) fn reads(&mut self) {
        let what = What::CursorRead {
            share: share(1),
            history: history(self.history),
            cursor: Cursor::new(self.log.len() as u64),
            since: self.events.next(),
        };
        self.push("owner", what);
    }

    // ── readers ──────────────────────────────────────────────────────────────────────────────

    pub(crate) fn follow(&mut self, reader: &str, n: u8) {
        let (share, grant, from) = (share(1), grant(n), LogPosition::default());
        self.push(reader, What::Follow { share, grant, from });
    }

    pub(crate) fn saw(&mut self, reader: &str, n: u8, ops: Vec<LoggedOp>) {
        let (share, grant) = (share(1), grant(n));
        self.push(reader, What::Saw { share, grant, ops });
    }

    pub(crate) fn live(&mut self, reader: &str, cursor: u64) {
        let at = LogPosition {
            history: Some(history(self.history)),
            cursor: Cursor::new(cursor),
        };
        let share = share(1);
        self.push(reader, What::Live { share, at });
    }

    // ── the world ────────────────────────────────────────────────────────────────────────────

    pub(crate) fn serves(&mut self) {
        let history = history(self.history);
        self.push("server", What::ServerStarted { history });
    }

    /// The server goes back in time: the log as it is by now is what is left.
    pub(crate) fn restored(&mut self, known: bool) {
        let what = What::Restored {
            known,
            taken_at: 0,
            journal_lost: false,
        };
        self.push("chaos", what);
        self.history += u8::from(known);
        self.serves();
    }

    /// All ends.
    pub(crate) fn finish(&mut self) {
        for agent in [1, 2] {
            let folder = agent_name(agent);
            let rows = self.rows.iter().filter(|held| held.agent == agent);
            let what = What::Rows {
                folder: folder.clone(),
                share: share(1),
                rows: rows.map(|held| held.row.clone()).collect(),
                recoveries: self.recoveries.clone(),
                stopped: self.stopped,
            };
            self.push("chaos", what);
            let what = What::AtRest {
                folder,
                rested: true,
                detail: String::new(),
            };
            self.push("chaos", what);
        }
        let share = share(1);
        if self.is_gone {
            self.push("owner", What::FinalGone { share });
            return;
        }
        let mut replay = algebra::Document::new();
        for op in &self.log {
            drop(algebra::apply(&mut replay, &op.op.mutation));
        }
        let replay = replay.into_iter();
        let mut document: BTreeMap<_, _> = replay
            .map(|(key, value)| (key, value.to_string()))
            .collect();
        document.extend(self.document.clone());
        let what = What::Final {
            share,
            history: history(self.history),
            log: self.log.clone(),
            document,
            cursor: Cursor::new(self.log.len() as u64 + self.cursor_ahead),
        };
        self.push("owner", what);
    }
}
