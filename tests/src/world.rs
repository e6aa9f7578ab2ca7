//! A server and a client's outbox in one thread and one seed.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use share_client::{
    Backoff, BackupError, Connector, FallbackLink, FlusherOptions, HttpServer, Link, Outbox,
    OutboxOptions, Route, Session, backup, create_share,
};
use share_model::seam::{Clock, Entropy, Executor, SeededEntropy, SimulatedClock, SystemFiles};
use share_model::{
    CreateShare, FactoryRef, Limits, Origin, OriginKind, RequestId, Secret, ShareRef, UnixMs,
};
use share_server::store::{SqliteStore, SqliteStoreOptions, Store};
use share_server::{
    Doors, RestoreJournal, RestoreOptions, RunningServer, Seams, Server, ServerOptions,
    default_journal, pipes, restore,
};

use crate::pipe::{Cuts, Pipes, TracedConnector};
use crate::spoken::Spoken;
use crate::trace::Trace;

/// Bytes that a pipe holds in each direction.
const PIPE_BYTES: usize = 4096;
/// When every run begins: 2026-01-01.
const BEGIN: UnixMs = UnixMs::new(1_767_225_600_000);

/// A server and what a client needs to reach it, within the caller's `LocalSet` and paused time.
#[derive(Debug)]
pub struct World {
    seams: Seams,
    client_entropy: Arc<dyn Entropy>,
    folder: tempfile::TempDir,
    /// Within the folder: all that the server's machine has on disk. Another one after each crash.
    machine: PathBuf,
    crashes: usize,
    server: Option<RunningServer>,
    connector: Arc<TracedConnector>,
    spoken: Spoken,
    trace: Trace,
}

