//! The face: what it is made of, and how it serves a connection.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::DATE;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use share_model::seam::{Clock, Entropy, SystemClock, SystemEntropy};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::assets::Assets;
use crate::backend::Backend;
use crate::budget::Budget;
use crate::connections::{Connections, Seat};
use crate::counted::Counted;
use crate::date::date;
use crate::hangup::Hangup;
use crate::hosts::Hosts;
use crate::limits::WebLimits;
use crate::live::{Replays, Seats, Stages, Tasks};
use crate::local::Local;
use crate::routes;
use crate::source::Source;
use crate::stall::Stalling;
use crate::tokens::Tokens;
use crate::view::ViewLimits;

/// How long to let things be after accepting failed: mostly for want of file descriptors, which only
/// connections that end give back.
const PAUSE: Duration = Duration::from_millis(100);

/// Less than this, the HTTP library does not take for a request's head.
const HEADER_BYTES_MIN: usize = 8 << 10;

/// What a face goes by.
#[derive(Debug, Clone)]
pub struct FaceOptions {
    /// Under which names it is asked.
    pub hosts: Hosts,
    /// Its bounds.
    pub limits: WebLimits,
    /// Waits for it.
    pub clock: Arc<dyn Clock>,
    /// Makes viewing tokens.
    pub entropy: Arc<dyn Entropy>,
}

impl FaceOptions {
    /// The defaults, on the machine's clock.
    pub fn new(hosts: Hosts) -> Self {
        Self {
            hosts,
            limits: WebLimits::DEFAULT,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
        }
    }
}

/// The HTTP face of a backend. Cheap to clone; the bounds are those of all clones together.
#[derive(Debug, Clone)]
pub struct Face {
    inner: Arc<Inner>,
    router: Router,
}

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) backend: Arc<dyn Backend>,
    /// The local endpoint, where there is one.
    pub(crate) local: Option<Arc<dyn Local>>,
    pub(crate) options: FaceOptions,
    pub(crate) budget: Budget,
    pub(crate) assets: Assets,
    /// What is viewed.
    pub(crate) stages: Arc<Stages>,
    pub(crate) viewers: Seats,
    pub(crate) replays: Replays,
    pub(crate) tokens: Tokens,
    connections: Connections,
}

/// The connection that brings a request, for an answer that takes long.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    /// Becomes true when the face drains.
    pub(crate) drain: watch::Receiver<bool>,
    pub(crate) hangup: Hangup,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) address: Option<IpAddr>,
}

impl Peer {
    pub(crate) fn source(self) -> Option<Source> {
        self.address.map(Source::from)
    }
}

impl Face {
    /// The face of `backend`.
    pub fn new(backend: Arc<dyn Backend>, options: FaceOptions) -> Self {
        Self::of(backend, None, options)
    }

    /// The face of a backend that has a local endpoint too: for a face on loopback.
    pub fn with_local<B: Backend + Local>(backend: Arc<B>, options: FaceOptions) -> Self {
        let local: Arc<dyn Local> = Arc::<B>::clone(&backend);
        Self::of(backend, Some(local), options)
    }

    fn of(backend: Arc<dyn Backend>, local: Option<Arc<dyn Local>>, options: FaceOptions) -> Self {
        let limits = &options.limits;
        let budget = Budget::new(limits.held_bytes_max, limits.held_per_address_bytes_max);
        let connections =
            Connections::new(limits.connections_max, limits.connections_per_address_max);
        let tasks = Arc::<Tasks>::default();
        let shown = (limits.live, ViewLimits::DEFAULT);
        let inner = Arc::new(Inner {
            backend,
            local,
            budget,
            connections,
            assets: Assets::new(),
            stages: Stages::new(shown, Arc::clone(&options.clock), Arc::clone(&tasks)),
            viewers: viewers(limits),
            replays: Replays {
                seats: Seats::new(limits.live.replays_max, limits.live.replays_per_address_max),
                tasks,
                limits: ViewLimits::DEFAULT,
            },
            tokens: Tokens::new(
                (Arc::clone(&options.clock), Arc::clone(&options.entropy)),
                (limits.live.tokens_max, limits.live.token_idle),
            ),
            options,
        });
        let router = routes::router(Arc::clone(&inner));
        Self { inner, router }
    }

