//! A server, its clients and what is under way between them.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};
use std::rc::Rc;

use ring::digest::{SHA256, digest};
use share_engine::ClaimRequest;
use share_model::{
    Batch, BatchId, Dependency, Fingerprint, FirstLane, HistoryId, Incarnation, Mutation, Op, OpId,
    OutboxId, Seq,
};

use super::events::Event;
use super::network::{Conn, Request};
use super::outbox::{Client, Enqueued, OpKey, Row, Stand, Stored, Want};
use super::rules::Rules;
use super::scope::{Kind, Scope, Used};
use super::server::Server;

/// So often a client tries for room before others give up what keeps them from settling.
pub(crate) const CALMS: u8 = 2;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) kind: &'static str,
    pub(crate) what: String,
}

impl Violation {
    pub(crate) fn new(kind: &'static str, what: impl std::fmt::Debug) -> Self {
        let what = format!("{what:?}");
        Self { kind, what }
    }
}

pub(crate) type Checked = Result<(), Violation>;

/// What nobody in the run knows, but the properties ask.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Ghost {
    /// Lanes that had more than one holder.
    pub(crate) copied: BTreeSet<OutboxId>,
    /// What those held in a lane who have left it.
    pub(crate) left: BTreeSet<(OutboxId, Vec<OpKey>)>,
    /// Given up, in this history.
    pub(crate) abandoned: BTreeSet<OpKey>,
    /// Acked as applied, in any history.
    pub(crate) acked: BTreeSet<OpKey>,
    pub(crate) pruned: BTreeSet<OpKey>,
    /// A person gave it up, in any copy.
    pub(crate) given_up: BTreeSet<OpKey>,
    /// By client: ops whose outcome stood at or below a floor found after a history change, so that
    /// nobody asked for them again.
    pub(crate) unasked: BTreeSet<(u8, OpKey)>,
    pub(crate) kept_history: bool,
}

/// What a backup holds.
#[derive(Debug)]
pub(crate) struct Backup {
    pub(crate) server: Server,
    abandoned: BTreeSet<OpKey>,
}

#[derive(Debug, Clone)]
pub(crate) struct World {
    pub(crate) rules: Rules,
    pub(crate) scope: Scope,
    pub(crate) server: Server,
    pub(crate) backup: Option<Rc<Backup>>,
    pub(crate) clients: Vec<Client>,
    /// Of each client, oldest first; the last one is the current one while it is connected.
    pub(crate) conns: Vec<Vec<Conn>>,
    pub(crate) ops: BTreeMap<OpKey, Rc<Enqueued>>,
    pub(crate) used: Used,
    pub(crate) ghost: Ghost,
    /// Histories that there were.
    histories: u8,
}

impl World {
    pub(crate) fn new(rules: Rules, scope: Scope) -> Self {
        Self {
            rules,
            scope,
            server: Server::new(scope.limits()),
            backup: None,
            clients: (0..scope.clients).map(Client::new).collect(),
            conns: vec![Vec::new(); usize::from(scope.clients)],
            ops: BTreeMap::new(),
            used: Used::default(),
            ghost: Ghost::default(),
            histories: 1,
        }
    }

    /// Makes `event` happen, which must be enabled.
    pub(crate) fn step(&mut self, event: Event) -> Checked {
        match event {
            Event::Enqueue(c, kind) => self.enqueue(c, kind),
            Event::Connect(c) => self.connect(c),
            Event::Send(c, max) => self.send(c, max),
            Event::Settle(c) => {
                self.used.settles += 1;
                self.settle(c);
            }
            Event::Retry(c, seq) => self.retry(c, seq),
            Event::Abandon(c, seq) => {
                self.used.abandons += 1;
                let client = &self.clients[c];
                let group = client.group_of(seq).into_iter();
                let keys = group.filter_map(|seq| Some(client.row(seq)?.op.key));
                self.ghost.given_up.extend(keys);
                self.abandon(c, seq);
            }
            Event::GiveUp(c, seq) => self.abandon(c, seq),
            Event::Serve(c, at) => self.serve(c, at)?,
            Event::Deliver(c, at) => self.deliver(c, at)?,
            Event::Lose(c) => {
                self.used.losses += 1;
                let conn = self.conns[c].last_mut();
                conn.and_then(|conn| conn.replies.pop_front());
            }
            Event::Kill(c) => {
                self.used.kills += 1;
                self.clients[c].leave();
            }
            Event::Leave(c) => self.clients[c].leave(),
            Event::Calm(c) => {
                let client = &mut self.clients[c];
                client.backs_off = false;
                client.calms = (client.calms + 1).min(CALMS);
            }
            Event::Copy(c) => self.copy(c),
            Event::Prune(c) => self.prune(c),
            Event::KillServer => {
                self.used.server_kills += 1;
                self.restart()?;
            }
            Event::Backup => {
                self.used.backups += 1;
                self.backup = Some(Rc::new(Backup {
                    server: self.server.clone(),
                    abandoned: self.ghost.abandoned.clone(),
                }));
            }
            Event::Restore { keeps_history } => self.restore(keeps_history)?,
            Event::Bump => {
                self.used.bumps += 1;
                self.server.bump();
            }
        }
        self.drop_dead_connections();
        Ok(())
    }

