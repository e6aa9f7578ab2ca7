//! What happened in a run, as those who took part saw it: every call and what came of it, every
//! fault, and at the end what the server holds and what each outbox says.
//!
//! A call is two events, its invocation and its outcome; where the second is missing, nobody knows
//! what came of it. The checker has nothing but this.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use share_client::{ClientError, Outcome, Recovery, Row};
use share_model::{
    Chain, Cursor, Epoch, Fingerprint, GrantId, HistoryId, Identity, Incarnation, LogPosition,
    LoggedOp, Mutation, OpId, OpOutcome, OutboxId, RefusalCode, RequestId, Rights, Seq, ShareId,
    UnixMs,
};

/// Numbers a call within its run; the outcome has the number of its invocation.
pub type Call = u64;

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event {
    /// Counts up from 0, in the order in which things happened.
    pub number: usize,
    /// Milliseconds since the run began: virtual in a simulation.
    pub at_ms: u64,
    /// Who saw it, such as `agent-2`, `owner` or `chaos`.
    pub actor: String,
    /// What it was.
    pub what: What,
}

/// An op as an agent made it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MadeOp {
    /// Chosen by the agent, unique in the run.
    pub id: OpId,
    /// What it changes.
    pub mutation: Mutation,
    /// Ops that must be applied before.
    pub depends_on: Vec<OpId>,
}

/// How ops of one call belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Group {
    /// Each by itself.
    Loose,
    /// All or none.
    Atomic {
        /// Only at this cursor.
        expected: Option<Cursor>,
    },
}

/// An entry of a batch as it was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentEntry {
    /// In the lane of the batch.
    pub seq: Seq,
    /// The op; `None`: the entry gives up the op with this fingerprint.
    pub op: Option<OpId>,
    /// Of what the entry is about.
    pub fingerprint: Fingerprint,
    /// Whether it names an earlier lane.
    pub requeued: bool,
}

/// What ends with an act of authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// This grant and those made below it.
    Grant(GrantId),
    /// Every grant of an epoch before this one.
    Before(Epoch),
}

/// Why a call came to nothing that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// The server refused: it changed nothing.
    Refused(#[serde(serialize_with = "write_code", deserialize_with = "read_code")] RefusalCode),
    /// The connection, the process or the answer was lost, or it made no sense: it may have been done
    /// or not.
    Lost(String),
    /// The server could not be reached at all: it changed nothing.
    NotSent(String),
}

impl Trouble {
    /// What an error says about whether the call was done.
    pub(crate) fn of(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal.code),
            ClientError::Unreachable { .. }
            | ClientError::WrongCertificate { .. }
            | ClientError::NotTrusted { .. } => Self::NotSent(error.to_string()),
            error => Self::Lost(error.to_string()),
        }
    }

    /// As [`Trouble::of`], of a call that may have been in flight when its authority ended: such a
    /// refusal cuts the call, and says nothing of what it did (`docs/design.md` §5).
    pub(crate) fn of_cut(error: &ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) if ends_sessions(refusal.code) => {
                Self::Lost(format!("cut: {}", refusal.code.name()))
            }
            error => Self::of(error),
        }
    }
}

fn ends_sessions(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::Revoked | RefusalCode::StaleEpoch | RefusalCode::Expired | RefusalCode::Gone
    )
}

fn write_code<S: Serializer>(code: &RefusalCode, serializer: S) -> Result<S::Ok, S::Error> {
    code.name().serialize(serializer)
}

fn read_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RefusalCode, D::Error> {
    let name = String::deserialize(deserializer)?;
    let known = RefusalCode::ALL.iter().find(|code| code.name() == name);
    known
        .copied()
        .ok_or_else(|| D::Error::custom(format!("no refusal is called {name}")))
}

