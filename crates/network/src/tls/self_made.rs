//! A certificate that a server makes for itself; refs pin it, so that nobody needs to vouch for it.

use std::fmt;

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::error::CertificateError;
use super::pem::to_pem;

/// A name that every such certificate has, and no host.
const NAME: &str = "share.invalid";

/// A certificate and its key, as text for files. Its `Debug` shows neither.
pub struct SelfMade {
    /// The certificate, PEM.
    pub certificate: String,
    /// The key, PEM. A secret.
    pub key: String,
}

impl fmt::Debug for SelfMade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SelfMade(hidden)")
    }
}

/// Makes a certificate with a new key, P-256, for `hosts` besides [`struct@SelfMade`]'s own name.
/// What is no host's name is left out: a pin asks for none. The key comes from the machine's
/// randomness as `ring` gets it, not through a seam: TLS itself takes no other.
///
/// # Errors
///
/// If the machine gives no randomness.
pub fn make_certificate(hosts: &[String]) -> Result<SelfMade, CertificateError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(CertificateError::Making)?;
    let names = [&[NAME.to_owned()], hosts].concat();
    // A name that can't stand in a certificate must not keep a server from starting.
    let mut params = CertificateParams::new(names)
        .or_else(|_| CertificateParams::new(vec![NAME.to_owned()]))
        .map_err(CertificateError::Making)?;
    // Its dates are the library's, from 1975 to 4096: who pins it does not look at them.
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, "share server");
    let certificate = params.self_signed(&key).map_err(CertificateError::Making)?;
    Ok(SelfMade {
        certificate: to_pem("CERTIFICATE", certificate.der()),
        key: to_pem("PRIVATE KEY", key.serialized_der()),
    })
}
