//! Checking a server's certificate by its pin, or not at all.

use std::sync::Arc;

use share_model::CertificatePin;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, SignatureScheme,
};

/// Takes the certificate with the pin, whatever its name, date or issuer; without a pin, any. That
/// the server has the certificate's key is checked either way.
#[derive(Debug)]
pub(super) struct PinVerifier {
    pub(super) pin: Option<CertificatePin>,
    pub(super) provider: Arc<CryptoProvider>,
}

/// Two pins that differ.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("certificate {seen} where {expected} is pinned")]
pub(super) struct OtherPin {
    pub(super) expected: CertificatePin,
    pub(super) seen: CertificatePin,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let seen = CertificatePin::of(end_entity);
        match self.pin {
            Some(expected) if expected != seen => {
                let other = OtherError(Arc::new(OtherPin { expected, seen }));
                Err(Error::InvalidCertificate(CertificateError::Other(other)))
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
    }
}
