//! What can go wrong between this side and a server.

use share_model::{CertificatePin, Refusal};
use share_network::tls::TlsError;
use share_proto::wire::WireError;

/// Why a call on a server has no answer that can be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The server refused; its code says what to do.
    #[error("refused")]
    Refused(#[source] Refusal),
    /// None of the addresses answers. Safe to try again.
    #[error("no server answers at {addresses}: {reason}")]
    Unreachable {
        /// `HOST:PORT` of each, as tried.
        addresses: String,
        /// What the last one said.
        reason: String,
    },
    /// The server has another certificate than the ref pins: its own was made anew, or somebody else
    /// answers in its place. Nothing was sent to it.
    #[error("{address} has the certificate {seen}, but the ref pins {expected}: nothing was sent")]
    WrongCertificate {
        /// The address.
        address: String,
        /// What the ref pins.
        expected: CertificatePin,
        /// What the server has.
        seen: CertificatePin,
    },
    /// Nobody vouches for the server. Nothing was sent to it.
    #[error("{address} is not trusted: {reason}; nothing was sent")]
    NotTrusted {
        /// The address.
        address: String,
        /// Why.
        reason: String,
    },
    /// The connection was lost; whether the call took effect is not known. Safe to repeat.
    #[error("the connection was lost: {reason}")]
    Disconnected {
        /// As far as it is known.
        reason: String,
    },
    /// The server did not answer in time; whether the call took effect is not known.
    #[error("no answer within {timeout_ms} ms")]
    NoAnswer {
        /// How long was waited.
        timeout_ms: u64,
    },
    /// The server has too much to do. Later, on the same connection.
    #[error("the server is overloaded: {reason}")]
    Overloaded {
        /// What it said.
        reason: String,
    },
    /// The server does not know the method: it is older.
    #[error("the server does not implement this: upgrade the server ({reason})")]
    Unimplemented {
        /// What it said.
        reason: String,
    },
    /// Another flusher has the share's lease and replays it: this side was not asked.
    #[error("process {pid} of host `{host}` has replayed it since {since_unix_ms} (Unix time, ms)")]
    HeldElsewhere {
        /// The process, by its number there.
        pid: u32,
        /// Its machine or container.
        host: String,
        /// When it took the lease.
        since_unix_ms: u64,
    },
    /// A bug of the other side, or a message that can't be read.
    #[error("the server failed: {reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
}

impl ClientError {
    /// Whether this side could not talk to the server at all, or lost it: trying again is safe and
    /// makes sense.
    pub fn is_transport(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Disconnected { .. } | Self::NoAnswer { .. } => true,
            Self::Refused(_)
            | Self::WrongCertificate { .. }
            | Self::NotTrusted { .. }
            | Self::Overloaded { .. }
            | Self::Unimplemented { .. }
            | Self::HeldElsewhere { .. }
            | Self::Failed { .. } => false,
        }
    }

    /// Whether a server answers that is not, or can't show that it is, the one which the ref means.
    pub fn is_about_identity(&self) -> bool {
        matches!(
            self,
            Self::WrongCertificate { .. } | Self::NotTrusted { .. }
        )
    }

    /// What a failed handshake with `address` means; `None`: it says nothing of who answers there.
    pub(super) fn of_identity(address: &str, error: &TlsError) -> Option<Self> {
        let address = address.to_owned();
        match *error {
            TlsError::WrongPin { expected, seen } => Some(Self::WrongCertificate {
                address,
                expected,
                seen,
            }),
            _ if error.is_about_identity() => Some(Self::NotTrusted {
                address,
                reason: error.to_string(),
            }),
            _ => None,
        }
    }
}

impl From<Refusal> for ClientError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// A kind of exception says only how to react (`schema/refusal.capnp`).
impl From<capnp::Error> for ClientError {
    fn from(error: capnp::Error) -> Self {
        let reason = error.extra;
        match error.kind {
            capnp::ErrorKind::Disconnected => Self::Disconnected { reason },
            capnp::ErrorKind::Overloaded => Self::Overloaded { reason },
            capnp::ErrorKind::Unimplemented => Self::Unimplemented { reason },
            kind => Self::Failed {
                reason: format!("{kind}: {reason}"),
            },
        }
    }
}

impl From<WireError> for ClientError {
    fn from(error: WireError) -> Self {
        Self::Failed {
            reason: format!("its answer: {error}"),
        }
    }
}
