//! A server: store, hub, RPC threads and listener, started and ended in order.

mod accept;
pub(crate) mod certificate;
mod connections;
mod error;
mod listener;
mod listeners;
mod opening;
mod options;
mod place;
mod running;
mod security;
mod source;
mod unix_listener;

use std::path::Path;
use std::sync::Arc;

use share_model::seam::Executor;
use share_network::Budget;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, error, info, info_span};

pub use error::ServerError;
pub use listener::{
    Incoming, Io, Listener, Listening, PipeConnector, PipeListener, Reach, TcpListener, Transport,
    pipes,
};
pub use listeners::Listeners;
pub use options::{
    CertificateSource, ServerLimits, ServerOptions, TlsMode, TlsOptions, default_journal,
};
pub use running::RunningServer;
pub use security::Reloaded;
pub(crate) use source::Source;
pub use unix_listener::UnixListener;

use crate::backup::Backups;
use crate::factory::{Factory, ServedAt};
use crate::hub::Hub;
use crate::journal::{JournalUse, JournaledStore, bind};
use crate::rpc::{Door, RedeemRates, Trust, serve_connection};
use crate::seams::Seams;
use crate::store::{SqliteStore, Store};

use accept::{Accepted, Acceptor, HEARING, unheard};
use connections::Connections;
use opening::Opening;
use place::{Place, Placement};
use security::Protecting;

/// Connections that may wait for an RPC thread.
const HANDOVER_MAX: usize = 64;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server on the threads of its own: opens the store in the data folder, writes the
    /// factory's ref there, and serves what `listener` accepts. Needs a tokio runtime, on which
    /// only connections are accepted.
    ///
    /// # Errors
    ///
    /// If the folder can't be used, or something of it can't be opened; nothing runs then.
    pub async fn start(
        options: ServerOptions,
        listener: impl Listener + 'static,
    ) -> Result<RunningServer, ServerError> {
        let store = open_store(&options)?;
        Self::start_on(store, options, listener).await
    }

    /// As [`Server::start`], on a store that is open already.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_on(
        store: Arc<dyn Store>,
        options: ServerOptions,
        listener: impl Listener + 'static,
    ) -> Result<RunningServer, ServerError> {
        start(store, options, Box::new(listener), Placement::Threads).await
    }

    /// Runs a server entirely on the `LocalSet` that this is called on: with paused time, a store
    /// without a thread and seeded randomness, the same calls give the same bytes.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_local(
        store: Arc<dyn Store>,
        options: ServerOptions,
        listener: impl Listener + 'static,
    ) -> Result<RunningServer, ServerError> {
        start(store, options, Box::new(listener), Placement::Caller).await
    }
}

/// Opens the store in the data folder, with its threads. Blocks while it reads the log's end:
/// nothing else has begun.
fn open_store(options: &ServerOptions) -> Result<Arc<dyn Store>, ServerError> {
    let Seams { entropy, files, .. } = &options.seams;
    let store = SqliteStore::open(&options.data, &options.store, &**files, &**entropy)?;
    Ok(Arc::new(store))
}

async fn start(
    store: Arc<dyn Store>,
    options: ServerOptions,
    listener: Box<dyn Listener>,
    placement: Placement,
) -> Result<RunningServer, ServerError> {
    let listening = listener.listening();
    create_folder(&options.seams, &options.data)?;
    let (served, protecting) = served(&options, &listening)?;
    let (journaled, backups) = guard_store(store, &options, placement).await?;
    let ServerOptions {
        data,
        rpc_threads,
        limits,
        seams,
        ..
    } = options;
    let store: Arc<dyn Store> = Arc::clone(&journaled) as _;
    let factory = Factory::open(Arc::clone(&journaled), &seams, &data, served).await?;
    let uses = Arc::clone(factory.uses());
    let drain_hub = watch::Sender::new(false);
    let drain_doors = watch::Sender::new(false);
    let hub_drain = drain_hub.subscribe();
    let (hub, task) = Hub::start(store, (seams.clone(), uses), limits.hub, hub_drain).await?;
    let door = Door {
        hub: hub.clone(),
        factory: Arc::new(factory),
        backups,
        seams: seams.clone(),
        redeem_rates: RedeemRates::new(limits.rpc.redeems_per_second, Arc::clone(&seams.clock)),
        limits: Arc::new(limits.rpc),
        budget: Arc::new(Budget::new(&limits.messages)),
        drain: drain_doors.subscribe(),
    };
    let hub_place = Place::start(placement, "share-owner", move || Box::pin(task.run()))?;
    let opening = Opening {
        protecting: protecting.clone(),
        deadline: limits.tls_handshake,
    };
    let (rpc_places, lines) = start_doors(placement, rpc_threads, (&door, &opening))?;
    let acceptor = Acceptor {
        listener,
        lines,
        connections: Connections::new(limits.connections_max, limits.connections_per_address_max),
        unheard: unheard(),
        clock: Arc::clone(&seams.clock),
        drain: drain_doors.subscribe(),
    };
    let accepting = match placement {
        Placement::Threads => tokio::spawn(acceptor.run()),
        Placement::Caller => tokio::task::spawn_local(acceptor.run()),
    };
    let addresses: Vec<String> = listening.into_iter().map(|it| it.address).collect();
    info!(?addresses, data = %data.display(), "server started");
    Ok(RunningServer {
        addresses,
        protecting,
        seams,
        store: journaled,
        hub,
        drain_doors,
        drain_hub,
        accepting,
        rpc_places,
        hub_place,
        deadline: limits.drain_deadline,
    })
}

