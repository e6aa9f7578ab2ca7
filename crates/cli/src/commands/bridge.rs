//! `share bridge`: the HTTP face beside the agent.

mod install;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Subcommand;
use share_client::Backoff;
use share_web::{Face, FaceOptions, Hosts};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::bridge::{BridgeLimits, BridgeOptions, RunningBridge, Target, plugin_token_beside};
use crate::error::CliError;
use crate::http_arg::HttpArg;
use crate::ref_arg::{self, AnyRef, RefArg};
use crate::registry_arg::RegistryArg;
use crate::state_file::StateArg;
use crate::{identity, run, ui};

/// Stand between opencode and the share server, so that opencode loses nothing.
///
/// opencode talks to the bridge as to a share server. What it sends is durable in the outbox before
/// it is answered, and goes to the server when that is there, through restarts of either; sharing and
/// unsharing work while the server is away. Prints `bridge on URL`, and the line for `opencode.json`,
/// when ready. Runs until SIGTERM or Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    stand: StandArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    Install(install::Args),
}

/// How a bridge stands.
#[derive(Debug, clap::Args)]
struct StandArgs {
    /// Where everything goes: a factory's ref, which gives each session a share of its own, or the
    /// ref of one share. `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(long, value_name = "REF")]
    to: Option<RefArg>,
    /// Where to listen: a loopback address with a port, where 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7422")]
    listen: SocketAddr,
    /// Under which URL people reach the server's pages [default: what the server tells]
    #[arg(long, value_name = "URL")]
    public_url: Option<String>,
    #[command(flatten)]
    http: HttpArg,
    #[command(flatten)]
    state: StateArg,
    #[command(flatten)]
    registry: RegistryArg,
    /// For tests: the longest pause between two tries to reach the server
    #[arg(long, value_name = "MS", hide = true)]
    retry_max_ms: Option<u64>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    match args.command {
        Some(Command::Install(args)) => install::run(args),
        None => run::block_on(stand(args.stand)),
    }
}

async fn stand(args: StandArgs) -> Result<(), CliError> {
    let mut terminated = listen_for(SignalKind::terminate())?;
    let mut interrupted = listen_for(SignalKind::interrupt())?;
    check_listen(args.listen)?;
    let listener = TcpListener::bind(args.listen).await.map_err(|error| {
        CliError::refused(format!("listen on {}", args.listen)).caused_by(error)
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| CliError::refused("learn the bridge's address").caused_by(error))?;
    let options = args.options()?;
    let plugin_token = plugin_token_beside(&options.state_file);
    let running = RunningBridge::start(options).await?;
    let options = FaceOptions::new(Hosts::new().listening(address));
    let face = Face::with_local(Arc::clone(&running.bridge), options);
    let drain = watch::Sender::new(false);
    let drained = drain.subscribe();
    let serving = tokio::spawn(async move { face.serve_tcp(listener, drained).await });
    tell(address, &plugin_token)?;
    let failure = tokio::select! {
        _ = terminated.recv() => None,
        _ = interrupted.recv() => None,
        why = running.failed() => Some(why),
    };
    drain.send_replace(true);
    if let Err(error) = serving.await {
        ui::warning(format!("requests ended badly: {error}"));
    }
    running.stop().await;
    match failure {
        None => Ok(()),
        Some(why) => Err(CliError::refused(why)),
    }
}

fn tell(address: SocketAddr, plugin_token: &Path) -> Result<(), CliError> {
    ui::data(format!("bridge on http://{address}"))?;
    ui::note(format!("for opencode.json: {}", config_line(address)));
    ui::note(format!("the plugin's token: {}", plugin_token.display()));
    Ok(())
}

/// What opencode's configuration says of the bridge.
fn config_line(address: SocketAddr) -> String {
    format!(r#""enterprise": {{"url": "http://{address}"}}"#)
}

/// Whoever reaches the bridge creates shares: that is this machine's affair.
fn check_listen(address: SocketAddr) -> Result<(), CliError> {
    match address.ip().is_loopback() {
        true => Ok(()),
        false => Err(CliError::usage(format!(
            "{address} is no loopback address: whoever reaches the bridge creates shares"
        ))
        .hint("run a bridge on each machine, beside its agent")),
    }
}

impl StandArgs {
    fn options(&self) -> Result<BridgeOptions, CliError> {
        check_url(self.public_url.as_deref())?;
        let target = match ref_arg::any_ref(self.to.as_ref())? {
            AnyRef::Factory(factory) => Target::Factory(factory),
            AnyRef::Share(share) => Target::Share(share),
        };
        if matches!(target, Target::Share(_)) && self.public_url.is_none() {
            let what = "a share's ref does not tell under which URL its pages are";
            return Err(CliError::usage(what).hint("say it with `--public-url`"));
        }
        let here = |error| CliError::refused("find the current folder").caused_by(error);
        let project = std::env::current_dir().map_err(here)?;
        Ok(BridgeOptions {
            target,
            state_file: std::path::absolute(self.state.path()?).map_err(here)?,
            registry: self.registry.open()?,
            project: project.display().to_string(),
            public_url: self.public_url.clone(),
            owner: identity::held()?,
            route: self.http.route(),
            backoff: backoff(self.retry_max_ms),
            limits: BridgeLimits::DEFAULT,
        })
    }
}

/// What is handed out must be `URL/share/ID`.
fn check_url(url: Option<&str>) -> Result<(), CliError> {
    let Some(url) = url else { return Ok(()) };
    let checked = Hosts::new().public(url);
    checked
        .map(drop)
        .map_err(|error| CliError::usage("that can't be a server's public URL").caused_by(error))
}

fn backoff(max_ms: Option<u64>) -> Backoff {
    let Some(ms) = max_ms else {
        return Backoff::TRANSPORT;
    };
    let max = Duration::from_millis(ms);
    Backoff {
        base: Backoff::TRANSPORT.base.min(max),
        max,
    }
}

fn listen_for(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::refused("listen for signals").caused_by(error))
}
