//! What can be wrong with a message.

use std::fmt;

use capnp::ErrorKind;

use share_model::{OriginError, OwnerIdError, Refusal, RefusalCode, RefusalDetail, Seq};

/// A message that can't be read as a value: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireError {
    /// The field, as the schema names it.
    pub field: &'static str,
    /// The place in the batch, the log or another list, counting from 0, if the field stands in one.
    pub index: Option<usize>,
    /// What is wrong.
    pub fault: WireFault,
}

/// What is wrong with a field.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WireFault {
    /// The message's pointers do not hold together, or lead to more than may be read.
    #[error("is malformed: {0}")]
    Malformed(ErrorKind),
    /// A text is not UTF-8.
    #[error("is not UTF-8")]
    NotUtf8,
    /// Bytes are more or fewer than the field has.
    #[error("has {actual} bytes, must have {expected}")]
    Length {
        /// How many there are.
        actual: usize,
        /// How many there must be.
        expected: usize,
    },
    /// A union, or an enumerant, that was never set.
    #[error("is not set")]
    Unset,
    /// A member of a union, or an enumerant, that this version does not know.
    #[error("is {0}, which this version does not know")]
    Unknown(u16),
    /// A number or a list that must not be zero or empty.
    #[error("is zero or empty")]
    Empty,
    /// A number that must be zero here.
    #[error("is {0}, must be zero without a history")]
    NotZero(u64),
    /// A word on TLS where a pin has said all.
    #[error("is set beside a pin")]
    BesidePin,
    /// More than the limit.
    #[error("has {actual} {unit}, limit is {max}")]
    TooMany {
        /// How many there are.
        actual: u64,
        /// How many there may be.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// A batch beyond the limit of its entries or bytes.
    #[error("has {actual} {unit}, limit is {max}")]
    BatchTooLarge {
        /// The op that breaks the limit by itself; zero: it takes several.
        seq: Seq,
        /// How much there is up to where the limit is broken.
        actual: u64,
        /// How much there may be.
        max: u64,
        /// What is counted.
        unit: &'static str,
    },
    /// Counts that do not add up to the number of entries.
    #[error("stand for {actual} entries, the batch has {expected}")]
    Count {
        /// Up to where it was counted.
        actual: u64,
        /// What was sent.
        expected: usize,
    },
    /// A run of cursors beyond the greatest cursor.
    #[error("go beyond the greatest cursor")]
    CursorOverflow,
    /// Who made something is not said properly.
    #[error("is refused: {0}")]
    Origin(#[source] OriginError),
    /// A text that names no owner.
    #[error("is refused: {0}")]
    Owner(#[source] OwnerIdError),
}

impl WireError {
    pub(super) fn new(field: &'static str, fault: WireFault) -> Self {
        Self {
            field,
            index: None,
            fault,
        }
    }

    /// The same error, of the item at `index` of a list.
    pub(super) fn at(self, index: usize) -> Self {
        Self {
            index: Some(index),
            ..self
        }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.field)?;
        if let Some(index) = self.index {
            write!(f, " of item {index}")?;
        }
        write!(f, " {}", self.fault)
    }
}

impl std::error::Error for WireError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.fault)
    }
}

/// What the peer is told: `batchTooLarge` for a batch beyond its limits, else `invalidRequest`; with
/// the field in the message, and the limit as a fact where one is broken.
impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        match error.fault {
            WireFault::BatchTooLarge {
                seq, actual, max, ..
            } => Self::new(RefusalCode::BatchTooLarge, error.to_string())
                .with_detail(RefusalDetail::Limit { seq, actual, max }),
            WireFault::TooMany { actual, max, .. } => {
                Self::new(RefusalCode::InvalidRequest, error.to_string()).with_detail(
                    RefusalDetail::Limit {
                        seq: Seq::ZERO,
                        actual,
                        max,
                    },
                )
            }
            WireFault::Malformed(_)
            | WireFault::NotUtf8
            | WireFault::Length { .. }
            | WireFault::Unset
            | WireFault::Unknown(_)
            | WireFault::Empty
            | WireFault::NotZero(_)
            | WireFault::BesidePin
            | WireFault::Count { .. }
            | WireFault::CursorOverflow
            | WireFault::Origin(_)
            | WireFault::Owner(_) => Self::new(RefusalCode::InvalidRequest, error.to_string()),
        }
    }
}
