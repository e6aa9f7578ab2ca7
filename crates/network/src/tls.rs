//! TLS under a connection (`docs/design.md` §5): a server's certificate, and how a client checks it
//! by a ref's pin or by authorities. Versions 1.2 and 1.3; nothing is resumed, so that every
//! connection checks the certificate itself.

mod authorities;
mod client;
mod error;
mod identity;
mod pem;
mod self_made;
mod server;
mod sniff;
mod verifier;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

pub use authorities::Authorities;
pub use client::{TlsCheck, connect_tls};
pub use error::{CertificateError, TlsError};
pub use identity::Identity;
pub use self_made::{SelfMade, make_certificate};
pub use server::ServerTls;
pub use sniff::{Beginning, Replayed, begins_with};

/// What both sides offer by ALPN; a client of another program may offer nothing.
const ALPN: &[u8] = b"share/1";

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests;
