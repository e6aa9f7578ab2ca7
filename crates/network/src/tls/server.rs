//! The server's side of TLS, with a certificate that can be replaced while it serves.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use share_model::CertificatePin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{DEFAULT_VERSIONS, ServerConfig};
use tokio_rustls::server::TlsStream;

use super::error::TlsError;
use super::identity::Identity;
use super::{ALPN, client, provider};

/// What a server does TLS with. Its `Debug` shows the pin only.
#[derive(Clone)]
pub struct ServerTls {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
}

/// The certificate that new connections get.
#[derive(Debug)]
struct Current(RwLock<Identity>);

impl ServerTls {
    /// Serves `identity`.
    pub fn new(identity: Identity) -> Self {
        let current = Arc::new(Current(RwLock::new(identity)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(DEFAULT_VERSIONS)
            .expect("ring has ciphers for TLS 1.2 and 1.3")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![ALPN.to_vec()];
        // A resumed connection would go by a certificate that was seen earlier.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Self {
            config: Arc::new(config),
            current,
        }
    }

    /// From now on new connections get `identity`; live ones stay as they are.
    pub fn replace(&self, identity: Identity) {
        *self
            .current
            .0
            .write()
            .unwrap_or_else(PoisonError::into_inner) = identity;
    }

    /// Of the certificate that new connections get.
    pub fn pin(&self) -> CertificatePin {
        self.current.get().pin()
    }

    /// The handshake. Bound its time.
    ///
    /// # Errors
    ///
    /// If the client does not speak TLS, or wants none of this.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        TlsAcceptor::from(Arc::clone(&self.config))
            .accept(stream)
            .await
            .map_err(client::handshake_error)
    }
}

impl Current {
    fn get(&self) -> Identity {
        let current = self.0.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerTls({})", self.pin())
    }
}

impl ResolvesServerCert for Current {
    /// The same for every name: a client with a pin asks by none.
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.get().certified)
    }
}
