//! A server: store, hub, RPC threads and listener, started and ended in order.

mod accept;
pub(crate) mod certificate;
mod connections;
mod doors;
mod doorway;
mod error;
mod http;
mod listener;
mod listeners;
mod opening;
mod options;
mod place;
mod rpc;
mod running;
mod security;
mod source;
mod unix_listener;

use std::path::Path;
use std::sync::Arc;

use share_model::seam::Executor;
use share_network::Budget;
use tokio::sync::watch;
use tracing::{error, info};

pub use doors::Doors;
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
use crate::rpc::{Door, RedeemRates};
use crate::seams::Seams;
use crate::store::{SqliteStore, Store};

use doorway::Doorway;
use http::{HttpFace, urls};
use place::{Part, Placement};
use security::Protecting;

/// Starts servers.
#[derive(Debug)]
pub struct Server;

impl Server {
    /// Starts a server on the threads of its own: opens the store in the data folder, writes the
    /// factory's ref there, and serves what comes by `doors`. Needs a tokio runtime, on which
    /// only connections are accepted.
    ///
    /// # Errors
    ///
    /// If the folder can't be used, or something of it can't be opened; nothing runs then.
    pub async fn start(
        options: ServerOptions,
        doors: impl Into<Doors>,
    ) -> Result<RunningServer, ServerError> {
        let store = open_store(&options)?;
        Self::start_on(store, options, doors).await
    }

    /// As [`Server::start`], on a store that is open already.
    ///
    /// # Errors
    ///
    /// As [`Server::start`].
    pub async fn start_on(
        store: Arc<dyn Store>,
        options: ServerOptions,
        doors: impl Into<Doors>,
    ) -> Result<RunningServer, ServerError> {
        start(store, options, doors.into(), Placement::Threads).await
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
        doors: impl Into<Doors>,
    ) -> Result<RunningServer, ServerError> {
        start(store, options, doors.into(), Placement::Caller).await
    }
}

/// Opens the store in the data folder, with its threads. Blocks while it reads the log's end:
/// nothing else has begun.
fn open_store(options: &ServerOptions) -> Result<Arc<dyn Store>, ServerError> {
    let Seams { entropy, files, .. } = &options.seams;
    let store = SqliteStore::open(&options.data, &options.store, Arc::clone(files), &**entropy)?;
    Ok(Arc::new(store))
}

async fn start(
    store: Arc<dyn Store>,
    options: ServerOptions,
    doors: Doors,
    placement: Placement,
) -> Result<RunningServer, ServerError> {
    let (listening, http_listening) = doors.listening();
    create_folder(&options.seams, &options.data)?;
    let served = served(&options, &listening, &http_listening)?;
    let (journaled, backups) = guard_store(store, &options, placement).await?;
    let ServerOptions {
        data,
        rpc_threads,
        limits,
        seams,
        ..
    } = options;
    let store: Arc<dyn Store> = Arc::clone(&journaled) as _;
    let http_url = served.at.http_url.clone();
    let factory = Factory::open(Arc::clone(&journaled), &seams, &data, served.at).await?;
    let uses = Arc::clone(factory.uses());
    let drain_hub = watch::Sender::new(false);
    let drain_doors = watch::Sender::new(false);
    let hub_drain = drain_hub.subscribe();
    let hub_limits = limits.hub.clone();
    let (hub, task) = Hub::start(store, (seams.clone(), uses), hub_limits, hub_drain).await?;
    let door = Door {
        hub: hub.clone(),
        factory: Arc::new(factory),
        backups,
        seams: seams.clone(),
        redeem_rates: RedeemRates::new(limits.rpc.redeems_per_second, Arc::clone(&seams.clock)),
        limits: Arc::new(limits.rpc.clone()),
        budget: Arc::new(Budget::new(&limits.messages)),
        drain: drain_doors.subscribe(),
    };
    let protecting = served.protecting;
    let doorway = Doorway {
        placement,
        protecting: &protecting,
        door: &door,
        limits: &limits,
    };
    let owners = move || Box::pin(task.run()) as Part;
    let (hub_place, mut open) = doorway.open_rpc(doors.rpc, rpc_threads, owners)?;
    if let (Some(face), Some(listener)) = (served.face, doors.http) {
        open.add(doorway.open_http(listener, face)?);
    }
    let addresses: Vec<String> = listening.into_iter().map(|it| it.address).collect();
    let http_urls = urls(&http_listening, &protecting);
    info!(?addresses, ?http_urls, data = %data.display(), "server started");
    Ok(RunningServer {
        addresses,
        http_url,
        http_urls,
        protecting,
        seams,
        store: journaled,
        hub,
        drain_doors,
        drain_hub,
        open,
        hub_place,
        deadline: limits.drain_deadline,
    })
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

/// What others are told of the way to the server, and how its connections are protected.
struct Served {
    at: ServedAt,
    protecting: Protecting,
    face: Option<HttpFace>,
}

fn served(
    options: &ServerOptions,
    listening: &[Listening],
    http_listening: &[Listening],
) -> Result<Served, ServerError> {
    let addresses = match options.advertise.as_slice() {
        [] => listening.iter().map(|it| it.address.clone()).collect(),
        advertise => advertise.to_vec(),
    };
    let of = (options.data.clone(), options.tls.clone());
    let everywhere = [listening, http_listening].concat();
    let protecting = Protecting::open(of, &everywhere, &addresses, &options.seams)?;
    let face = match http_listening {
        [] => None,
        listening => Some(HttpFace::at(
            (listening, &addresses),
            &options.http,
            &protecting,
        )?),
    };
    let at = ServedAt {
        addresses,
        security: protecting.advertised(),
        http_url: face.as_ref().map(|face| face.url.clone()),
    };
    Ok(Served {
        at,
        protecting,
        face,
    })
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
