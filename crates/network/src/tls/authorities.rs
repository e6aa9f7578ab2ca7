//! Whom a client trusts to vouch for a server without a pin.

use std::sync::{Arc, OnceLock};

use tokio_rustls::rustls::RootCertStore;

use super::error::{CertificateError, TlsError};
use super::pem;

/// Authorities that vouch for servers. Cheap to clone; the machine's are read once, when they are
/// first needed.
#[derive(Debug, Clone, Default)]
pub struct Authorities {
    known: Arc<OnceLock<Arc<RootCertStore>>>,
}

impl Authorities {
    /// Those that this machine trusts: of the system, or of SSL_CERT_FILE and SSL_CERT_DIR if they
    /// are set.
    pub fn of_this_machine() -> Self {
        Self::default()
    }

    /// Those of a PEM text, and no others.
    ///
    /// # Errors
    ///
    /// If it is no PEM, or holds no certificate.
    pub fn from_pem(text: &[u8]) -> Result<Self, CertificateError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(pem::certificates(text)?);
        let known = OnceLock::from(Arc::new(roots));
        Ok(Self {
            known: Arc::new(known),
        })
    }

    /// Reads files the first time.
    pub(super) fn roots(&self) -> Result<Arc<RootCertStore>, TlsError> {
        if let Some(roots) = self.known.get() {
            return Ok(Arc::clone(roots));
        }
        let mut roots = RootCertStore::empty();
        // One that can't be read is left out: the others still vouch.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        Ok(Arc::clone(self.known.get_or_init(|| Arc::new(roots))))
    }
}
