//! What is wrong with a certificate, or with the TLS of a connection.

use std::io;

use share_model::CertificatePin;
use tokio_rustls::rustls;

/// Why a certificate and its key can't be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file is not PEM.
    #[error("the file of the {what} is not PEM, or is cut off")]
    NotPem {
        /// Certificate or key.
        what: &'static str,
    },
    /// There is none in the file.
    #[error("the file has no {what} in PEM form")]
    Missing {
        /// Certificate or key.
        what: &'static str,
    },
    /// The key is of a kind that can't be used, or belongs to another certificate.
    #[error("the key does not fit the certificate, or is of a kind that can't be used")]
    Key(#[source] rustls::Error),
    /// No certificate can be made.
    #[error("make a certificate")]
    Making(#[source] rcgen::Error),
}

/// Why a connection has no TLS that can be trusted. Nothing of a ref was sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The server has another certificate than the ref pins.
    #[error("the server's certificate is {seen}, the ref pins {expected}")]
    WrongPin {
        /// What the ref pins.
        expected: CertificatePin,
        /// What the server has.
        seen: CertificatePin,
    },
    /// The authorities do not vouch for the server.
    #[error("its certificate does not hold ({reason})")]
    NotTrusted {
        /// What is wrong with it.
        reason: String,
    },
    /// No authority is known, so that no certificate can be checked.
    #[error(
        "this machine has no certificates of authorities: install them (`ca-certificates`), or name \
         a file of them in SSL_CERT_FILE"
    )]
    NoAuthorities,
    /// The address has no name that a certificate could be for.
    #[error("`{address}` has no host that a certificate could be for")]
    NoName {
        /// The address.
        address: String,
    },
    /// The other side does not speak TLS, or wants none of what this one offers.
    #[error("the TLS handshake failed: {reason}")]
    Handshake {
        /// What it did instead.
        reason: String,
    },
    /// The other side left in the handshake: it may not speak TLS.
    #[error(
        "the other side closed the connection in the TLS handshake ({0}): it may not speak TLS"
    )]
    Lost(io::Error),
}

impl TlsError {
    /// Whether the server is there, but is not, or can't show that it is, the one that is wanted: a
    /// person must look, although a later try may meet the right one.
    pub fn is_about_identity(&self) -> bool {
        match self {
            Self::WrongPin { .. }
            | Self::NotTrusted { .. }
            | Self::NoAuthorities
            | Self::NoName { .. } => true,
            Self::Handshake { .. } | Self::Lost(_) => false,
        }
    }
}
