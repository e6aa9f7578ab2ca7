//! A TCP proxy on loopback that breaks the connections it carries, as a script tells it to.

mod connection;
mod counts;
mod plan;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroUsize,
    panic,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{JoinError, JoinHandle, JoinSet},
    time::timeout,
};

use self::{connection::Connection, plan::Plan};
pub use self::{
    counts::{CountsTimeout, ProxyCounts},
    plan::{Close, Direction},
};

/// Connections beyond this many wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 1024;

/// How a proxy is set up.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProxyOptions {
    /// Decides the sizes of split pieces.
    pub seed: u64,
    /// The loopback port to listen on, kept for the proxy's life; 0 takes a free one.
    pub port: u16,
}

/// Why a proxy could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ProxyError {
    /// The port could not be listened on.
    #[error("the fault proxy could not listen on 127.0.0.1:{port}")]
    Listen { port: u16, source: io::Error },
    /// The listener failed while the proxy ran.
    #[error("the fault proxy could not accept connections any more")]
    Accept(#[source] io::Error),
    /// A task of the proxy panicked: a bug.
    #[error("a task of the fault proxy ended abnormally")]
    Task(#[source] JoinError),
}

/// What the proxy's tasks and its handle share.
#[derive(Debug)]
struct Shared {
    seed: u64,
    plan: watch::Sender<Plan>,
    counts: watch::Sender<ProxyCounts>,
    stop: Notify,
}

impl Shared {
    fn count(&self, change: impl FnOnce(&mut ProxyCounts)) {
        self.counts.send_modify(change);
    }
}

/// A running proxy: its address, its faults and its counts.
///
/// "Current connections" are those that it has accepted when a fault is ordered; later ones are not
/// concerned by `cut` and `swallow_replies`. All other faults concern every connection while they
/// last. Dropping the proxy ends all its tasks; [`shutdown`](Self::shutdown) also waits for that.
///
/// ```
/// # async fn example(server: std::net::SocketAddr) -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
/// use share_faults::{Close, Direction, FaultProxy, ProxyOptions};
///
/// let proxy = FaultProxy::start(server, ProxyOptions { seed: 7, ..Default::default() }).await?;
/// // … connect a client to `proxy.local_addr()` …
/// proxy.cut_after(Direction::Up, 1_000, Close::Reset);
/// proxy.wait_until(|counts| counts.cuts == 1, Duration::from_secs(5)).await?;
/// proxy.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    local_addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: JoinHandle<Result<(), ProxyError>>,
}

impl FaultProxy {
    /// Listens on loopback and carries each connection to `upstream`. Needs a runtime with I/O and
    /// time enabled, of either flavour.
    ///
    /// # Errors
    ///
    /// [`ProxyError::Listen`] if the port can't be had.
    pub async fn start(
        upstream: SocketAddr,
        options: ProxyOptions,
    ) -> Result<FaultProxy, ProxyError> {
        let ProxyOptions { seed, port } = options;
        let listen = |source| ProxyError::Listen { port, source };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .map_err(listen)?;
        let local_addr = listener.local_addr().map_err(listen)?;
        let shared = Arc::new(Shared {
            seed,
            plan: watch::Sender::new(Plan::new(upstream)),
            counts: watch::Sender::default(),
            stop: Notify::new(),
        });
        Ok(FaultProxy {
            local_addr,
            acceptor: tokio::spawn(accept(listener, Arc::clone(&shared))),
            shared,
        })
    }

    /// The address for clients; it never changes.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Carries new connections to another address; current ones stay where they are.
    pub fn set_upstream(&self, upstream: SocketAddr) {
        self.order(|plan| plan.upstream = upstream);
    }

    /// Closes the current connections, at once and on both sides.
    pub fn cut(&self, close: Close) {
        self.order(|plan| plan.cut(close));
    }

    /// Arms a cut for when `bytes` more have been handed on in `direction`, over all connections
    /// together; not one byte beyond them is handed on. It replaces one armed before; 0 cuts now.
    ///
    /// The bytes are in the kernel's hands when the cut falls: a peer that reads gets all of them,
    /// one that had let them pile up may lose the last to the close.
    pub fn cut_after(&self, direction: Direction, bytes: u64, close: Close) {
        self.order(|plan| plan.cut_after(direction, bytes, close));
    }

