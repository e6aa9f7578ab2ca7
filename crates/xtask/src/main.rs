//! `cargo xtask`: checks and chores that cargo does not do.

mod markdown;
mod rust;
mod schema;
mod tidy;
mod tree;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tree::Tree;

/// Checks and chores that cargo does not do.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Checks the rules of the tree and prints each violation as `path:line: what, and what to do`.
    Tidy,
    /// Compiles `schema/*.capnp` with the system's `capnp` into the committed request.
    Schema {
        /// Writes nothing; fails unless the committed request is what the compiler makes.
        #[arg(long)]
        check: bool,
    },
}

/// Why a task did not do its work.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error("read the tree at {root}: {source}")]
    Tree {
        root: String,
        source: std::io::Error,
    },
    #[error(transparent)]
    Schema(#[from] schema::SchemaError),
    #[error("write to standard output: {0}")]
    Output(#[from] std::io::Error),
}

fn main() -> ExitCode {
    // A path of this checkout: the binary is only ever run by `cargo xtask`, which builds it here.
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    match run(&Cli::parse().task, root) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done when standard error is closed as well.
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task, root: &Path) -> Result<ExitCode, TaskError> {
    let tree = Tree::read(root).map_err(|source| TaskError::Tree {
        root: root.display().to_string(),
        source,
    })?;
    let mut out = std::io::stdout().lock();
    match task {
        Task::Tidy => {
            let violations = tidy::violations(&tree);
            for violation in &violations {
                writeln!(out, "{violation}")?;
            }
            writeln!(
                out,
                "tidy: {} checks, {} violations",
                tidy::CHECKS.len(),
                violations.len()
            )?;
            Ok(if violations.is_empty() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            })
        }
        Task::Schema { check: true } => {
            schema::compare(&tree, root)?;
            writeln!(
                out,
                "schema: the committed request is what the compiler makes"
            )?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Schema { check: false } => {
            schema::regenerate(&tree, root)?;
            writeln!(
                out,
                "schema: wrote {} and {}",
                schema::REQUEST,
                schema::RECORD
            )?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
