//! A bridge with what runs beside it: the replay, and what ends shares.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use share_client::{
    Backoff, Connector, Flusher, FlusherError, FlusherOptions, Outbox, OutboxOptions, Registry,
    Route, TcpConnector,
};
use share_model::OwnerKey;
use share_model::seam::{
    Clock, Entropy, Files, SqliteSettings, SystemClock, SystemEntropy, SystemFiles,
};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use super::backend::Bridge;
use super::creating_link::CreatingLink;
use super::endings::Endings;
use super::limits::BridgeLimits;
use super::plugin_token;
use super::public_url::PublicUrl;
use super::record::{End, Standing};
use super::server::{ServerSide, Target};
use super::shares::Shares;
use super::values::Values;
use crate::error::CliError;

/// After a replay that could not go on, before it is begun again.
const BEGIN_AGAIN: Duration = Duration::from_secs(5);

/// How long a bridge that does not know its server's public URL yet asks for it before it is ready: a
/// session that is shared at once has its address then.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How a bridge is started.
#[derive(Debug)]
pub(crate) struct BridgeOptions {
    pub(crate) target: Target,
    /// The outbox's file; the bridge's own folder is made beside it.
    pub(crate) state_file: PathBuf,
    pub(crate) registry: Registry,
    /// As which sessions are registered.
    pub(crate) project: String,
    /// Under which URL people reach the server's pages; `None`: it is asked.
    pub(crate) public_url: Option<String>,
    pub(crate) owner: Option<OwnerKey>,
    /// By which way the server is reached.
    pub(crate) route: Route,
    /// Between two tries to reach the server.
    pub(crate) backoff: Backoff,
    pub(crate) limits: BridgeLimits,
}

/// Runs until it is stopped.
#[derive(Debug)]
pub(crate) struct RunningBridge {
    pub(crate) bridge: Arc<Bridge>,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl RunningBridge {
    /// Starts it. Needs a [`tokio::task::LocalSet`].
    ///
    /// # Errors
    ///
    /// If the outbox or a record can't be opened, or another bridge has the folder.
    pub(crate) async fn start(options: BridgeOptions) -> Result<Self, CliError> {
        let files: Arc<dyn Files> = Arc::new(SystemFiles);
        let outbox = open_outbox(&options.state_file, options.limits.outbox_pages_max)?;
        let folder = folder_beside(&options.state_file);
        let shares = Arc::new(Shares::open(&folder, Arc::clone(&files))?);
        let url = PublicUrl::open(options.public_url, folder.join("server.json"), files)?;
        let url = Arc::new(url);
        let connector: Arc<dyn Connector> = Arc::new(TcpConnector::default());
        let server = Arc::new(ServerSide {
            target: options.target.clone(),
            connector: Arc::clone(&connector),
            owner: options.owner.clone(),
            route: options.route.clone(),
            url: Arc::clone(&url),
            shares: Arc::clone(&shares),
        });
        use_refs_again(&outbox, &shares).await?;
        if url.get().is_none() {
            // Whatever comes of it: it is asked for again until it is known.
            if let Ok(Err(error)) = tokio::time::timeout(FIRST_LOOK, server.learn()).await {
                tracing::info!(%error, "the server did not tell its public URL yet");
            }
        }
        let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::default());
        let plugin_token = plugin_token::place(&options.state_file);
        let bridge = Arc::new(Bridge {
            target: options.target,
            outbox: outbox.clone(),
            registry: options.registry.clone(),
            project: options.project,
            state_file: options.state_file,
            shares,
            shares_max: options.limits.shares_max,
            values: Arc::new(Values::new(options.limits.values_bytes_max)),
            plugin_token: plugin_token::open(&plugin_token, &SystemFiles, &*entropy)?,
            events_max: options.limits.events_max,
            drain_deadline_max: options.limits.drain_deadline_max,
            url,
            entropy,
            wanted: Arc::new(Notify::new()),
            failure: watch::Sender::new(None),
            creating: tokio::sync::Mutex::default(),
        });
        let flusher_options = FlusherOptions {
            connector,
            owner: options.owner,
            backoff: options.backoff,
            transport: options.route.transport,
            http: options.route.http,
            ..FlusherOptions::default()
        };
        Ok(Self::run(bridge, server, options.backoff, flusher_options))
    }

