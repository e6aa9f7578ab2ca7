//! `share-chaos`.

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use share_harness::real::{self, AgentArgs, NodeArgs, RealError};

/// Breaks share sessions on purpose, to prove what they promise.
#[derive(Debug, Parser)]
#[command(version)]
enum Command {
    #[command(hide = true)]
    Node(NodeArgs),
    #[command(hide = true)]
    Agent(AgentArgs),
}

fn main() -> ExitCode {
    let done = match Command::parse() {
        Command::Node(args) => real::node::main(args),
        Command::Agent(args) => real::agent::main(args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tell(&error);
            ExitCode::FAILURE
        }
    }
}

fn tell(error: &RealError) {
    let mut message = format!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        message.push_str(&format!(": {error}"));
        cause = error.source();
    }
    // If nobody reads it, nobody misses it.
    drop(writeln!(std::io::stderr(), "{message}"));
}
