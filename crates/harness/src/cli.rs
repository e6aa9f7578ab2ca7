//! Arguments, output and exit codes of `share-chaos`.

mod bugs;
mod replay;
mod report;
mod run;
mod scenario_arg;
mod scenarios;
mod sweep;
mod ui;
mod worker;

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use share_harness::real::{self, AgentArgs, NodeArgs, RealError};
use share_harness::verdict::with_causes;

/// Breaks share sessions on purpose, to prove what they promise.
#[derive(Debug, Parser)]
#[command(name = "share-chaos", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Args),
    Replay(replay::Args),
    Bugs(bugs::Args),
    Report(report::Args),
    Scenarios(scenarios::Args),
    #[command(name = share_harness::worker::SUBCOMMAND, hide = true)]
    Worker,
    #[command(hide = true)]
    Node(NodeArgs),
    #[command(hide = true)]
    Agent(AgentArgs),
}

/// What a command came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Done {
    /// What was asked for holds.
    Holds,
    /// It does not.
    Fails,
    /// It was asked for in a way that makes no sense.
    Misused,
}

pub(crate) fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(args) => run::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Bugs(args) => bugs::run(args),
        Command::Report(args) => report::run(args),
        Command::Scenarios(args) => scenarios::run(args),
        Command::Worker => worker::run(),
        Command::Node(args) => process(real::node::main(args)),
        Command::Agent(args) => process(real::agent::main(args)),
    };
    match done {
        Ok(Done::Holds) => ExitCode::SUCCESS,
        Ok(Done::Fails) => ExitCode::FAILURE,
        Ok(Done::Misused) => ExitCode::from(2),
        // Whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            ui::error(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// How a process of a run with real ones ended.
fn process(ended: Result<(), RealError>) -> io::Result<Done> {
    match ended {
        Ok(()) => Ok(Done::Holds),
        Err(error) => Err(io::Error::other(with_causes(&error))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_arguments_are_consistent() {
        super::Cli::command().debug_assert();
    }
}
