//! Scenario `http`: syncs of agent sessions through the server's HTTP face, and through a bridge
//! beside the agent, each answered once it is durable.
//!
//! Every session has a connection and a share of its own and one sync in flight; a sync replaces one
//! part by another of the same size, which is about what opencode sends while a tool runs.

mod agent;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use self::agent::Agent;
use crate::load::Load;
use crate::probe;
use crate::report::{Found, Machine, Samples, Spread, rate};
use crate::server::{Bridge, Server};
use crate::writer::BenchError;

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Agent sessions, each with a connection and a share of its own; several are run one after the
    /// other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32])]
    sessions: Vec<usize>,
    /// Bytes of the text of the part that a sync brings
    #[arg(long, default_value_t = 8192)]
    text_bytes: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before each measurement that do not count
    #[arg(long, default_value_t = 3)]
    warm_up_seconds: u64,
    /// The `share` binary [default: the one beside this program]
    #[arg(long)]
    share: Option<PathBuf>,
    /// Where the files go: the disk that is measured
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// One line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    scenario: &'static str,
    subject: &'static str,
    sessions: usize,
    text_bytes: usize,
    syncs_s: u64,
    #[serde(flatten)]
    spread: Spread,
    syncs: usize,
    #[serde(flatten)]
    measured: Machine,
}

/// Runs the scenario and gives a line for each number of sessions and subject.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let measured = Machine::here();
    let mut lines = Vec::new();
    for &sessions in &args.sessions {
        let folder = tempfile::tempdir_in(&args.folder)?;
        let line = |subject, samples: Samples| Line {
            scenario: "http",
            subject,
            sessions,
            text_bytes: args.text_bytes,
            syncs_s: rate(&samples),
            spread: samples.spread(),
            syncs: samples.calls(),
            measured: measured.clone(),
        };
        let load = Load {
            writers: sessions,
            batch_ops: 1,
            op_bytes: args.text_bytes,
        };
        let disk = |folder: &std::path::Path| {
            probe::run(folder, load, Duration::from_secs(args.seconds.min(5)))
        };
        lines.push(line("disk", disk(folder.path())?));
        let server = Server::start(args.share.as_deref(), folder.path()).await?;
        lines.push(line("face", syncs(args, sessions, server.http()).await?));
        let bridge = Bridge::start(&server, folder.path()).await?;
        lines.push(line("bridge", syncs(args, sessions, bridge.http()).await?));
        bridge.stop().await?;
        server.stop().await?;
        lines.push(line("disk", disk(folder.path())?));
    }
    Ok(Found {
        lines,
        verdict: None,
    })
}

/// What so many sessions get done at `address`.
async fn syncs(args: &Args, sessions: usize, address: &str) -> Result<Samples, BenchError> {
    let mut agents = Vec::new();
    for number in 0..sessions {
        agents.push(Agent::share(address, number, args.text_bytes).await?);
    }
    let begin = Instant::now() + Duration::from_secs(args.warm_up_seconds);
    let end = begin + Duration::from_secs(args.seconds);
    let tasks: Vec<_> = agents
        .into_iter()
        .map(|agent| tokio::task::spawn_local(agent.run(begin, end)))
        .collect();
    let mut samples = Samples::default();
    for task in tasks {
        let done = task.await;
        samples.merge(done.map_err(|error| BenchError::Unexpected(error.to_string()))??);
    }
    Ok(samples)
}
