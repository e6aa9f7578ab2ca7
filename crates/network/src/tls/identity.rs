//! What a server shows: its certificate, and the key that proves it.

use std::fmt;
use std::sync::Arc;

use share_model::CertificatePin;
use tokio_rustls::rustls::sign::CertifiedKey;

use super::error::CertificateError;
use super::{pem, provider};

/// A certificate and its key, which fit each other. Its `Debug` shows the pin only.
#[derive(Clone)]
pub struct Identity {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) pin: CertificatePin,
}

impl Identity {
    /// Reads the certificate (and those that lead to its authority) and the key, both PEM.
    ///
    /// # Errors
    ///
    /// If one is missing or malformed, or the key is of another certificate.
    pub fn from_pem(certificates: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let certificates = pem::certificates(certificates)?;
        let key = pem::key(key)?;
        let pin = match certificates.first() {
            Some(own) => CertificatePin::of(own),
            None => {
                let what = "certificate";
                return Err(CertificateError::Missing { what });
            }
        };
        let certified = CertifiedKey::from_der(certificates, key, &provider())
            .map_err(CertificateError::Key)?;
        Ok(Self {
            certified: Arc::new(certified),
            pin,
        })
    }

    /// SHA-256 of the certificate: what a ref pins.
    pub fn pin(&self) -> CertificatePin {
        self.pin
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({})", self.pin)
    }
}
