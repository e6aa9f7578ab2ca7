//! `share outbox list`.

use serde::Serialize;
use share_client::{OutboxOptions, Row, RowFilter, RowState};
use share_model::ShareId;

use super::{ResolutionLine, WasLine};
use crate::error::CliError;
use crate::printable::{self, printable};
use crate::state_file::StateArg;
use crate::{run, ui};

/// Rows that are read at once.
const PAGE: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    #[command(flatten)]
    state: StateArg,
    /// Only ops in this state, or in one of these: queued, reserved, sent, rejected, settled,
    /// dead-letter, in-doubt
    #[arg(long, value_name = "STATE", value_parser = state)]
    only: Vec<RowState>,
    /// Only ops of this share
    #[arg(long, value_name = "ID")]
    share: Option<ShareId>,
    /// One JSON object a line: share, outbox, seq, was (outbox, seq; of an op that was re-queued),
    /// opId, batchId, state, attempts, enqueuedAt and nextAttemptAt (ms since 1970), error,
    /// resolution (decision: sentAsNew or dropped; replacement: the new op)
    #[arg(long)]
    json: bool,
}

fn state(name: &str) -> Result<RowState, String> {
    let found = RowState::ALL.into_iter().find(|state| state.name() == name);
    found.ok_or_else(|| {
        let names = RowState::ALL.map(RowState::name).join(", ");
        format!("no such state; the states are {names}")
    })
}

/// An op as it is listed; `show` says more of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub(super) share: String,
    pub(super) outbox: String,
    pub(super) seq: u64,
    pub(super) was: Option<WasLine>,
    pub(super) op_id: String,
    pub(super) batch_id: Option<String>,
    pub(super) state: &'static str,
    pub(super) attempts: u32,
    pub(super) enqueued_at: u64,
    /// Null: as soon as possible, or never again.
    pub(super) next_attempt_at: Option<u64>,
    pub(super) error: Option<String>,
    pub(super) resolution: Option<ResolutionLine>,
}

impl Line {
    pub(super) fn of(row: &Row) -> Self {
        Self {
            share: row.share.to_string(),
            outbox: row.outbox.to_string(),
            seq: row.seq.get(),
            was: WasLine::of(row),
            op_id: row.op_id.to_string(),
            batch_id: row.batch_id.map(|id| id.to_string()),
            state: row.state.name(),
            attempts: row.attempts,
            enqueued_at: row.enqueued_at.get(),
            next_attempt_at: row.next_attempt_at.map(share_model::UnixMs::get),
            error: row.error.clone(),
            resolution: ResolutionLine::of(row),
        }
    }
}

pub(super) fn run(args: &ListArgs) -> Result<(), CliError> {
    run::block_on(async {
        let outbox = args.state.open_existing(OutboxOptions::default())?;
        let filter = RowFilter {
            share: args.share,
            states: args.only.clone(),
        };
        let mut after = None;
        let mut is_first = true;
        loop {
            let rows = outbox
                .rows(filter.clone(), after, PAGE)
                .await
                .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
            let Some(last) = rows.last() else { break };
            after = Some(last.position());
            for row in &rows {
                let line = Line::of(row);
                if args.json {
                    printable::json(&line)?;
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
        if is_first && !args.json {
            let is_filtered = args.share.is_some() || !args.only.is_empty();
            ui::note(match is_filtered {
                true => "the outbox holds no such op",
                false => "the outbox is empty",
            });
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
    let decided = line
        .resolution
        .as_ref()
        .map_or(String::new(), |decided| format!(", {}", decided.text()));
    let error = line
        .error
        .as_deref()
        .map_or(String::new(), |error| format!(": {}", printable(error)));
    format!("{share}  {seq:>8}  {op_id}  {attempts:>8}  {state}{decided}{error}")
}