    /// Serves one connection to its end; `address`: where it comes from, `None` if it does not count.
    ///
    /// Needs a tokio runtime with time. When `drain` becomes true, or its sender goes away, requests
    /// that are under way may end within a deadline.
    ///
    /// # Cancel safety
    ///
    /// Dropping this drops the calls of the backend that are under way.
    pub async fn serve_connection<T>(
        &self,
        io: T,
        address: Option<IpAddr>,
        mut drain: watch::Receiver<bool>,
    ) where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer { address };
        let seat = match self.inner.connections.seat(peer.source()) {
            Ok(seat) => seat,
            Err(why) => {
                info!(%why, "HTTP connection closed");
                return;
            }
        };
        let options = &self.inner.options;
        let bounds = (options.limits.write_stall, options.limits.linger);
        let hangup = Hangup::default();
        let io = Stalling::new(io, Arc::clone(&options.clock), bounds, hangup.clone());
        let line = Line {
            drain: drain.clone(),
            hangup,
        };
        let serving = self.builder().serve_connection(
            TokioIo::new(io),
            service_fn(|request| self.answer(&seat, (peer, line.clone()), request)),
        );
        let mut serving = pin!(serving);
        let why = tokio::select! {
            ended = serving.as_mut() => Turn::Ended(ended),
            () = seat.gives_way() => Turn::GivesWay,
            () = drained(&mut drain) => Turn::Drains,
        };
        let ended = match why {
            Turn::Ended(ended) => ended,
            Turn::GivesWay => {
                debug!("HTTP connection gives way to another one");
                return;
            }
            Turn::Drains => {
                serving.as_mut().graceful_shutdown();
                let deadline = options.limits.drain_deadline;
                let Ok(ended) = tokio::time::timeout(deadline, serving).await else {
                    info!("HTTP connection ended in the middle of a request");
                    return;
                };
                ended
            }
        };
        if let Err(error) = ended {
            debug!(%error, "HTTP connection ended");
        }
    }

    /// Accepts and serves connections until `drain` becomes true or its sender goes away, and then
    /// until all have ended.
    ///
    /// # Cancel safety
    ///
    /// Dropping this ends all connections.
    pub async fn serve_tcp(&self, listener: TcpListener, mut drain: watch::Receiver<bool>) {
        let mut serving = JoinSet::new();
        let told = drain.clone();
        loop {
            let accepted = tokio::select! {
                biased;
                () = drained(&mut drain) => break,
                Some(ended) = serving.join_next() => {
                    report(ended);
                    continue;
                }
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    let (face, drain) = (self.clone(), told.clone());
                    serving.spawn(async move {
                        face.serve_stream(stream, address.ip(), drain).await;
                    });
                }
                Err(error) => {
                    debug!(%error, "no HTTP connection accepted");
                    self.inner.options.clock.sleep(PAUSE).await;
                }
            }
        }
        drop(listener);
        while let Some(ended) = serving.join_next().await {
            report(ended);
        }
    }

    async fn serve_stream(&self, stream: TcpStream, address: IpAddr, drain: watch::Receiver<bool>) {
        // Without it answers only come later.
        let _ = stream.set_nodelay(true);
        self.serve_connection(stream, Some(address), drain).await;
    }

    fn builder(&self) -> http1::Builder {
        let limits = &self.inner.options.limits;
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_deadline)
            .max_buf_size(limits.header_bytes_max.max(HEADER_BYTES_MIN))
            .max_headers(limits.headers_max)
            // An agent that ends hangs up behind its last request, which is to be carried out.
            .half_close(true);
        builder
    }

    /// The answer to a request; the request is under way until the answer has been taken.
    async fn answer(
        &self,
        seat: &Seat,
        (peer, line): (Peer, Line),
        mut request: http::Request<Incoming>,
    ) -> Result<http::Response<Counted<Body>>, io::Error> {
        let under_way = seat.under_way();
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(line);
        let answer = TowerToHyperService::new(self.router.clone()).call(request);
        let Ok(mut response) = answer.await;
        if let Some(date) = date(self.inner.options.clock.now()) {
            response.headers_mut().insert(DATE, date);
        }
        Ok(response.map(|body| Counted::new(body, under_way)))
    }
}

/// Places for viewers, who leave connections to others: of all of them a quarter, of an address's own
/// an eighth.
fn viewers(limits: &WebLimits) -> Seats {
    let live = &limits.live;
    let (all, own) = (limits.connections_max, limits.connections_per_address_max);
    Seats::new(
        live.viewers_max.min(all - all.div_ceil(4)),
        live.viewers_per_address_max.min(own - own.div_ceil(8)),
    )
}

/// What a connection comes to next.
enum Turn {
    Ended(hyper::Result<()>),
    GivesWay,
    Drains,
}

/// Ends when the face drains.
async fn drained(drain: &mut watch::Receiver<bool>) {
    // Fails if whoever drains has gone, which means the same.
    let _ = drain.wait_for(|drain| *drain).await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        warn!(%error, "serving an HTTP connection failed");
    }
}
