//! Why a run has no figures.

use share_client::ClientError;
use share_proto::wire;

/// Why a run has no figures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A file or socket failed.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// The server threw.
    #[error("{0}")]
    Rpc(#[from] capnp::Error),
    /// The server answered what can't be read.
    #[error("{0}")]
    Wire(#[from] wire::WireError),
    /// The server refused.
    #[error("{0}")]
    Refused(#[from] share_model::Refusal),
    /// The server process failed.
    #[error("{0}")]
    Process(#[from] share_faults::ProcessError),
    /// The client library has no answer.
    #[error("{0}")]
    Client(ClientError),
    /// Something that the scenario relies on did not hold.
    #[error("{0}")]
    Unexpected(String),
}

/// What refuses is told by its refusal.
impl From<ClientError> for BenchError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(refusal) => Self::Refused(refusal),
            error => Self::Client(error),
        }
    }
}
