//! Agent sessions, as they name themselves.

use std::fmt;

use share_model::{Limits, Origin, OriginError, OriginKind};

/// An agent session, by the id under which it goes: that of an [`Origin`] of kind agent.
///
/// The id is a name and proves nothing: whoever may write the state file may use any. It keeps
/// sessions that work together out of each other's way; what an outsider may do, the grant says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentSession(Origin);

impl AgentSession {
    /// The session with this id.
    ///
    /// # Errors
    ///
    /// If the id is empty or has more than 1024 bytes.
    pub fn new(id: impl Into<String>) -> Result<Self, OriginError> {
        let max = Limits::DEFAULT.label_bytes_max;
        Origin::new(OriginKind::Agent, id.into(), max).map(Self)
    }

    /// The id; never empty.
    pub fn id(&self) -> &str {
        self.0.id()
    }

    /// What its ops carry.
    pub fn origin(&self) -> &Origin {
        &self.0
    }
}

/// In words, fit for a message.
impl fmt::Display for AgentSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.id().escape_debug())
    }
}