    fn run(
        bridge: Arc<Bridge>,
        server: Arc<ServerSide>,
        backoff: Backoff,
        options: FlusherOptions,
    ) -> Self {
        let stop = watch::Sender::new(false);
        let endings = Endings {
            server: Arc::clone(&server),
            outbox: bridge.outbox.clone(),
            registry: bridge.registry.clone(),
            values: Arc::clone(&bridge.values),
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::default()),
            backoff,
            wanted: Arc::clone(&bridge.wanted),
        };
        let mut tasks = JoinSet::new();
        let replay = replay(
            bridge.outbox.clone(),
            Arc::clone(&server),
            options,
            stop.subscribe(),
        );
        tasks.spawn_local(replay);
        let mut stopped = stop.subscribe();
        tasks.spawn_local(async move {
            tokio::select! {
                () = endings.run() => {}
                () = endings.listen() => {}
                () = learn(&server, backoff) => {}
                // That the sender is gone means the same.
                _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
            }
        });
        Self {
            bridge,
            stop,
            tasks,
        }
    }

    /// Why nothing can be stored any more, once that is so.
    pub(crate) async fn failed(&self) -> String {
        let mut failure = self.bridge.failure.subscribe();
        let why = failure.wait_for(Option::is_some).await;
        why.ok().and_then(|why| why.clone()).unwrap_or_default()
    }

    /// Ends the replay, without waiting for the server: what is left goes with the next start.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        while let Some(ended) = self.tasks.join_next().await {
            if let Err(error) = ended {
                tracing::error!(%error, "a part of the bridge ended badly");
            }
        }
    }
}

/// Where a bridge keeps its records: beside the outbox.
pub(super) fn folder_beside(state_file: &Path) -> PathBuf {
    state_file.with_file_name("bridge")
}

fn open_outbox(path: &Path, pages_max: u32) -> Result<Outbox, CliError> {
    let sqlite = SqliteSettings {
        pages_max: Some(pages_max),
        ..SqliteSettings::default()
    };
    let options = OutboxOptions {
        sqlite,
        ..OutboxOptions::default()
    };
    Outbox::open(path, options).map_err(|error| {
        CliError::refused(format!("open the outbox `{}`", path.display())).caused_by(error)
    })
}

/// Gives the outbox the ref of each share that it may lack: the bridge was killed before it did, or
/// the outbox was lost; and of each that is not there yet, for a replay that stopped before it was may
/// try again.
async fn use_refs_again(outbox: &Outbox, shares: &Arc<Shares>) -> Result<(), CliError> {
    let failed = |error| CliError::refused("keep a share's ref").caused_by(error);
    let known = outbox.shares().await.map_err(failed)?;
    let known: BTreeSet<_> = known.into_iter().map(|status| status.share).collect();
    for kept in shares.all() {
        let state = shares.hold(&kept).await.state();
        let reference = &kept.record.reference;
        let is_due = state.standing != Standing::Created || !known.contains(&reference.share);
        if state.end == End::No && is_due {
            let used = outbox.use_ref(reference.clone()).await;
            used.map_err(failed)?;
        }
    }
    Ok(())
}

/// Asks the server until it has told its public URL once.
async fn learn(server: &ServerSide, backoff: Backoff) {
    let (clock, entropy) = (SystemClock, SystemEntropy::default());
    let mut failures = 0_u32;
    while let Err(error) = server.learn().await {
        tracing::info!(%error, "the server did not tell its public URL yet");
        failures = failures.saturating_add(1);
        clock.sleep(backoff.delay(failures, &entropy)).await;
    }
    // Nothing is left to be learned; the other parts go on.
    std::future::pending::<()>().await;
}

/// Replays until it is stopped; begins again after a failure of the outbox that may pass, as a full
/// disk.
async fn replay(
    outbox: Outbox,
    server: Arc<ServerSide>,
    options: FlusherOptions,
    mut stopped: watch::Receiver<bool>,
) {
    loop {
        let ended = match spawn(&outbox, &server, options.clone()) {
            Ok(flusher) => {
                let mut progress = flusher.progress();
                tokio::select! {
                    _ = stopped.wait_for(|is_stopped| *is_stopped) => {}
                    () = async { while progress.changed().await.is_ok() {} } => {}
                }
                flusher.stop().await
            }
            Err(error) => Err(error),
        };
        if *stopped.borrow() {
            return;
        }
        if let Err(error) = ended {
            tracing::warn!(%error, "the replay is begun again soon");
        }
        tokio::select! {
            _ = stopped.wait_for(|is_stopped| *is_stopped) => return,
            () = SystemClock.sleep(BEGIN_AGAIN) => {}
        }
    }
}

fn spawn(
    outbox: &Outbox,
    server: &Arc<ServerSide>,
    options: FlusherOptions,
) -> Result<Flusher, FlusherError> {
    let server = Arc::clone(server);
    Flusher::spawn_through(outbox, options, move |inner| {
        Rc::new(CreatingLink { server, inner })
    })
}
