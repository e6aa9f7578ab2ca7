//! The client's side of TLS: nothing is written on the connection before the server is known.

use std::io;
use std::sync::Arc;

use share_model::CertificatePin;
use share_model::address;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::client::{Resumption, WebPkiServerVerifier};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{CertificateError, ClientConfig, DEFAULT_VERSIONS, Error};

use super::authorities::Authorities;
use super::error::TlsError;
use super::verifier::{OtherPin, PinVerifier};
use super::{ALPN, provider};

/// The name of a server at a Unix socket, or of one whose name does not matter.
const LOCAL: &str = "localhost";

/// How a server's certificate is checked.
#[derive(Debug, Clone)]
pub enum TlsCheck {
    /// It is this one.
    Pin(CertificatePin),
    /// One of these vouches for it, and for the host of the address.
    Authorities(Authorities),
    /// Not at all: for who only asks whether a server is there. No secret may be sent.
    Nothing,
}

/// The handshake with a server at `address`, over `stream`. Bound its time.
///
/// # Errors
///
/// If the server is not who it must be, or does not speak TLS. No byte but those of the handshake
/// has left then.
pub async fn connect_tls<S>(
    stream: S,
    address: &str,
    check: &TlsCheck,
) -> Result<TlsStream<S>, TlsError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = server_name(address, check)?;
    let mut config = config(check)?;
    // What answers HTTP there may be anybody's, who has never heard of this protocol.
    if address::http(address).is_none() {
        config.alpn_protocols = vec![ALPN.to_vec()];
    }
    let config = Arc::new(config);
    TlsConnector::from(config)
        .connect(name, stream)
        .await
        .map_err(handshake_error)
}

fn config(check: &TlsCheck) -> Result<ClientConfig, TlsError> {
    let provider = provider();
    let pinned = |pin| {
        let provider = Arc::clone(&provider);
        Arc::new(PinVerifier { pin, provider }) as Arc<dyn ServerCertVerifier>
    };
    let verifier = match check {
        TlsCheck::Pin(pin) => pinned(Some(*pin)),
        TlsCheck::Nothing => pinned(None),
        TlsCheck::Authorities(authorities) => {
            let roots = authorities.roots()?;
            WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
                .build()
                .map_err(|_| TlsError::NoAuthorities)?
        }
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(DEFAULT_VERSIONS)
        .expect("ring has ciphers for TLS 1.2 and 1.3")
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    // Who goes by a pin tells no name of the server to who listens on the way.
    config.enable_sni = matches!(check, TlsCheck::Authorities(_));
    Ok(config)
}

fn server_name(address: &str, check: &TlsCheck) -> Result<ServerName<'static>, TlsError> {
    let host = match (check, address::unix_path(address)) {
        (TlsCheck::Authorities(_), None) => address::host(address),
        _ => Some(LOCAL),
    };
    host.and_then(|host| ServerName::try_from(host.to_owned()).ok())
        .ok_or_else(|| TlsError::NoName {
            address: address.to_owned(),
        })
}

/// What a failed handshake means. An I/O error of rustls holds one of TLS.
pub(super) fn handshake_error(error: io::Error) -> TlsError {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<Error>());
    match tls {
        Some(Error::InvalidCertificate(CertificateError::Other(other))) => {
            match other.0.downcast_ref::<OtherPin>() {
                Some(&OtherPin { expected, seen }) => TlsError::WrongPin { expected, seen },
                None => not_trusted(other),
            }
        }
        Some(Error::InvalidCertificate(wrong)) => not_trusted(wrong),
        None => TlsError::Lost(error),
        Some(Error::InvalidMessage(_)) => TlsError::Handshake {
            reason: "what the other side says is not TLS".to_owned(),
        },
        Some(other) => TlsError::Handshake {
            reason: other.to_string(),
        },
    }
}

fn not_trusted(wrong: &impl ToString) -> TlsError {
    TlsError::NotTrusted {
        reason: wrong.to_string(),
    }
}