    /// A connection that was left ends when its last request is served.
    fn drop_dead_connections(&mut self) {
        let hears_all = !self.rules.ignore_left;
        for (client, conns) in self.clients.iter().zip(&mut self.conns) {
            let current = conns.len().checked_sub(1).filter(|_| client.is_connected);
            let mut at = 0;
            conns.retain_mut(|conn| {
                let is_current = Some(at) == current;
                at += 1;
                if !is_current && !hears_all {
                    conn.replies.clear();
                }
                is_current || conn.in_flight() > 0
            });
        }
    }

    fn enqueue(&mut self, c: usize, kind: Kind) {
        let group = match kind {
            Kind::Group | Kind::InvalidGroup => self.used.ops + 1,
            _ => 0,
        };
        let after = match kind {
            Kind::AfterOwn => self.clients[c].lane.last().copied(),
            Kind::AfterOther => self.other_last(c),
            _ => None,
        };
        match kind {
            Kind::Plain | Kind::AfterOwn | Kind::AfterOther => {
                self.enqueue_one(c, after, (true, 0));
            }
            Kind::Invalid => self.enqueue_one(c, None, (false, 0)),
            Kind::Group | Kind::InvalidGroup => {
                self.enqueue_one(c, None, (true, group));
                let first = self.clients[c].lane.last().copied();
                self.enqueue_one(c, first, (kind == Kind::Group, group));
            }
        }
    }

    /// The last op of another outbox.
    pub(crate) fn other_last(&self, c: usize) -> Option<OpKey> {
        let outbox = self.clients[c].outbox;
        let mut others = self.clients.iter().rev();
        let other = others.find(|it| it.outbox != outbox && !it.lane.is_empty())?;
        other.lane.last().copied()
    }

    fn enqueue_one(&mut self, c: usize, after: Option<OpKey>, (is_valid, group): (bool, u8)) {
        self.used.ops += 1;
        let client = &mut self.clients[c];
        client.enqueued += 1;
        let key = (client.id, client.enqueued);
        let name = format!("{}-{}", key.0, key.1);
        let json = "1".into();
        let mutation = if is_valid {
            Mutation::Put {
                key: name.into(),
                json,
            }
        } else {
            Mutation::Merge {
                key: name.into(),
                json,
            }
        };
        let depends_on = after.map(|on| {
            let on = &self.ops[&on];
            Dependency {
                outbox: Some(on.first.outbox),
                seq: on.first.seq,
                fingerprint: on.fingerprint,
            }
        });
        let mut id = [0; 16];
        (id[0], id[1]) = key;
        let op = Op {
            id: OpId::from_bytes(id),
            depends_on: depends_on.into_iter().collect(),
            mutation,
        };
        let first = FirstLane {
            outbox: client.outbox,
            seq: Seq::new(client.last() + 1),
        };
        let enqueued = Rc::new(Enqueued {
            key,
            fingerprint: Fingerprint::of(&op, client.outbox),
            op,
            first,
            depends_on: after.into_iter().collect(),
        });
        self.ops.insert(key, Rc::clone(&enqueued));
        client.push(Row {
            op: enqueued,
            was: None,
            group,
            want: Want::Apply,
            stand: Stand::Unsent,
            tries: 0,
            mates: (0, 0),
            is_answered: false,
            was_applied: false,
        });
    }

    fn connect(&mut self, c: usize) {
        if self.scope.connects < u8::MAX {
            self.used.connects = self.used.connects.saturating_add(1);
        }
        let client = &mut self.clients[c];
        client.leave();
        client.is_connected = true;
        let history = client.history.filter(|_| self.rules.claim_names_history);
        let claim = ClaimRequest {
            outbox: client.outbox,
            incarnation: Incarnation::new(client.incarnation),
            nonce: client.next_nonce(&self.rules),
            history: history.map(|n| HistoryId::from_bytes([n; 16])),
        };
        let mut conn = Conn::new();
        conn.requests.push_back(Request::Claim {
            reference: client.reference,
            claim,
        });
        self.conns[c].push(conn);
    }

    fn send(&mut self, c: usize, max: usize) {
        let client = &mut self.clients[c];
        if client.sent == client.batches.len() {
            client.cut(max);
        }
        let stored = client.batches[client.sent].clone();
        client.sent += 1;
        let batch = client.assemble(&stored);
        self.request(c, Some(stored), batch);
    }

