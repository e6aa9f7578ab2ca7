//! Serving the HTTP face: connections as those of RPC are accepted and protected, at a place of its own.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use share_model::address;
use share_web::{Face, FaceOptions, Hosts};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, info, info_span};

use super::accept::Accepted;
use super::error::ServerError;
use super::listener::{Io, Listening, Reach, Transport};
use super::opening::Opening;
use super::report;
use super::security::Protecting;
use crate::http::{HttpBackend, HttpCreate, HttpOptions};
use crate::rpc::Door;
use crate::server::options::ServerLimits;

/// Under what the face is asked on what is no network: a Unix socket, or a pipe in memory.
const LOCAL_URL: &str = "http://localhost";

/// What the HTTP face is before it is served: what others are told of it.
#[derive(Debug)]
pub(super) struct HttpFace {
    create: HttpCreate,
    hosts: Hosts,
    /// Under which people reach it.
    pub(super) url: String,
}

impl HttpFace {
    /// The face at these addresses; refs name those of `advertised` where HTTP is spoken.
    pub(super) fn at(
        (listening, advertised): (&[Listening], &[String]),
        options: &HttpOptions,
        protecting: &Protecting,
    ) -> Result<Self, ServerError> {
        // What serves a public URL stands before the face, and lets others in.
        let is_local =
            options.public_url.is_none() && listening.iter().all(|it| it.reach == Reach::Machine);
        let create = options.create.unwrap_or(match is_local {
            true => HttpCreate::Open,
            false => HttpCreate::Token,
        });
        let mut hosts = Hosts::new();
        for it in listening {
            hosts = match it.address.parse::<SocketAddr>() {
                Ok(address) => hosts.listening(address),
                Err(_) => public(hosts, LOCAL_URL)?,
            };
        }
        for address in advertised {
            if let Some(host) = address::http(address) {
                let scheme = if address::is_https(address) {
                    "https"
                } else {
                    "http"
                };
                hosts = public(hosts, &format!("{scheme}://{host}"))?;
            }
        }
        if let Some(url) = &options.public_url {
            hosts = public(hosts, url)?;
        }
        let has_url = |it: &&Listening| it.address.parse::<SocketAddr>().is_ok();
        let first = || match listening.iter().find(has_url) {
            Some(it) => url_of(it, protecting),
            None => LOCAL_URL.to_owned(),
        };
        Ok(Self {
            create,
            hosts,
            url: options.public_url.clone().unwrap_or_else(first),
        })
    }

    /// What serves it; `drain` ends it.
    pub(super) fn serving(
        self,
        door: Door,
        opening: Opening,
        limits: &ServerLimits,
    ) -> HttpServing {
        let drain = door.drain.clone();
        let options = FaceOptions {
            hosts: self.hosts,
            limits: limits.web,
            clock: Arc::clone(&door.seams.clock),
            entropy: Arc::clone(&door.seams.entropy),
        };
        let backend = HttpBackend::new(door, self.create, self.url, limits.http.clone());
        let backend = Arc::new(backend);
        HttpServing {
            face: Face::new(Arc::clone(&backend) as _, options),
            backend,
            opening,
            drain,
        }
    }
}

fn public(hosts: Hosts, url: &str) -> Result<Hosts, ServerError> {
    hosts.public(url).map_err(ServerError::PublicUrl)
}

/// Where the face listens, as it is asked there; a Unix socket has no URL.
pub(super) fn urls(listening: &[Listening], protecting: &Protecting) -> Vec<String> {
    let urls = listening.iter().map(|it| url_of(it, protecting));
    urls.collect()
}

fn url_of(Listening { address, reach }: &Listening, protecting: &Protecting) -> String {
    match (
        address::unix_path(address),
        protecting.is_plain_allowed(*reach),
    ) {
        (Some(_), _) => address.clone(),
        (None, true) => format!("http://{address}"),
        (None, false) => format!("https://{address}"),
    }
}

/// The HTTP face, and what it is served with.
#[derive(Debug, Clone)]
pub(super) struct HttpServing {
    face: Face,
    backend: Arc<HttpBackend>,
    opening: Opening,
    drain: watch::Receiver<bool>,
}

impl HttpServing {
    /// Serves the connections that come, until no more do and all have ended.
    pub(super) async fn run(self, mut incoming: mpsc::Receiver<Accepted>) {
        let mut connections = JoinSet::new();
        let backend = Arc::clone(&self.backend);
        let mut sweeping = std::pin::pin!(backend.sweep());
        loop {
            tokio::select! {
                biased;
                Some(ended) = connections.join_next() => report(ended),
                () = &mut sweeping => {}
                accepted = incoming.recv() => {
                    let Some(accepted) = accepted else {
                        break;
                    };
                    let span = info_span!("http", conn = accepted.number, peer = accepted.peer);
                    let serving = self.clone();
                    connections.spawn_local(serving.connection(accepted).instrument(span));
                }
            }
        }
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    }

