//! A server in a temporary folder, and connections to it.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_model::seam::{Executor, SeededEntropy, SimulatedClock, SystemFiles};
use share_model::{FactoryRef, UnixMs};
use share_server::store::{SqliteStore, SqliteStoreOptions, Store};
use share_server::{
    Doors, PipeConnector, RunningServer, Seams, Server, ServerOptions, TcpListener, pipes,
};
use tempfile::TempDir;
use tokio::task::LocalSet;

use super::client::Client;
use super::trouble::TroubledStore;

/// Runs a test on one thread, with time that goes on only when everything waits.
pub(crate) fn simulated(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test());
}

/// Runs a test's client on one thread, in real time.
pub(crate) fn real_time(test: impl AsyncFnOnce()) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test());
}

/// A server that runs on the test's own thread.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) store: Arc<TroubledStore>,
    pub(crate) server: RunningServer,
    connector: PipeConnector,
    http: PipeConnector,
}

/// The data folder in a test's own folder, in which the journal lies beside it.
pub(crate) fn data_in(folder: &TempDir) -> PathBuf {
    folder.path().join("data")
}

/// The options of a server whose world is simulated.
pub(crate) fn options(data: &Path) -> ServerOptions {
    let mut options = ServerOptions::new(data);
    options.store.executor = Executor::Inline;
    options.seams = Seams {
        clock: Arc::new(SimulatedClock::starting_at(UnixMs::new(1_800_000_000_000))),
        entropy: Arc::new(SeededEntropy::new(7)),
        files: Arc::new(SystemFiles),
    };
    options
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// A world with other options.
    pub(crate) async fn with(change: impl FnOnce(&mut ServerOptions)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), change).await
    }

    /// A world on a folder that exists.
    pub(crate) async fn on(folder: TempDir, change: impl FnOnce(&mut ServerOptions)) -> Self {
        let data = data_in(&folder);
        let mut options = options(&data);
        change(&mut options);
        let store = open(&data, &options.store);
        let store = Arc::new(TroubledStore::new(store));
        let (connector, listener) = pipes(64 << 10);
        let (http, http_listener) = pipes(64 << 10);
        let doors = Doors::from(listener).with_http(http_listener);
        let shared: Arc<dyn Store> = Arc::clone(&store) as _;
        let server = Server::start_local(shared, options, doors).await.unwrap();
        Self {
            folder,
            store,
            server,
            connector,
            http,
        }
    }

    pub(crate) fn data(&self) -> PathBuf {
        data_in(&self.folder)
    }

    pub(crate) async fn stream(&self) -> impl share_server::Io + use<> {
        self.connector.connect().await.unwrap()
    }

    /// A connection to the HTTP face.
    pub(crate) async fn http_stream(&self) -> impl share_server::Io + use<> {
        self.http.connect().await.unwrap()
    }

    pub(crate) async fn connect(&self) -> Client {
        let stream = self.stream().await;
        Client::new(stream, factory_ref(&self.data()))
    }

    /// Ends the server in order, and gives the folder.
    pub(crate) async fn end(self) -> TempDir {
        let Self { folder, server, .. } = self;
        server.drain().await.unwrap();
        folder
    }
}

pub(crate) fn open(data: &Path, options: &SqliteStoreOptions) -> SqliteStore {
    SqliteStore::open(data, options, Arc::new(SystemFiles), &SeededEntropy::new(1)).unwrap()
}

/// The ref that the server wrote.
pub(crate) fn factory_ref(data: &Path) -> FactoryRef {
    let text = std::fs::read_to_string(data.join("factory.ref")).unwrap();
    text.trim().parse().unwrap()
}

/// A server on threads of its own, over TCP.
pub(crate) async fn over_tcp(data: &Path) -> RunningServer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Server::start(ServerOptions::new(data), listener)
        .await
        .unwrap()
}

/// Connects to a server over TCP.
pub(crate) async fn connect_tcp(address: &str, data: &Path) -> Client {
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    Client::new(stream, factory_ref(data))
}

/// Waits with a bound; `what` is what is waited for.
#[track_caller]
pub(crate) fn soon<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let place = std::panic::Location::caller();
    async move {
        let bound = std::time::Duration::from_secs(20);
        match tokio::time::timeout(bound, future).await {
            Ok(value) => value,
            Err(_) => panic!("{place}: {what} did not come about"),
        }
    }
}
