//! Rights, and where shares, grants and revocations come from.

use serde::{Deserialize, Serialize};

/// One right of a grant. Each stands for itself; an owner has all three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Right {
    // The order of the variants is persisted: keep stable.
    /// Document, log, subscriptions.
    Read,
    /// Claim a writer and append.
    Append,
    /// Grants, epoch, freeze, delete.
    Admin,
}

/// A set of rights.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rights(u8);

impl Rights {
    /// No right.
    pub const NONE: Self = Self(0);
    /// What an owner has.
    pub const ALL: Self = Self(0b111);

    /// The set of these rights.
    pub fn of(rights: &[Right]) -> Self {
        Self(rights.iter().fold(0, |bits, right| bits | bit(*right)))
    }

    /// Whether `right` is in the set.
    pub const fn has(self, right: Right) -> bool {
        self.0 & bit(right) != 0
    }

    /// Whether every right of `other` is in this set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

// Persisted and on the wire: keep stable.
const fn bit(right: Right) -> u8 {
    match right {
        Right::Read => 1,
        Right::Append => 2,
        Right::Admin => 4,
    }
}

/// What kind of party an [`Origin`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum OriginKind {
    // The order of the variants is persisted: keep stable.
    /// A person.
    User,
    /// An agent session.
    Agent,
    /// The system itself.
    System,
    /// An import of what was shared elsewhere.
    Import,
}

impl OriginKind {
    /// The kind's name, as the schema has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Agent => "agent",
            Self::System => "system",
            Self::Import => "import",
        }
    }
}

/// Who made a share, grant or revocation, or whose an op is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    kind: OriginKind,
    id: String,
}

/// An [`Origin`] that is refused before anything is stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OriginError {
    /// The id is empty.
    #[error("origin id is empty")]
    Empty,
    /// The id is too long.
    #[error("origin id has {bytes} bytes, limit is {max}")]
    TooLong {
        /// How long it is.
        bytes: usize,
        /// How long it may be.
        max: u32,
    },
}

impl Origin {
    /// The origin of this kind and id.
    ///
    /// # Errors
    ///
    /// If the id is empty, or longer than `bytes_max`.
    pub fn new(kind: OriginKind, id: String, bytes_max: u32) -> Result<Self, OriginError> {
        if id.is_empty() {
            return Err(OriginError::Empty);
        }
        if id.len() > bytes_max as usize {
            return Err(OriginError::TooLong {
                bytes: id.len(),
                max: bytes_max,
            });
        }
        Ok(Self { kind, id })
    }

    /// What kind of party.
    pub fn kind(&self) -> OriginKind {
        self.kind
    }

    /// Which one; never empty.
    pub fn id(&self) -> &str {
        &self.id
    }
}
