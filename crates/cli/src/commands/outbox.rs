//! `share outbox`: what the outbox holds.

use clap::Subcommand;
use serde::Serialize;
use share_client::{OutboxOptions, Row, RowFilter};

use crate::error::CliError;
use crate::state_file::StateArg;
use crate::{run, ui};

/// Rows that are read at once.
const PAGE: usize = 1000;

/// Show what the outbox holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the ops, oldest first (the default)
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    state: StateArg,
    /// One JSON object a line: share, seq, opId, batchId, state, attempts, nextAttemptAt, error
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    share: String,
    seq: u64,
    op_id: String,
    batch_id: Option<String>,
    state: &'static str,
    attempts: u32,
    /// Milliseconds since 1970; null: as soon as possible, or never again.
    next_attempt_at: Option<u64>,
    error: Option<String>,
}

impl Line {
    fn of(row: &Row) -> Self {
        Self {
            share: row.share.to_string(),
            seq: row.seq.get(),
            op_id: row.op_id.to_string(),
            batch_id: row.batch_id.map(|id| id.to_string()),
            state: row.state.name(),
            attempts: row.attempts,
            next_attempt_at: row.next_attempt_at.map(share_model::UnixMs::get),
            error: row.error.clone(),
        }
    }
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let list = match args.action {
        Some(Action::List(list)) => list,
        None => args.list,
    };
    run::block_on(async {
        let outbox = list.state.open_existing(OutboxOptions::default())?;
        let mut after = None;
        let mut is_first = true;
        loop {
            let rows = outbox
                .rows(RowFilter::default(), after, PAGE)
                .await
                .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
            let Some(last) = rows.last() else { break };
            after = Some(last.position());
            for row in &rows {
                let line = Line::of(row);
                if list.json {
                    ui::json(&line)?;
                    continue;
                }
                if std::mem::take(&mut is_first) {
                    ui::data(format!(
                        "{:32}  {:>8}  {:32}  {:>8}  state",
                        "share", "seq", "op", "attempts"
                    ))?;
                }
                ui::data(text(&line))?;
            }
        }
        if is_first && !list.json {
            ui::note("the outbox is empty");
        }
        Ok(())
    })
}

fn text(line: &Line) -> String {
    let Line {
        share,
        seq,
        op_id,
        attempts,
        state,
        ..
    } = line;
    let error = line
        .error
        .as_deref()
        .map_or(String::new(), |error| format!(": {error}"));
    format!("{share}  {seq:>8}  {op_id}  {attempts:>8}  {state}{error}")
}