/// Starts what serves connections; who accepts one hands it over by a line.
fn start_doors(
    placement: Placement,
    threads: usize,
    (door, opening): (&Door, &Opening),
) -> Result<(Vec<Place>, Vec<mpsc::Sender<Accepted>>), ServerError> {
    let mut places = Vec::new();
    let mut lines = Vec::new();
    for number in 1..=threads.max(1) {
        let (line, incoming) = mpsc::channel(HANDOVER_MAX);
        let (door, opening) = (door.clone(), opening.clone());
        let make = move || Box::pin(serve_connections(door, opening, incoming)) as place::Part;
        let name = format!("share-rpc-{number}");
        places.push(Place::start(placement, &name, make)?);
        lines.push(line);
    }
    Ok((places, lines))
}

/// Binds the store to its journal, and makes what makes backups of it.
async fn guard_store(
    store: Arc<dyn Store>,
    options: &ServerOptions,
    placement: Placement,
) -> Result<(Arc<JournaledStore>, Arc<Backups>), ServerError> {
    let executor = match placement {
        Placement::Threads => options.store.executor,
        Placement::Caller => Executor::Inline,
    };
    let place = JournalUse {
        path: options.journal.clone(),
        data: options.data.clone(),
        may_begin_anew: options.new_journal,
        executor,
    };
    let journaled = bind(store, &place, &options.seams).await?;
    let clock = Arc::clone(&options.seams.clock);
    let history = journaled.history().await?;
    let copied: Arc<dyn Store> = Arc::clone(&journaled) as _;
    let backups = Backups::new(copied, (clock, history), &options.data, executor)?;
    Ok((journaled, backups))
}

/// Serves the connections of one RPC thread.
async fn serve_connections(door: Door, opening: Opening, mut incoming: mpsc::Receiver<Accepted>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => report(ended),
            accepted = incoming.recv() => {
                let Some(accepted) = accepted else {
                    break;
                };
                let span = info_span!("conn", conn = accepted.number, peer = accepted.peer);
                let (door, opening) = (door.clone(), opening.clone());
                connections.spawn_local(serve(accepted, opening, door).instrument(span));
            }
        }
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Serves one connection to its end.
async fn serve(accepted: Accepted, opening: Opening, door: Door) {
    let Accepted {
        transport,
        reach,
        seat,
        unheard,
        ..
    } = accepted;
    let clock = Arc::clone(&door.seams.clock);
    let hearing = async move {
        if let Some(unheard) = unheard {
            clock.sleep(HEARING).await;
            drop(unheard);
        }
        std::future::pending::<()>().await;
    };
    let trust = Trust {
        source: seat.source(),
        standing: seat.standing().clone(),
        gives_way: seat.gives_way().clone(),
    };
    let serving = async {
        let opened = tokio::select! {
            biased;
            () = trust.gives_way.cancelled() => {
                info!("connection not served, it gives way to another");
                return;
            }
            opened = opened(transport, reach, &opening, &door) => opened,
        };
        if let Some(io) = opened {
            serve_connection(io, door, trust.clone()).await;
        }
    };
    tokio::select! {
        biased;
        () = serving => {}
        () = hearing => {}
    }
}

/// The connection, once it has its TLS; `None`: it is not served.
async fn opened(
    transport: Transport,
    reach: Reach,
    opening: &Opening,
    door: &Door,
) -> Option<Box<dyn Io>> {
    let mut drain = door.drain.clone();
    let opened = tokio::select! {
        biased;
        // Fails if the server is gone: then this drains too.
        _ = drain.wait_for(|drain| *drain) => return None,
        opened = opening.open(transport, reach) => opened,
    };
    match opened {
        Ok(io) => Some(io),
        Err(error) => {
            info!(%error, "connection not served");
            None
        }
    }
}

/// What refs will say of the way to the server, and how its connections are protected.
fn served(
    options: &ServerOptions,
    listening: &[Listening],
) -> Result<(ServedAt, Protecting), ServerError> {
    let addresses = match options.advertise.as_slice() {
        [] => listening.iter().map(|it| it.address.clone()).collect(),
        advertise => advertise.to_vec(),
    };
    let of = (options.data.clone(), options.tls.clone());
    let protecting = Protecting::open(of, listening, &addresses, &options.seams)?;
    let security = protecting.advertised();
    let served = ServedAt {
        addresses,
        security,
        http_url: None,
    };
    Ok((served, protecting))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        error!(%error, "a connection ended unexpectedly: this is a bug");
    }
}

fn create_folder(seams: &Seams, data: &Path) -> Result<(), ServerError> {
    seams
        .files
        .create_private_dir(data)
        .map_err(|source| ServerError::File {
            doing: "make folder",
            path: data.to_owned(),
            source,
        })
}