impl World {
    /// A world of this seed, with its server running.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    pub async fn start(seed: u64, cuts: Cuts) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(SimulatedClock::starting_at(BEGIN));
        let trace = Trace::new(Arc::clone(&clock));
        let entropy = |stream: u64| -> Arc<dyn Entropy> {
            Arc::new(SeededEntropy::new(
                seed.wrapping_mul(4).wrapping_add(stream),
            ))
        };
        let seams = Seams {
            clock,
            entropy: entropy(0),
            files: Arc::new(SystemFiles),
        };
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // Nobody listens to this one; `start_server` replaces it.
        let (nobody, _) = pipes(PIPE_BYTES);
        let nobody = Pipes {
            rpc: nobody.clone(),
            http: nobody,
        };
        let (spoken, saying) = (Spoken::here(), trace.clone());
        let connector = TracedConnector::new(nobody, (spoken, saying), entropy(1), cuts);
        let mut world = Self {
            seams,
            client_entropy: entropy(2),
            machine: folder.path().to_owned(),
            crashes: 0,
            folder,
            server: None,
            connector: Arc::new(connector),
            spoken,
            trace,
        };
        world.start_server().await;
        world
    }

    async fn start_server(&mut self) {
        let [(rpc, listener), (http, http_listener)] = [pipes(PIPE_BYTES), pipes(PIPE_BYTES)];
        let doors = Doors::from(listener).with_http(http_listener);
        let data = self.data();
        let options = ServerOptions {
            seams: self.seams.clone(),
            ..ServerOptions::new(&data)
        };
        let store: Arc<dyn Store> = Arc::new(self.open_store(&data));
        let server = Server::start_local(store, options, doors).await;
        self.server = Some(server.expect("the server starts"));
        self.connector.set_server(Pipes { rpc, http });
        self.trace.line("server started");
    }

    fn open_store(&self, data: &Path) -> SqliteStore {
        let options = SqliteStoreOptions {
            executor: Executor::Inline,
            ..Default::default()
        };
        let Seams { files, entropy, .. } = &self.seams;
        SqliteStore::open(data, &options, Arc::clone(files), &**entropy).expect("the store opens")
    }

    /// Ends the server in order and starts it again on the same folder.
    ///
    /// # Panics
    ///
    /// If it does not end, or not start.
    pub async fn restart_server(&mut self) {
        self.stop_server().await;
        self.start_server().await;
    }

    /// Ends the server in order.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn stop_server(&mut self) {
        if let Some(server) = self.server.take() {
            server.drain().await.expect("the server ends in order");
            self.trace.line("server ended");
        }
    }

    /// The server dies where it stands and is started anew: on what its machine had on disk at this
    /// moment, and nothing later.
    ///
    /// # Panics
    ///
    /// If that can't be copied, or the server does not start.
    pub async fn crash_server(&mut self) {
        self.crashes += 1;
        let name = format!("crash-{}", self.crashes);
        for (path, kept) in self.machine(&name) {
            copy_all(&path, &kept);
        }
        // Whatever it still does, it does to a disk that is no more.
        drop(self.server.take());
        self.machine = self.folder.path().join(&name);
        self.trace.line(&format!("server crashed, {name}"));
        self.start_server().await;
    }

    /// How many shares the server, which is ended in order, has stored.
    ///
    /// # Panics
    ///
    /// If it does not end, or its store can't be read.
    pub async fn stored_shares(&mut self) -> usize {
        self.stop_server().await;
        let store = self.open_store(&self.data());
        store.shares(None, 100).await.expect("it is read").len()
    }

    /// Creates a share and gives its owner's ref.
    ///
    /// # Panics
    ///
    /// If the server refuses, or can't be reached in a hundred tries.
    pub async fn create_share(&self) -> ShareRef {
        let factory = self.factory();
        let secret = Secret::random(&*self.client_entropy);
        let max = Limits::DEFAULT.label_bytes_max;
        let request = CreateShare {
            request: RequestId::new(&*self.seams.clock, &*self.client_entropy),
            owner_secret_hash: secret.hash(),
            title: "simulated".into(),
            origin: Origin::new(OriginKind::Agent, "test".into(), max).expect("an origin"),
        };
        for _ in 0..100 {
            let created = create_share(&*self.connector, &factory, &request).await;
            match created {
                Ok((created, served)) => {
                    return ShareRef {
                        addresses: served.addresses,
                        share: created.share,
                        grant: created.grant,
                        epoch: created.epoch,
                        security: share_model::Security::ByAddress,
                        secret,
                    };
                }
                Err(error) => assert!(error.is_transport(), "{error}"),
            }
        }
        panic!("the share was not created in a hundred tries");
    }

    /// Opens the outbox of the client with this name.
    ///
    /// # Panics
    ///
    /// If it does not open.
    pub fn outbox(&self, client: &str) -> Outbox {
        self.outbox_with(client, self.outbox_options())
    }

    /// How this world's clients keep their ops.
    pub fn outbox_options(&self) -> OutboxOptions {
        OutboxOptions {
            executor: Executor::Inline,
            clock: Arc::clone(&self.seams.clock),
            entropy: Arc::clone(&self.client_entropy),
            batch_ops_max: Some(7),
            ..OutboxOptions::default()
        }
    }

    /// Opens the outbox of the client with this name.
    ///
    /// # Panics
    ///
    /// If it does not open.
    pub fn outbox_with(&self, client: &str, options: OutboxOptions) -> Outbox {
        let path = self.folder.path().join(client).join("share.sqlite");
        Outbox::open(&path, options).expect("the outbox opens")
    }

    /// Keeps all that the server's machine has on disk, under a name; the server is started anew.
    ///
    /// # Panics
    ///
    /// If it can't be copied.
    pub async fn keep_machine(&mut self, name: &str) {
        self.stop_server().await;
        for (path, kept) in self.machine(name) {
            copy_all(&path, &kept);
        }
        self.trace.line(&format!("machine kept as {name}"));
        self.start_server().await;
    }

    /// Puts back what [`World::keep_machine`] kept, as a snapshot of a machine does: nothing of the
    /// server knows that it went back in time. The server is started anew.
    ///
    /// # Panics
    ///
    /// If it can't be copied.
    pub async fn put_machine_back(&mut self, name: &str) {
        self.stop_server().await;
        for (path, kept) in self.machine(name) {
            if path.is_dir() {
                std::fs::remove_dir_all(&path).expect("the server's folder is removed");
            }
            copy_all(&kept, &path);
        }
        self.trace.line(&format!("machine put back to {name}"));
        self.start_server().await;
    }

    /// Backs the running server up, over a connection, under a name.
    ///
    /// # Panics
    ///
    /// If there is no backup in a hundred tries.
    pub async fn backup(&self, name: &str) {
        let path = self.folder.path().join(name);
        for _ in 0..100 {
            let mut file = std::fs::File::create(&path).expect("a file for the backup");
            let factory = self.factory();
            match backup(&*self.connector, &factory, &mut file, |_, _| ()).await {
                Ok(made) => return self.trace.line(&format!("backup {name}: {made:?}")),
                Err(BackupError::Client(error)) => assert!(error.is_transport(), "{error}"),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("no backup in a hundred tries");
    }

    /// Restores what [`World::backup`] made: a new history, the journal as it is. The server is
    /// started anew.
    ///
    /// # Panics
    ///
    /// If it can't be restored.
    pub async fn restore(&mut self, name: &str) {
        self.stop_server().await;
        let data = self.data();
        let options = RestoreOptions {
            file: self.folder.path().join(name),
            journal: RestoreJournal::At(default_journal(&data)),
            data,
            advertise: Vec::new(),
            seams: self.seams.clone(),
        };
        restore(options).await.expect("the backup is restored");
        self.trace.line(&format!("restored {name}"));
        self.start_server().await;
    }

    /// The ref of the server's factory.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub fn factory(&self) -> FactoryRef {
        let text = std::fs::read_to_string(self.data().join("factory.ref"));
        let text = text.expect("the factory's ref is there");
        text.trim().parse().expect("it is a ref")
    }

    /// What time it is here.
    pub fn now(&self) -> UnixMs {
        self.seams.clock.now()
    }

    /// How this world's clients reach the server.
    pub fn connector(&self) -> Arc<dyn Connector> {
        Arc::clone(&self.connector) as _
    }

    fn data(&self) -> PathBuf {
        self.machine.join("server")
    }

    /// What the server has on disk, and where it is kept.
    fn machine(&self, name: &str) -> Vec<(PathBuf, PathBuf)> {
        let entries = std::fs::read_dir(&self.machine).expect("the folder is read");
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let of_server = names.filter(|file| {
            let file = file.to_string_lossy();
            file == "server" || file.starts_with("server.")
        });
        let kept = self.folder.path().join(name);
        of_server
            .map(|file| (self.machine.join(&file), kept.join(&file)))
            .collect()
    }

    /// Copies the state folder of one client, as it is on disk at this moment, to another's.
    ///
    /// # Panics
    ///
    /// If it can't be copied.
    pub fn copy_state(&self, from: &str, to: &str) {
        let (from, to) = (self.folder.path().join(from), self.folder.path().join(to));
        std::fs::create_dir(&to).expect("a folder for the copy");
        for entry in std::fs::read_dir(from).expect("the folder is read") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a file").to_owned();
            // What SQLite makes anew from the other two.
            if path.is_file() && !name.to_string_lossy().ends_with("-shm") {
                std::fs::copy(&path, to.join(name)).expect("a file is copied");
            }
        }
    }

    /// How this world's client replays.
    pub fn flusher_options(&self) -> FlusherOptions {
        FlusherOptions {
            connector: self.connector.clone(),
            transport: self.spoken.transport(),
            http: match self.spoken {
                Spoken::Rpc => None,
                Spoken::Http | Spoken::Both => Some(http_server()),
            },
            backoff: Backoff::TRANSPORT,
            ..FlusherOptions::default()
        }
    }

    /// As the flusher connects that has [`World::flusher_options`].
    pub fn link(&self) -> Rc<dyn Link> {
        let FlusherOptions {
            connector,
            transport,
            http,
            ..
        } = self.flusher_options();
        Rc::new(FallbackLink::new(connector, Route { transport, http }))
    }

    /// From now on no connection is cut, or refused, that is made.
    pub fn calm(&self) {
        self.connector.calm();
    }

    /// What this world's clients speak.
    pub fn spoken(&self) -> Spoken {
        self.spoken
    }

    /// Connections that were made so far, and how many of them by HTTP.
    pub fn made(&self) -> (u64, u64) {
        self.connector.made()
    }

    /// Redeems a ref, over as many connections as it takes.
    ///
    /// # Panics
    ///
    /// If the server refuses, or can't be reached in a hundred tries.
    pub async fn redeem(&self, share_ref: &ShareRef) -> Session {
        for _ in 0..100 {
            match Session::redeem(&*self.connector, share_ref).await {
                Ok(session) => return session,
                Err(error) => assert!(error.is_transport(), "{error}"),
            }
        }
        panic!("the ref was not redeemed in a hundred tries");
    }

    /// Connections that were cut so far.
    pub fn cut(&self) -> u64 {
        self.connector.cut()
    }

    /// What happened so far.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }
}

/// The HTTP face of the server, as it is known on a pipe.
fn http_server() -> HttpServer {
    "http://localhost".parse().expect("it is a URL")
}

/// Copies a file, or a folder with the files in it.
fn copy_all(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir_all(to).expect("a folder for the copy");
        for entry in std::fs::read_dir(from).expect("the folder is read") {
            let entry = entry.expect("an entry");
            copy_all(&entry.path(), &to.join(entry.file_name()));
        }
    } else {
        let folder = to.parent().expect("a folder");
        std::fs::create_dir_all(folder).expect("a folder for the copy");
        std::fs::copy(from, to).expect("a file is copied");
    }
}
