//! `share outbox`: what the outbox holds, and what a person decides about it.

mod decide;
mod list;
mod show;

use clap::Subcommand;
use serde::Serialize;
use share_client::{Resolution, Row};

use crate::error::CliError;

/// Show what the outbox holds, and decide about ops that were not applied.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: list::ListArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the ops, oldest first (the default)
    List(list::ListArgs),
    /// Show all that is known of an op
    Show(show::ShowArgs),
    /// Send ops that were given up, or are in doubt, as new ones
    ///
    /// The new op says the same and stands at the end; `share replay` sends it. An op in doubt may
    /// have been applied: look at the share first (`share show`), or it may be there twice. The ops
    /// of an atomic group are sent together, whichever of them is named. Safe to repeat: an op is
    /// sent as a new one once.
    Retry(decide::RetryArgs),
    /// Let ops go that were given up, or are in doubt
    ///
    /// They are not counted any more and stay listed until their retention is over. The ops of an
    /// atomic group go together, whichever of them is named. Safe to repeat.
    Drop(decide::DropArgs),
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    match args.action {
        None => list::run(&args.list),
        Some(Action::List(list)) => list::run(&list),
        Some(Action::Show(show)) => show::run(&show),
        Some(Action::Retry(retry)) => decide::retry(&retry),
        Some(Action::Drop(drop)) => decide::drop_ops(&drop),
    }
}

/// Where an op was enqueued that was re-queued since.
#[derive(Serialize)]
struct WasLine {
    outbox: String,
    seq: u64,
}

impl WasLine {
    fn of(row: &Row) -> Option<Self> {
        row.was.map(|was| Self {
            outbox: was.outbox.to_string(),
            seq: was.seq.get(),
        })
    }
}

/// What a person decided.
#[derive(Serialize)]
#[serde(tag = "decision", rename_all = "camelCase")]
enum ResolutionLine {
    SentAsNew { replacement: String },
    Dropped,
}

impl ResolutionLine {
    fn of(row: &Row) -> Option<Self> {
        row.resolution.map(|resolution| match resolution {
            Resolution::SentAsNew(new) => Self::SentAsNew {
                replacement: new.to_string(),
            },
            Resolution::Dropped => Self::Dropped,
        })
    }

    fn text(&self) -> String {
        match self {
            Self::SentAsNew { replacement } => format!("sent as {replacement}"),
            Self::Dropped => "let go".to_owned(),
        }
    }
}