/// What happened.
#[derive(Debug, Clone)]
pub enum What {
    // ── agents ───────────────────────────────────────────────────────────────────────────────
    /// An agent's process began, on the outbox in this folder.
    Began {
        /// The folder's name: copies have others.
        folder: String,
    },
    /// An agent asks its outbox to keep ops.
    Enqueue {
        /// The call.
        call: Call,
        /// For this share.
        share: ShareId,
        /// In this order.
        ops: Vec<MadeOp>,
        /// How they belong together.
        group: Group,
    },
    /// They are kept. Invocations without this or the next may have been kept or not, all of them or
    /// none.
    Enqueued {
        /// The call.
        call: Call,
        /// In the order of the call.
        identities: Vec<Identity>,
    },
    /// None of them is kept.
    NotEnqueued {
        /// The call.
        call: Call,
        /// Why.
        why: String,
    },
    /// A lane is claimed.
    Claim {
        /// The call.
        call: Call,
        /// On this share.
        share: ShareId,
        /// Under this grant.
        grant: GrantId,
        /// Of this epoch, as the ref says.
        epoch: Epoch,
        /// By this outbox.
        outbox: OutboxId,
        /// As the client holds it.
        incarnation: Incarnation,
        /// The history that the client knows.
        history: Option<HistoryId>,
    },
    /// It holds.
    Claimed {
        /// The call.
        call: Call,
        /// From now on.
        incarnation: Incarnation,
        /// The server's.
        history: HistoryId,
        /// The ledger's.
        floor: Seq,
        /// The ledger's.
        highest: Seq,
        /// The ledger's.
        chain: Chain,
    },
    /// A claim or redeem came to nothing.
    NotClaimed {
        /// The call.
        call: Call,
        /// Why.
        why: Trouble,
    },
    /// A batch is sent, on the lane of `claim`.
    Append {
        /// The call.
        call: Call,
        /// The claim's call, whose share, grant and outbox are the batch's.
        claim: Call,
        /// All or none.
        atomic: bool,
        /// Only at this cursor.
        expected: Option<Cursor>,
        /// What it says.
        entries: Vec<SentEntry>,
        /// What the client will never ask for again.
        settled_through: Seq,
    },
    /// The server acked it.
    Acked {
        /// The call.
        call: Call,
        /// The share's, after the batch.
        cursor: Cursor,
        /// One for each entry.
        outcomes: Vec<OpOutcome>,
    },
    /// It was not acked.
    NotAcked {
        /// The call.
        call: Call,
        /// Why.
        why: Trouble,
    },
    /// The outbox told how an op ended.
    Ended {
        /// On this share.
        share: ShareId,
        /// In its lane.
        seq: Seq,
        /// The op.
        op: OpId,
        /// How.
        outcome: Outcome,
    },
    /// What an outbox says of a share, when all faults have stopped and the replay stands still.
    Rows {
        /// The folder of the outbox.
        folder: String,
        /// The share.
        share: ShareId,
        /// Every row.
        rows: Vec<Row>,
        /// What was done about copies and restores.
        recoveries: Vec<Recovery>,
        /// Why the replay waits for a person, if it does.
        stopped: Option<RefusalCode>,
    },

