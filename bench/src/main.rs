//! Drives whole systems and prints figures.
//!
//! The scenarios that are letters run in interleaved pairs of the limit server and ours, with durable
//! peers where they are installed, and the disk's limit before and after; they end in one table. Ratios
//! travel between machines; absolute numbers do not. The others print a line of JSON for each figure.

mod arrivals;
mod bench;
mod door;
mod error;
mod hostile;
mod lane;
mod limit;
mod load;
mod network;
mod pairs;
mod plot;
mod probe;
mod record;
mod report;
mod revoke;
mod scenario;
mod server;
mod statistics;
mod subject;
mod suite;
mod table;
mod targets;
mod usage;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use serde::Serialize;
use tokio::task::LocalSet;

use crate::error::BenchError;
use crate::report::Found;

/// Measure share sessions.
#[derive(Debug, Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run scenarios: letters, which end in one table, or one of those that have a name
    Run(Box<Run>),
    /// Serve as the limit server; for the other subcommand
    #[command(hide = true)]
    Limit(limit::Args),
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
struct Run {
    #[command(flatten)]
    suite: suite::Args,
    #[command(subcommand)]
    named: Option<Named>,
}

#[derive(Debug, Subcommand)]
enum Named {
    /// Whether refused redeems tell by their time what there is
    Door(door::Args),
    /// What a client that behaves notices of peers that do not
    Hostile(hostile::Args),
    /// Calls over share-network beside the RPC library's own connection
    Network(network::Args),
    /// From a revocation to the end of what it cuts
    Revoke(revoke::Args),
}

fn main() -> ExitCode {
    let done = match &Cli::parse().command {
        Command::Limit(args) => limit::run(args).map(|()| true).map_err(BenchError::from),
        Command::Run(run) => match &run.named {
            None => block_on(suite::run(&run.suite)),
            Some(Named::Door(args)) => measure(door::run(args)),
            Some(Named::Hostile(args)) => measure(hostile::run(args)),
            Some(Named::Network(args)) => measure(network::run(args)),
            Some(Named::Revoke(args)) => measure(revoke::run(args)),
        },
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn block_on<T>(scenario: impl Future<Output = Result<T, BenchError>>) -> Result<T, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, scenario)
}

fn measure<L: Serialize>(
    scenario: impl Future<Output = Result<Found<L>, BenchError>>,
) -> Result<bool, BenchError> {
    let found = block_on(scenario)?;
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
    Ok(true)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn run(arguments: &str) -> Result<Run, clap::Error> {
        let words = std::iter::once("share-bench").chain(arguments.split_ascii_whitespace());
        match Cli::try_parse_from(words)?.command {
            Command::Run(run) => Ok(*run),
            Command::Limit(args) => panic!("{args:?}"),
        }
    }

    #[test]
    fn arguments_contradict_each_other_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn scenarios_are_letters_or_one_name() {
        assert!(
            run("run A B C --pairs 2 --subjects share,limit --json a.json")
                .unwrap()
                .named
                .is_none()
        );
        assert!(matches!(
            run("run network --rounds 1").unwrap().named,
            Some(Named::Network(_))
        ));
        for wrong in [
            "run A network",
            "run Q",
            "run a",
            "run A --subjects nats",
            "run A --pace 0",
        ] {
            assert!(run(wrong).is_err(), "{wrong}");
        }
    }
}
