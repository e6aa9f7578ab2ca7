//! Connections: requests and answers under way, each direction in order.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use share_engine::{Appender, Authority, ClaimRequest};
use share_model::{Batch, Chain, Nonce, OpOutcome, OutboxId, Refusal, RefusalCode, RefusalDetail};

use super::outbox::Stored;

/// What a client sends.
#[derive(Debug, Clone)]
pub(crate) enum Request {
    /// Redeem and claim, pipelined.
    Claim {
        reference: usize,
        claim: ClaimRequest,
    },
    /// `stored` is empty where only settled seqs are told.
    Append {
        settled: u64,
        stored: Option<Stored>,
        batch: Batch,
        outbox: OutboxId,
    },
}

/// Where the server stands with a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Position {
    pub(crate) history: u8,
    pub(crate) floor: u64,
    pub(crate) highest: u64,
    pub(crate) chain: Chain,
}

/// What became of an op, as far as the client looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Told {
    Applied,
    Rejected { may_change: bool },
    Doubt,
    Abandoned,
}

/// Why a call was refused, as far as the client looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Refused {
    HistoryChanged(Position),
    Fenced,
    Settled,
    Forked,
    OutOfOrder,
    StaleEpoch,
    NoRoom,
}

/// What the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    Claimed {
        incarnation: u64,
        position: Position,
        cursor: u64,
    },
    Acked {
        told: Vec<Told>,
        cursor: u64,
    },
    Refused(Refused),
}

/// The server's end of a connection.
#[derive(Debug, Clone)]
pub(crate) enum End {
    /// Nothing was claimed so far.
    Idle,
    Open {
        by: Authority,
        appender: Appender,
        nonce: Nonce,
    },
    /// The claim was refused, and so is what is pipelined on it.
    Refused(Refused),
}

/// One connection. It goes on at the server for a while after the client has left it.
#[derive(Debug, Clone)]
pub(crate) struct Conn {
    pub(crate) requests: VecDeque<Request>,
    pub(crate) replies: VecDeque<(Request, Reply)>,
    pub(crate) end: End,
}

impl Conn {
    pub(crate) fn new() -> Self {
        Self {
            requests: VecDeque::new(),
            replies: VecDeque::new(),
            end: End::Idle,
        }
    }

    /// Calls that have no answer yet.
    pub(crate) fn in_flight(&self) -> usize {
        self.requests.len() + self.replies.len()
    }
}

impl Refused {
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal.code {
            RefusalCode::HistoryChanged => {
                let RefusalDetail::History {
                    history,
                    floor,
                    highest,
                    chain,
                } = refusal.detail
                else {
                    panic!("historyChanged comes with where the server stands: {refusal:?}");
                };
                Self::HistoryChanged(Position {
                    history: history.to_bytes()[0],
                    floor: floor.get(),
                    highest: highest.get(),
                    chain,
                })
            }
            RefusalCode::WriterFenced => Self::Fenced,
            RefusalCode::AlreadySettled => Self::Settled,
            RefusalCode::WriterForked => Self::Forked,
            RefusalCode::OutOfOrder => Self::OutOfOrder,
            RefusalCode::StaleEpoch | RefusalCode::NotAuthorized => Self::StaleEpoch,
            RefusalCode::WritersExhausted => Self::NoRoom,
            _ => panic!("no client that keeps the rules is refused so: {refusal:?}"),
        }
    }
}

impl Told {
    pub(crate) fn of(outcome: &OpOutcome) -> Self {
        match outcome {
            OpOutcome::Applied(_) | OpOutcome::Duplicate(_) => Self::Applied,
            OpOutcome::Rejected(reason) => Self::Rejected {
                may_change: reason.may_change(),
            },
            OpOutcome::InDoubt => Self::Doubt,
            OpOutcome::Abandoned => Self::Abandoned,
        }
    }
}

impl Hash for Request {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Self::Claim { reference, claim } => {
                (0, reference, claim.outbox, claim.incarnation).hash(state);
                (claim.nonce, claim.history).hash(state);
            }
            // The stored batch says what the assembled one holds but for `was`, which the lane says.
            Self::Append {
                settled,
                stored,
                outbox,
                ..
            } => (1, settled, stored, outbox).hash(state),
        }
    }
}

impl Hash for Conn {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.requests.hash(state);
        self.replies.hash(state);
        match &self.end {
            End::Idle => 0.hash(state),
            End::Open {
                by,
                appender,
                nonce,
            } => {
                (1, by.grant(), appender.outbox(), appender.incarnation()).hash(state);
                (nonce, appender.ended().map(Refused::of)).hash(state);
            }
            End::Refused(refused) => (2, refused).hash(state),
        }
    }
}