    /// Drops what the server sends on the current connections from now on, while it still gets what
    /// the client sends; each is cut as soon as bytes of the server have been dropped.
    ///
    /// That cut counts as a lost reply only if bytes of the client were handed on after this call.
    /// If not (the dropped bytes answer something earlier), it is a mere cut: order it again.
    pub fn swallow_replies(&self, close: Close) {
        self.order(|plan| plan.swallow(close));
    }

    /// Holds the next bytes in `direction`, and what comes behind them on their connection, for
    /// `duration`.
    pub fn stall(&self, direction: Direction, duration: Duration) {
        self.order(|plan| plan.stall(direction, duration));
    }

    /// Holds everything in `direction` until [`heal`](Self::heal), as a network does that loses the
    /// packets of a stream: nothing is missing afterwards. What a full buffer does not take, the
    /// sender keeps.
    pub fn partition(&self, direction: Direction) {
        self.order(|plan| plan.set_partitioned(direction, true));
    }

    /// Ends a partition.
    pub fn heal(&self, direction: Direction) {
        self.order(|plan| plan.set_partitioned(direction, false));
    }

    /// Resets new connections on arrival, or accepts them again; current ones live on.
    pub fn refuse_connections(&self, refuse: bool) {
        self.order(|plan| plan.refusing = refuse);
    }

    /// Delays every piece in both directions; zero ends it.
    pub fn delay(&self, delay: Duration) {
        self.order(|plan| plan.delay = delay);
    }

    /// Hands bytes on in pieces of random sizes up to `piece_bytes_max`; `None` ends it.
    pub fn split(&self, piece_bytes_max: Option<NonZeroUsize>) {
        self.order(|plan| plan.piece_bytes_max = piece_bytes_max);
    }

    /// What has happened so far.
    pub fn counts(&self) -> ProxyCounts {
        *self.shared.counts.borrow()
    }

    /// Waits until the counts are in `state`, and returns them.
    ///
    /// # Errors
    ///
    /// [`CountsTimeout`] with the last counts seen, if that takes longer than `deadline`.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: it only looks.
    pub async fn wait_until(
        &self,
        state: impl FnMut(&ProxyCounts) -> bool,
        deadline: Duration,
    ) -> Result<ProxyCounts, CountsTimeout> {
        let mut counts = self.shared.counts.subscribe();
        match timeout(deadline, counts.wait_for(state)).await {
            Ok(Ok(counts)) => Ok(*counts),
            // The sender can't be gone: `self` holds it.
            Ok(Err(_)) | Err(_) => Err(CountsTimeout {
                deadline,
                last: self.counts(),
            }),
        }
    }

    /// Ends every connection and task, and returns when they are gone.
    ///
    /// # Errors
    ///
    /// What ended the proxy before, if anything did.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, all tasks are told to end, but some may live a little longer.
    pub async fn shutdown(mut self) -> Result<(), ProxyError> {
        self.shared.stop.notify_one();
        (&mut self.acceptor).await.map_err(ProxyError::Task)?
    }

    fn order(&self, change: impl FnOnce(&mut Plan)) {
        self.shared.plan.send_modify(change);
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        // The acceptor owns the connections: they are aborted with it.
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) -> Result<(), ProxyError> {
    let mut connections = JoinSet::new();
    let mut number = 0;
    let ended = loop {
        tokio::select! {
            biased;
            () = shared.stop.notified() => break Ok(()),
            Some(ended) = connections.join_next() => pass_on_panic(ended),
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => match accepted {
                Ok((client, _)) if shared.plan.borrow().refusing => refuse(client, &shared),
                Ok((client, _)) => {
                    let connection = Connection::new(Arc::clone(&shared), number);
                    number += 1;
                    connections.spawn(connection.run(client));
                }
                Err(error) => break Err(ProxyError::Accept(error)),
            },
        }
    };
    connections.shutdown().await;
    ended
}

fn refuse(client: TcpStream, shared: &Shared) {
    // Fails only on a socket that the client has reset already.
    let _ = client.set_zero_linger();
    drop(client);
    shared.count(|counts| counts.refused += 1);
}

fn pass_on_panic(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        panic::resume_unwind(panic);
    }
}