    async fn connection(self, accepted: Accepted) {
        let address = address_of(&accepted.transport);
        if let Some(io) = self.opened(accepted).await {
            self.face.serve_connection(io, address, self.drain).await;
        }
    }

    /// The connection, once it has its TLS; until then it has a seat among those that have not. The
    /// face counts it from there on.
    async fn opened(&self, accepted: Accepted) -> Option<Box<dyn Io>> {
        let Accepted {
            transport,
            reach,
            seat,
            unheard: _unheard,
            ..
        } = accepted;
        let mut drain = self.drain.clone();
        let opened = tokio::select! {
            biased;
            // Fails if the server is gone: then this drains too.
            _ = drain.wait_for(|drain| *drain) => return None,
            () = seat.gives_way().cancelled() => {
                info!("HTTP connection not served, it gives way to another");
                return None;
            }
            opened = self.opening.open(transport, reach) => opened,
        };
        opened
            .inspect_err(|error| info!(%error, "HTTP connection not served"))
            .ok()
    }
}

fn address_of(transport: &Transport) -> Option<IpAddr> {
    match transport {
        // Fails if the peer has gone already.
        Transport::Tcp(stream) => Some(stream.peer_addr().ok()?.ip()),
        Transport::Unix(_) | Transport::Other(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seams::Seams;
    use crate::server::options::{CertificateSource, TlsMode, TlsOptions};

    fn listening(address: &str, reach: Reach) -> Listening {
        let address = address.to_owned();
        Listening { address, reach }
    }

    fn face(listening: &[Listening], mode: TlsMode, options: &HttpOptions) -> HttpFace {
        let folder = tempfile::tempdir().unwrap();
        let tls = TlsOptions {
            mode,
            certificate: CertificateSource::SelfMade,
        };
        let of = (folder.path().to_owned(), tls);
        let protecting = Protecting::open(of, listening, &[], &Seams::system()).unwrap();
        HttpFace::at((listening, &[]), options, &protecting).unwrap()
    }

    #[test]
    fn who_may_create_follows_from_who_can_ask_unless_it_is_said() {
        let here = listening("127.0.0.1:7421", Reach::Machine);
        let socket = listening("unix:/run/http.sock", Reach::Machine);
        let away = listening("192.0.2.1:7421", Reach::Network);
        let defaults = HttpOptions::default();
        let create = |listening: &[Listening], options: &HttpOptions| {
            face(listening, TlsMode::ByAddress, options).create
        };
        assert_eq!(create(&[here.clone(), socket], &defaults), HttpCreate::Open);
        assert_eq!(
            create(&[here.clone(), away.clone()], &defaults),
            HttpCreate::Token
        );
        let behind_a_proxy = HttpOptions {
            public_url: Some("https://share.example.org".into()),
            ..HttpOptions::default()
        };
        assert_eq!(
            create(std::slice::from_ref(&here), &behind_a_proxy),
            HttpCreate::Token
        );
        for said in [HttpCreate::Open, HttpCreate::Token] {
            let options = HttpOptions {
                create: Some(said),
                ..HttpOptions::default()
            };
            assert_eq!(create(std::slice::from_ref(&here), &options), said);
            assert_eq!(create(std::slice::from_ref(&away), &options), said);
        }
    }

    #[test]
    fn pages_have_the_public_url_or_that_of_the_first_address_that_has_one() {
        let here = listening("127.0.0.1:7421", Reach::Machine);
        let socket = listening("unix:/run/http.sock", Reach::Machine);
        let away = listening("192.0.2.1:7421", Reach::Network);
        let url = |listening: &[Listening], mode, public: Option<&str>| {
            let options = HttpOptions {
                public_url: public.map(str::to_owned),
                ..HttpOptions::default()
            };
            face(listening, mode, &options).url
        };
        use TlsMode::{Always, ByAddress, Never};
        let both = [socket.clone(), here.clone()];
        assert_eq!(url(&both, ByAddress, None), "http://127.0.0.1:7421");
        assert_eq!(url(&both, Always, None), "https://127.0.0.1:7421");
        assert_eq!(
            url(std::slice::from_ref(&away), ByAddress, None),
            "https://192.0.2.1:7421"
        );
        assert_eq!(url(&[away], Never, None), "http://192.0.2.1:7421");
        assert_eq!(url(&[socket], ByAddress, None), "http://localhost");
        let public = Some("https://share.example");
        assert_eq!(url(&[here], ByAddress, public), "https://share.example");
    }
}
