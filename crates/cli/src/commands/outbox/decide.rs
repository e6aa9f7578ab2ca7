//! `share outbox retry` and `share outbox drop`.

use serde::Serialize;
use share_client::{
    Enqueued, Outbox, OutboxError, OutboxOptions, ResolveError, Row, RowFilter, RowState,
};
use share_model::{OpId, ShareId};

use crate::error::CliError;
use crate::op_arg::{self, OpArg};
use crate::printable;
use crate::state_file::StateArg;
use crate::{run, ui};

/// Rows that are read at once.
const PAGE: usize = 1000;

#[derive(Debug, clap::Args)]
pub(super) struct RetryArgs {
    /// Their ids, or the beginnings of them: 6 digits or more
    #[arg(value_name = "OP", required_unless_present = "all_dead")]
    ops: Vec<OpArg>,
    /// All ops that were given up and about which nothing was decided; none that is in doubt
    #[arg(long, conflicts_with = "ops")]
    all_dead: bool,
    #[command(flatten)]
    state: StateArg,
    /// Only ops of this share
    #[arg(long, value_name = "ID")]
    share: Option<ShareId>,
    /// One JSON object a line: share, opId, decision (sentAsNew), replacement (the new op), seq (its)
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct DropArgs {
    /// Their ids, or the beginnings of them: 6 digits or more
    #[arg(value_name = "OP", required = true)]
    ops: Vec<OpArg>,
    #[command(flatten)]
    state: StateArg,
    /// Only ops of this share
    #[arg(long, value_name = "ID")]
    share: Option<ShareId>,
    /// One JSON object a line: share, opId, decision (dropped)
    #[arg(long)]
    json: bool,
}

/// An op that was decided.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    share: String,
    op_id: String,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    replacement: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
}

impl Line {
    fn say(&self, json: bool) -> Result<(), CliError> {
        if json {
            return printable::json(self);
        }
        let op = &self.op_id;
        ui::data(match (&self.replacement, self.seq) {
            (Some(new), Some(seq)) => format!("{op} goes as the new op {new}, seq {seq}"),
            _ => format!("{op} was let go"),
        })
    }
}

pub(super) fn retry(args: &RetryArgs) -> Result<(), CliError> {
    run::block_on(async {
        let outbox = args.state.open_existing(OutboxOptions::default())?;
        let ops = match args.all_dead {
            true => dead_letters(&outbox, args.share).await?,
            false => named(&outbox, args.share, &args.ops).await?,
        };
        if ops.is_empty() {
            ui::note("no op was given up that is not decided");
            return Ok(());
        }
        let failed = send_all(&outbox, &ops, args.json).await?;
        if failed.len() < ops.len() {
            ui::note("`share replay` sends what is new");
        }
        finish(ops.len(), failed)
    })
}

pub(super) fn drop_ops(args: &DropArgs) -> Result<(), CliError> {
    run::block_on(async {
        let outbox = args.state.open_existing(OutboxOptions::default())?;
        let ops = named(&outbox, args.share, &args.ops).await?;
        let mut failed = Vec::new();
        for (share, op) in &ops {
            match outbox.drop_op(*share, *op).await {
                Ok(()) => dropped(*share, *op).say(args.json)?,
                Err(error) => failed.push(error),
            }
        }
        finish(ops.len(), failed)
    })
}

fn sent(share: ShareId, op: OpId, new: Enqueued) -> Line {
    Line {
        share: share.to_string(),
        op_id: op.to_string(),
        decision: "sentAsNew",
        replacement: Some(new.id.to_string()),
        seq: Some(new.seq.get()),
    }
}

fn dropped(share: ShareId, op: OpId) -> Line {
    Line {
        share: share.to_string(),
        op_id: op.to_string(),
        decision: "dropped",
        replacement: None,
        seq: None,
    }
}

/// The ops that are meant; all of them are found before anything is decided.
async fn named(
    outbox: &Outbox,
    share: Option<ShareId>,
    args: &[OpArg],
) -> Result<Vec<(ShareId, OpId)>, CliError> {
    let mut ops = Vec::new();
    for arg in args {
        let row = op_arg::find(outbox, share, arg).await?;
        let op = (row.share, row.op_id);
        if !ops.contains(&op) {
            ops.push(op);
        }
    }
    Ok(ops)
}

async fn dead_letters(
    outbox: &Outbox,
    share: Option<ShareId>,
) -> Result<Vec<(ShareId, OpId)>, CliError> {
    let filter = RowFilter {
        share,
        states: vec![RowState::DeadLetter],
    };
    let mut ops = Vec::new();
    let mut after = None;
    loop {
        let rows = outbox
            .rows(filter.clone(), after, PAGE)
            .await
            .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
        let Some(last) = rows.last() else { break };
        after = Some(last.position());
        let undecided = rows.iter().filter(|row| row.resolution.is_none());
        ops.extend(undecided.map(|row: &Row| (row.share, row.op_id)));
    }
    Ok(ops)
}

/// Sends them all, dependencies first whatever the order is; why some could not be sent.
async fn send_all(
    outbox: &Outbox,
    ops: &[(ShareId, OpId)],
    json: bool,
) -> Result<Vec<ResolveError>, CliError> {
    let mut waiting = ops.to_vec();
    let mut refused = Vec::new();
    loop {
        let (mut again, mut not_yet) = (Vec::new(), Vec::new());
        for (share, op) in &waiting {
            match outbox.send_as_new(*share, *op).await {
                Ok(new) => sent(*share, *op, new).say(json)?,
                // Perhaps on another one of them, which comes later.
                Err(error @ ResolveError::DependencyUndecided { .. }) => {
                    again.push((*share, *op));
                    not_yet.push(error);
                }
                Err(error) => refused.push(error),
            }
        }
        if again.is_empty() || again.len() == waiting.len() {
            refused.extend(not_yet);
            return Ok(refused);
        }
        waiting = again;
    }
}

/// Says what was not decided, and why.
fn finish(ops: usize, mut refused: Vec<ResolveError>) -> Result<(), CliError> {
    let count = refused.len();
    match (refused.pop(), ops) {
        (None, _) => Ok(()),
        (Some(error), 1) => Err(why(error)),
        (Some(last), _) => {
            refused.push(last);
            for error in refused {
                ui::warning(why(error).to_string());
            }
            Err(
                CliError::refused(format!("{count} of {ops} ops were not decided"))
                    .hint("the others were; `share doctor` says what is left"),
            )
        }
    }
}

fn why(error: ResolveError) -> CliError {
    let hint = match &error {
        ResolveError::NotHeld { .. } => {
            Some("`share outbox list` shows the ops that it holds".into())
        }
        ResolveError::StillTried { .. } => Some("`share replay` goes on with it".into()),
        ResolveError::SentAlready { replacement, .. } => Some(format!(
            "`share outbox show {replacement}` shows what became of it"
        )),
        ResolveError::GroupApplied { op, .. }
        | ResolveError::CursorPassed { op, .. }
        | ResolveError::DependencyDropped { op, .. } => {
            Some(format!("`share outbox drop {op}` lets it go"))
        }
        ResolveError::DependencyUndecided { dependency, .. } => Some(format!(
            "`share outbox retry {dependency}` or `share outbox drop {dependency}`"
        )),
        ResolveError::Outbox(OutboxError::ShareGone { .. }) => {
            Some("`share outbox drop OP` lets an op go".into())
        }
        _ => None,
    };
    let refused = CliError::refused("nothing was decided").caused_by(error);
    match hint {
        Some(hint) => refused.hint(hint),
        None => refused,
    }
}