    // ── authority ────────────────────────────────────────────────────────────────────────────
    /// A share was created.
    Created {
        /// The share.
        share: ShareId,
        /// The owner's grant.
        grant: GrantId,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A grant was made.
    Granted {
        /// On this share.
        share: ShareId,
        /// The new one.
        grant: GrantId,
        /// Below this one.
        parent: GrantId,
        /// Of this epoch.
        epoch: Epoch,
        /// What it allows.
        rights: Rights,
        /// By the server's clock.
        expires_at: Option<UnixMs>,
    },
    /// Authority is to be ended.
    End {
        /// The call.
        call: Call,
        /// On this share.
        share: ShareId,
        /// What ends.
        authority: Authority,
        /// The bump's request, which may be repeated.
        request: Option<RequestId>,
    },
    /// It is ended: acked.
    AuthorityEnded {
        /// The call.
        call: Call,
        /// The new owner's grant and epoch, after a bump.
        new_owner: Option<(GrantId, Epoch)>,
    },
    /// A share is to be frozen, or not any more.
    Freeze {
        /// The call.
        call: Call,
        /// The share.
        share: ShareId,
        /// Whether it is to be frozen.
        frozen: bool,
    },
    /// It is so: acked.
    Frozen {
        /// The call.
        call: Call,
    },
    /// A share is to be deleted.
    Delete {
        /// The call.
        call: Call,
        /// The share.
        share: ShareId,
    },
    /// It is deleted: acked.
    Deleted {
        /// The call.
        call: Call,
    },
    /// A call on authority came to nothing that is known.
    NotDone {
        /// The call: of an end, a freeze or a delete.
        call: Call,
        /// Why.
        why: Trouble,
    },
    /// The share's cursor was this one at some moment between event number `since` and this event.
    CursorRead {
        /// The share.
        share: ShareId,
        /// The history that the server told.
        history: HistoryId,
        /// Its cursor.
        cursor: Cursor,
        /// The number of the next event when the cursor was asked for.
        since: usize,
    },

    // ── readers ──────────────────────────────────────────────────────────────────────────────
    /// A reader begins, from this position.
    Follow {
        /// The share.
        share: ShareId,
        /// Under this grant.
        grant: GrantId,
        /// After this.
        from: LogPosition,
    },
    /// It is told to forget what it was told; the document at `at` follows.
    Reset {
        /// The share.
        share: ShareId,
        /// Where the document stands.
        at: LogPosition,
    },
    /// It was told a whole document, after a reset.
    Document {
        /// The share.
        share: ShareId,
        /// Where the document stands.
        at: LogPosition,
        /// Key to JSON text.
        document: BTreeMap<String, String>,
    },
    /// It was told ops.
    Saw {
        /// The share.
        share: ShareId,
        /// Under this grant.
        grant: GrantId,
        /// In the order in which they were told.
        ops: Vec<LoggedOp>,
    },
    /// It has caught up.
    Live {
        /// The share.
        share: ShareId,
        /// Up to here.
        at: LogPosition,
    },
    /// It was refused for good.
    FollowEnded {
        /// The share.
        share: ShareId,
        /// Why.
        why: Trouble,
    },

    // ── the world ────────────────────────────────────────────────────────────────────────────
    /// The server serves.
    ServerStarted {
        /// Its history.
        history: HistoryId,
    },
    /// The server's process ended: in order, killed, or by itself.
    ServerEnded {
        /// How.
        how: String,
    },
    /// The server went back in time.
    Restored {
        /// `true`: by `restore`, with a new history. `false`: its machine was put back and knows
        /// nothing of it.
        known: bool,
        /// The number of the next event when what was put back was taken.
        taken_at: usize,
        /// Whether the authority journal was lost: then every grant has ended.
        journal_lost: bool,
    },
    /// A folder with an outbox was copied.
    Copied {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// A fault fired. Counted by its kind.
    Fault {
        /// Which kind.
        kind: &'static str,
        /// More, for a person.
        detail: String,
    },
    /// From here on nothing is broken any more: all must end within `bound_ms`.
    Calm {
        /// Milliseconds.
        bound_ms: u64,
    },
    /// Whether the replay of an outbox came to its end within the bound: nothing left to do but for a
    /// person.
    AtRest {
        /// The folder of the outbox.
        folder: String,
        /// Whether it did.
        rested: bool,
        /// What is left, for a person.
        detail: String,
    },
    /// What a reader who begins anew is told of a share, when all has ended.
    Final {
        /// The share.
        share: ShareId,
        /// The server's.
        history: HistoryId,
        /// Every op of the log.
        log: Vec<LoggedOp>,
        /// As the server serves it.
        document: BTreeMap<String, String>,
        /// Its cursor.
        cursor: Cursor,
    },
    /// The share is deleted, says the server when all has ended.
    FinalGone {
        /// The share.
        share: ShareId,
    },
}

/// What was seen of a share's bounds: set by the scenario, known to the checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Seqs between a writer's floor and its highest.
    pub window: u32,
}

/// A history that is being written. Clones write to the same one.
#[derive(Debug, Clone, Default)]
pub struct History {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    events: Vec<Event>,
    calls: Call,
    now_ms: u64,
}

impl History {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What time later events have, in milliseconds since the run began.
    pub fn set_now(&self, now_ms: u64) {
        self.lock().now_ms = now_ms;
    }

    /// A number for a call.
    pub fn call(&self) -> Call {
        let mut inner = self.lock();
        inner.calls += 1;
        inner.calls
    }

    /// The number that the next event will have.
    pub fn next(&self) -> usize {
        self.lock().events.len()
    }

    /// Adds an event.
    pub fn push(&self, actor: &str, what: What) {
        let mut inner = self.lock();
        let event = Event {
            number: inner.events.len(),
            at_ms: inner.now_ms,
            actor: actor.to_owned(),
            what,
        };
        inner.events.push(event);
    }

    /// What happened so far.
    pub fn events(&self) -> Vec<Event> {
        self.lock().events.clone()
    }

    /// Takes all events.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut self.lock().events)
    }
}
