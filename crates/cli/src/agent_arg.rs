//! Agent sessions as arguments.

use share_client::{AgentSession, DelegationError, OutboxError};
use share_model::OriginError;

use crate::error::CliError;

/// Reads the id of an agent session: 1 to 1024 bytes.
pub(crate) fn agent(id: &str) -> Result<AgentSession, OriginError> {
    AgentSession::new(id)
}

/// The error, with what to do about it if a lease is behind it.
pub(crate) fn explained(error: CliError, cause: OutboxError) -> CliError {
    let hint = match &cause {
        OutboxError::Delegation(refused) => hint(refused),
        _ => None,
    };
    let error = error.caused_by(cause);
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

fn hint(refused: &DelegationError) -> Option<&'static str> {
    match refused {
        DelegationError::NotClaimed { .. } => {
            Some("nothing was stored; `share lease claim --as SESSION --scope PREFIX` claims it")
        }
        DelegationError::OutsideScope { .. } => {
            Some("nothing was stored; the parent may append there")
        }
        DelegationError::StaleClaim { .. } => Some(
            "nothing was stored; the parent delegates the next cycle with `share lease delegate`",
        ),
        DelegationError::ScopeHeld { .. } => Some(
            "nothing was stored; `share lease list` shows who holds what, and \
             `share lease reconcile` ends the claim of a session that is gone",
        ),
        DelegationError::Taken { .. } | DelegationError::NotDelegated { .. } => {
            Some("`share lease list` shows what is delegated, and to whom")
        }
        DelegationError::CycleOver { .. } => {
            Some("the parent delegates the next cycle with `share lease delegate`")
        }
        DelegationError::SeveralParents { .. } => Some("name one with `--parent SESSION`"),
        _ => None,
    }
}