    fn settle(&mut self, c: usize) {
        let batch = Batch {
            id: BatchId::from_bytes([8; 16]),
            atomic: false,
            expected_cursor: None,
            entries: Vec::new(),
        };
        self.request(c, None, batch);
    }

    fn request(&mut self, c: usize, stored: Option<Stored>, batch: Batch) {
        let client = &mut self.clients[c];
        let settled = client.settled();
        client.told = settled;
        let request = Request::Append {
            settled,
            stored,
            batch,
            outbox: client.outbox,
        };
        if let Some(conn) = self.conns[c].last_mut() {
            conn.requests.push_back(request);
        }
    }

    fn retry(&mut self, c: usize, seq: u64) {
        let rules = self.rules;
        let client = &mut self.clients[c];
        let mut seqs = client.group_of(seq);
        if !rules.retry_alone && seqs.len() == 1 {
            let (first, last) = client.row(seq).unwrap().mates;
            seqs = (first..=last)
                .filter(|seq| client.row(*seq).is_some())
                .collect();
        }
        client.store(seqs, Want::Apply);
    }

    fn abandon(&mut self, c: usize, seq: u64) {
        let is_by_request = self.rules.abandon_by_request;
        let client = &mut self.clients[c];
        for seq in client.group_of(seq) {
            let row = client.row_mut(seq).unwrap();
            if row.stand.is_final() {
                continue;
            }
            row.want = Want::Abandon;
            if !is_by_request && row.stand != Stand::Unsent {
                row.stand = Stand::Dead;
            } else if row.stand == Stand::Rejected {
                row.stand = Stand::Unsent;
            }
        }
    }

    fn copy(&mut self, c: usize) {
        self.used.copies += 1;
        let id = u8::try_from(self.clients.len()).unwrap();
        let copy = self.clients[c].copy(id);
        self.ghost.copied.insert(copy.outbox);
        let from = self.clients[c].id;
        let unasked = self.ghost.unasked.iter().filter(|(of, _)| *of == from);
        let unasked: Vec<_> = unasked.map(|(_, key)| (id, *key)).collect();
        self.ghost.unasked.extend(unasked);
        self.clients.push(copy);
        self.conns.push(Vec::new());
    }

    /// Drops the oldest settled row, or those of earlier lanes.
    fn prune(&mut self, c: usize) {
        self.used.prunes += 1;
        let client = &mut self.clients[c];
        if client.earlier.is_empty() {
            let row = client.rows.remove(0);
            client.pruned += 1;
            client.pruned_chain = client.pruned_chain.then(row.op.fingerprint);
            self.ghost.pruned.insert(row.op.key);
        } else {
            let pruned = client.earlier.drain(..).map(|row| row.op.key);
            self.ghost.pruned.extend(pruned);
        }
    }

    fn restart(&mut self) -> Checked {
        for client in &mut self.clients {
            client.leave();
        }
        for conns in &mut self.conns {
            conns.clear();
        }
        if self.server.restart() {
            Ok(())
        } else {
            Err(Violation::new(
                "RESTART",
                "a checkpoint is not what its records give",
            ))
        }
    }

    fn restore(&mut self, keeps_history: bool) -> Checked {
        self.used.restores += 1;
        let bumps = self.server.bumps();
        let history = self.server.history;
        let backup = self.backup.clone().unwrap();
        self.server = backup.server.clone();
        self.ghost.abandoned = backup.abandoned.clone();
        if keeps_history {
            self.ghost.kept_history = true;
            self.server.history = history;
        } else {
            self.histories += 1;
            self.server.history = self.histories;
        }
        // The authority journal is not part of what went back.
        while self.server.bumps() < bumps {
            self.server.bump();
        }
        self.restart()
    }

    /// Stands for the whole world; without `used` where what may still happen does not matter.
    pub(crate) fn hash(&self, with_used: bool) -> u128 {
        let mut bytes = Bytes(Vec::with_capacity(2048));
        (self.server.digest, self.server.history, self.histories).hash(&mut bytes);
        for line in self.server.log.iter() {
            (line.writer, line.seq, line.fingerprint).hash(&mut bytes);
        }
        if with_used {
            self.used.hash(&mut bytes);
            let backup = self.backup.as_ref();
            backup
                .map(|it| (it.server.digest, it.server.history, &it.abandoned))
                .hash(&mut bytes);
        }
        self.clients.hash(&mut bytes);
        self.conns.hash(&mut bytes);
        for op in self.ops.values() {
            (op.key, op.fingerprint, op.first.outbox, op.first.seq).hash(&mut bytes);
        }
        self.ghost.hash(&mut bytes);
        let hash = digest(&SHA256, &bytes.0);
        u128::from_le_bytes(std::array::from_fn(|at| hash.as_ref()[at]))
    }
}

/// A hasher that keeps everything.
struct Bytes(Vec<u8>);

impl Hasher for Bytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        0
    }
}
