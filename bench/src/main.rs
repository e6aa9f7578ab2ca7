//! Drives whole systems and prints figures: one line of JSON for each scenario and subject.
//!
//! A figure stands beside the disk's limit, taken before and after it in the same run. Ratios
//! travel between machines; absolute numbers do not.

mod append;
mod load;
mod probe;
mod report;
mod writer;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::task::LocalSet;

use crate::report::Line;
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
}

fn main() -> ExitCode {
    let Command::Run(Scenario::Append(args)) = Cli::parse().command;
    match measure(&args).and_then(|lines| print(&lines)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to be told if stderr is gone.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn measure(args: &append::Args) -> Result<Vec<Line>, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, append::run(args))
}

fn print(lines: &[Line]) -> Result<(), BenchError> {
    let mut out = std::io::stdout().lock();
    for line in lines {
        let text = serde_json::to_string(line);
        writeln!(
            out,
            "{}",
            text.map_err(|error| BenchError::Unexpected(error.to_string()))?
        )?;
    }
    Ok(())
}
