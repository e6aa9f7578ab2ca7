//! PEM: reading it by a library, and writing the two blocks that a server makes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::error::CertificateError;

/// Characters of a line.
const LINE: usize = 64;

/// `der` as a PEM block named `label`.
pub(super) fn to_pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut pem = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(LINE) {
        pem.extend(line.iter().copied().map(char::from));
        pem.push('\n');
    }
    pem + &format!("-----END {label}-----\n")
}

/// The certificates of a file, the server's own first.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let what = "certificate";
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match read {
        Ok(certificates) if certificates.is_empty() => Err(CertificateError::Missing { what }),
        Ok(certificates) => Ok(certificates),
        // Its message may quote the file.
        Err(_) => Err(CertificateError::NotPem { what }),
    }
}

/// The key of a file.
pub(super) fn key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, CertificateError> {
    let what = "key";
    match PrivateKeyDer::pem_slice_iter(pem).next() {
        Some(Ok(key)) => Ok(key),
        Some(Err(_)) => Err(CertificateError::NotPem { what }),
        None => Err(CertificateError::Missing { what }),
    }
}
