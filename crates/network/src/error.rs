//! Why a connection ended.

use std::io;

use crate::frame::FrameError;

/// Why a connection ended before its peer left in order. Nothing of what was sent is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum NetworkError {
    /// What came is no message that may be read.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A peer that has proven nothing announced a message that only others may send.
    #[error(
        "{announced} bytes were announced before an authority was proven, at most {max} may be"
    )]
    Unproven { announced: usize, max: usize },
    /// No message came.
    #[error("no message came within {ms} ms")]
    FirstMessage { ms: u128 },
    /// A message was begun and not gone on with.
    #[error("a message went on by less than {bytes} bytes within {ms} ms")]
    MessageStall { bytes: usize, ms: u128 },
    /// The peer does not read.
    #[error("the peer took nothing for {ms} ms")]
    WriteStall { ms: u128 },
    /// A message is not one of Cap'n Proto's protocol.
    #[error("a message can't be read: {kind}")]
    Malformed { kind: capnp::ErrorKind },
    /// A message brings too many capabilities.
    #[error("a message brings {count} capabilities, at most {max} may come in one")]
    Capabilities { count: u32, max: usize },
    /// A call has the number of another that is not over.
    #[error("the number of a call is in use")]
    QuestionInUse,
    /// An answer came to something that was not asked.
    #[error("an answer came to a call that is over or was not made")]
    AnswerUnasked,
    /// The peer gave up too many calls.
    #[error("the peer gave up more than {max} calls of one connection")]
    Cancelled { max: usize },
    /// The peer keeps too many answers.
    #[error("the peer keeps more than {max} answers")]
    Answers { max: usize },
    /// The peer keeps answers that are too large.
    #[error("the peer keeps answers of more than {max} bytes")]
    AnswerBytes { max: usize },
    /// The peer was handed too many capabilities.
    #[error("the peer holds more than {max} capabilities")]
    Exports { max: usize },
    /// The peer leaves too many calls unanswered.
    #[error("the peer leaves more than {max} calls unanswered")]
    Asked { max: usize },
    /// The stream ended within a message.
    #[error("the connection was cut within a message")]
    Cut,
    /// The stream failed.
    #[error("the connection failed: {0}")]
    Io(io::ErrorKind),
}

impl From<io::Error> for NetworkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error.kind())
    }
}

impl From<capnp::Error> for NetworkError {
    fn from(error: capnp::Error) -> Self {
        Self::Malformed { kind: error.kind }
    }
}

impl From<capnp::NotInSchema> for NetworkError {
    fn from(_: capnp::NotInSchema) -> Self {
        Self::Malformed {
            kind: capnp::ErrorKind::EnumValueOrUnionDiscriminantNotPresent(capnp::NotInSchema(0)),
        }
    }
}

impl From<NetworkError> for capnp::Error {
    /// As calls in flight end: whether another connection may go better is in the kind.
    fn from(error: NetworkError) -> Self {
        let text = error.to_string();
        match error {
            NetworkError::FirstMessage { .. }
            | NetworkError::MessageStall { .. }
            | NetworkError::WriteStall { .. }
            | NetworkError::Cancelled { .. }
            | NetworkError::Cut
            | NetworkError::Io(_) => Self::disconnected(text),
            NetworkError::Frame(_)
            | NetworkError::Unproven { .. }
            | NetworkError::Malformed { .. }
            | NetworkError::Capabilities { .. }
            | NetworkError::QuestionInUse
            | NetworkError::AnswerUnasked
            | NetworkError::Answers { .. }
            | NetworkError::AnswerBytes { .. }
            | NetworkError::Exports { .. }
            | NetworkError::Asked { .. } => Self::failed(text),
        }
    }
}
