//! Drives whole systems and prints figures: one line of JSON for each scenario and subject.
//!
//! A figure stands beside the disk's limit, taken before and after it in the same run. Ratios
//! travel between machines; absolute numbers do not.

mod append;
mod door;
mod hostile;
mod http;
mod load;
mod network;
mod probe;
mod report;
mod revoke;
mod server;
mod statistics;
mod writer;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use tokio::task::LocalSet;

use crate::report::Found;
use crate::writer::BenchError;

/// Measure share sessions.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a scenario
    #[command(subcommand)]
    Run(Scenario),
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// Durable appends by many writers, each with one call in flight
    Append(append::Args),
    /// Whether refused redeems tell by their time what there is
    Door(door::Args),
    /// What a client that behaves notices of peers that do not
    Hostile(hostile::Args),
    /// Syncs of agent sessions through the HTTP face and through a bridge
    Http(http::Args),
    /// Calls over share-network beside the RPC library's own connection
    Network(network::Args),
    /// From a revocation to the end of what it cuts
    Revoke(revoke::Args),
}

fn main() -> ExitCode {
    let Command::Run(scenario) = Cli::parse().command;
    let done = match &scenario {
        Scenario::Append(args) => measure(append::run(args)),
        Scenario::Door(args) => measure(door::run(args)),
        Scenario::Hostile(args) => measure(hostile::run(args)),
        Scenario::Http(args) => measure(http::run(args)),
        Scenario::Network(args) => measure(network::run(args)),
        Scenario::Revoke(args) => measure(revoke::run(args)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure<L: Serialize>(
    scenario: impl Future<Output = Result<Found<L>, BenchError>>,
) -> Result<(), BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let found = LocalSet::new().block_on(&runtime, scenario)?;
    let mut out = std::io::stdout().lock();
    for line in &found.lines {
        let text = serde_json::to_string(line);
        writeln!(
            out,
            "{}",
            text.map_err(|error| BenchError::Unexpected(error.to_string()))?
        )?;
    }
    if let Some(verdict) = found.verdict {
        writeln!(std::io::stderr(), "{verdict}")?;
    }
    Ok(())
}
