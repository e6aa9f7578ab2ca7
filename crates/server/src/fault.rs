//! Why a call gets no outcome at all: the exceptions of the wire, as values.

use crate::store::StoreError;

/// Why a call gets no outcome. Nothing was acked; whether something took effect is to be found out
/// by making the call again, which is safe for every repeatable one.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Fault {
    /// As many calls as may wait for one share are waiting.
    #[error("{calls} calls wait for the share already, come again later")]
    QueueFull {
        /// How many may wait.
        calls: usize,
    },
    /// As many bytes as may wait are waiting.
    #[error("calls with too many bytes are waiting already, come again later")]
    BytesFull,
    /// As many of something as one may hold are held.
    #[error("{what}: {max} are held already, which is the limit")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may be.
        max: usize,
    },
    /// Something is done more often than it may be.
    #[error("{what}: {per_second} a second are the limit, come again later")]
    TooOften {
        /// What.
        what: &'static str,
        /// How often it may be.
        per_second: u32,
    },
    /// Somebody else committed to the share each time that it was tried.
    #[error("the share was changed from elsewhere {tries} times in a row, come again later")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// The call took too long.
    #[error("no outcome within {ms} ms, call again")]
    Deadline {
        /// How long it might take.
        ms: u128,
    },
    /// The server ends.
    #[error("the server is shutting down, connect again")]
    Draining,
    /// The owner of the share's state has ended.
    #[error("the share was unloaded, connect again")]
    Unloaded,
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record of the server's can't be read.
    #[error("the server's record `{name}` can't be read: restore the data folder from a backup")]
    ServerRecord {
        /// Its name.
        name: String,
    },
    /// What the store holds contradicts the rules.
    #[error("the share's records can't be applied")]
    Record(#[from] share_engine::RecordError),
}

/// How the other side reacts to a [`Fault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reaction {
    /// The same call later.
    Later,
    /// Connect again and replay.
    Reconnect,
    /// Nothing helps: a bug or damage, for a person.
    Report,
}

impl Fault {
    /// How the other side reacts.
    pub(crate) fn reaction(&self) -> Reaction {
        match self {
            Self::QueueFull { .. }
            | Self::BytesFull
            | Self::TooMany { .. }
            | Self::TooOften { .. }
            | Self::Contended { .. }
            | Self::Deadline { .. }
            | Self::Store(StoreError::Overloaded | StoreError::Full { .. }) => Reaction::Later,
            Self::Draining | Self::Unloaded | Self::Store(StoreError::Stopped { .. }) => {
                Reaction::Reconnect
            }
            Self::Record(_)
            | Self::ServerRecord { .. }
            | Self::Store(
                StoreError::Invalid { .. }
                | StoreError::TooLarge { .. }
                | StoreError::Corrupt { .. }
                | StoreError::Newer { .. }
                | StoreError::Foreign { .. }
                | StoreError::Locked { .. }
                | StoreError::Io { .. },
            ) => Reaction::Report,
        }
    }
}
