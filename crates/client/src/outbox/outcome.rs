//! What became of an op, for good.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use share_model::{Cursor, OpId, RefusalCode, RejectReason, Seq, ShareId};

use super::error::OutboxError;
use super::stop::code_named;

/// Persisted, keep stable.
const FORMAT: u8 = 1;

/// The end of an op.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    // The order of the variants is persisted: keep stable.
    /// Applied; the share's cursor after it.
    Applied(Cursor),
    /// Applied by an earlier send whose answer was lost, or by a copy; the cursor that it got then.
    Duplicate(Cursor),
    /// Not applied, and it never will be: whoever wants it after all enqueues a new op.
    DeadLetter(Failure),
    /// Whether it was applied can't be told. A person looks at the share and, if it is wanted,
    /// enqueues a new op.
    InDoubt,
}

/// Why an op was given up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
pub enum Failure {
    // The order of the variants is persisted: keep stable.
    /// The share rejected it, and nothing changed that while it was tried again.
    #[error("{0}")]
    Rejected(RejectReason),
    /// The server refused the batch because of it.
    #[error("{message} ({})", code.name())]
    Refused {
        /// Why.
        #[serde(serialize_with = "write_code", deserialize_with = "read_code")]
        code: RefusalCode,
        /// For a person.
        message: String,
    },
    /// It was given up by a copy of this outbox.
    #[error("a copy of this outbox gave the op up")]
    AbandonedElsewhere,
    /// It was in doubt when its server was restored, and was given up.
    #[error(
        "whether it was applied could not be told before the server was restored; it was given up"
    )]
    Doubted,
}

fn write_code<S: Serializer>(code: &RefusalCode, serializer: S) -> Result<S::Ok, S::Error> {
    code.name().serialize(serializer)
}

fn read_code<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RefusalCode, D::Error> {
    Ok(code_named(&String::deserialize(deserializer)?))
}

/// An op has ended; told after its outcome is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutcomeEvent {
    /// The share.
    pub share: ShareId,
    /// The op's seq.
    pub seq: Seq,
    /// The op's id.
    pub op_id: OpId,
    /// What became of it.
    pub outcome: Outcome,
}

pub(super) fn encode(outcome: &Outcome) -> Result<Vec<u8>, OutboxError> {
    postcard::to_extend(outcome, vec![FORMAT]).map_err(|_| OutboxError::Unreadable {
        what: "an outcome that was just made",
    })
}

pub(super) fn decode(bytes: &[u8]) -> Result<Outcome, OutboxError> {
    match bytes.split_first() {
        Some((&FORMAT, rest)) => {
            postcard::from_bytes(rest).map_err(|_| OutboxError::Unreadable { what: "an outcome" })
        }
        _ => Err(OutboxError::Unreadable {
            what: "an outcome of an unknown format",
        }),
    }
}
