//! Why a delegation lease does not allow something.

use std::fmt;

use share_model::{Cycle, UnixMs};

use super::scope::Scope;
use super::session::AgentSession;
use super::table::Ending;

/// One delegated cycle of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DelegatedCycle {
    /// What was delegated.
    pub scope: Scope,
    /// Who delegated it.
    pub parent: AgentSession,
    /// Which one, counting up from 1 for each share, scope and parent.
    pub cycle: Cycle,
}

/// In words, fit for a message.
impl fmt::Display for DelegatedCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            scope,
            parent,
            cycle,
        } = self;
        write!(f, "cycle {cycle} of {scope}, delegated by {parent}")
    }
}

/// Why a delegation lease does not allow something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum DelegationError {
    /// The key lies in a scope that was delegated and is not claimed by the session.
    #[error(
        "session {session} may not append to `{}`: {of} waits for its claim; claim it first",
        key.escape_debug()
    )]
    NotClaimed {
        session: AgentSession,
        key: String,
        of: DelegatedCycle,
    },
    /// The session holds a claim, and the key lies outside of it.
    #[error("session {session} may not append to `{}`: it holds {of}", key.escape_debug())]
    OutsideScope {
        session: AgentSession,
        key: String,
        of: DelegatedCycle,
    },
    /// The claim that the session had is over.
    #[error(
        "session {session} may not append to `{}`: its claim of {of} is over, {ending}; it needs a \
         claim of a current cycle",
        key.escape_debug()
    )]
    StaleClaim {
        session: AgentSession,
        key: String,
        of: DelegatedCycle,
        ending: Ending,
    },
    /// Another session holds the scope.
    #[error(
        "session {session} may not append to `{}`: session {holder} holds {of}, {}",
        key.escape_debug(),
        until(expires_at.as_ref())
    )]
    ScopeHeld {
        session: AgentSession,
        key: String,
        of: DelegatedCycle,
        holder: AgentSession,
        expires_at: Option<UnixMs>,
    },

    /// Another session claimed the cycle first.
    #[error("{of} is claimed by session {holder}")]
    Taken {
        of: DelegatedCycle,
        holder: AgentSession,
    },
    /// The newest cycle of the scope is over.
    #[error("{of} is over, {ending}: the parent may delegate the next one")]
    CycleOver { of: DelegatedCycle, ending: Ending },
    /// Nobody has delegated the scope.
    #[error("nobody has delegated {scope} of this share; a scope is claimed as it was delegated")]
    NotDelegated { scope: Scope },
    /// Several parents wait for a claim of the scope.
    #[error(
        "several parents have delegated {scope}: name one of {}",
        names(parents)
    )]
    SeveralParents {
        scope: Scope,
        parents: Vec<AgentSession>,
    },
    /// A session would claim what it delegated, or what was delegated below it.
    #[error("session {session} can't claim {of}: it comes from the session itself")]
    OwnDelegation {
        session: AgentSession,
        of: DelegatedCycle,
    },

    /// The caller's number of the cycle is behind.
    #[error("cycle {asked} of {scope} can't be delegated: cycle {current} was")]
    CycleBehind {
        scope: Scope,
        asked: Cycle,
        current: Cycle,
    },
    /// A parent would delegate one key twice.
    #[error("{scope} overlaps {with}, which is not over: revoke that first")]
    Overlaps { scope: Scope, with: DelegatedCycle },
    /// A delegated session delegates only what it holds.
    #[error(
        "session {session} can't delegate {scope}: it was delegated itself, and holds no claim \
         that covers it"
    )]
    NotHeld { session: AgentSession, scope: Scope },
    /// Too many delegations of the share are not over.
    #[error("{max} delegations of this share are not over: revoke some first")]
    TooManyOpen { max: u64 },
    /// The share has had as many delegations as an outbox keeps.
    #[error("this share has had {max} delegated cycles, more are not kept: use a new outbox")]
    TooManyCycles { max: u64 },

    /// The session never claimed the scope.
    #[error("session {session} never claimed {scope} of this share")]
    NeverClaimed { session: AgentSession, scope: Scope },
    /// The session never delegated the scope.
    #[error("session {session} never delegated {scope} of this share")]
    NeverDelegated { session: AgentSession, scope: Scope },
}

impl DelegationError {
    /// Of a refused append: on whose account.
    pub(super) fn of_append(&self) -> Option<&DelegatedCycle> {
        match self {
            Self::NotClaimed { of, .. }
            | Self::OutsideScope { of, .. }
            | Self::StaleClaim { of, .. }
            | Self::ScopeHeld { of, .. } => Some(of),
            _ => None,
        }
    }

    /// Of a refused append: the key.
    pub(super) fn key(&self) -> Option<&str> {
        match self {
            Self::NotClaimed { key, .. }
            | Self::OutsideScope { key, .. }
            | Self::StaleClaim { key, .. }
            | Self::ScopeHeld { key, .. } => Some(key),
            _ => None,
        }
    }
}

fn until(expires_at: Option<&UnixMs>) -> String {
    let ends = "until it releases it, or the parent revokes it or says that the session is gone";
    match expires_at {
        None => ends.to_owned(),
        Some(at) => format!("{ends}, or {at} ms after 1970 with nothing enqueued before"),
    }
}

fn names(sessions: &[AgentSession]) -> String {
    let names: Vec<_> = sessions.iter().map(ToString::to_string).collect();
    names.join(", ")
}
