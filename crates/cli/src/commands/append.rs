//! `share append`: ops from JSON lines.

use std::io::{self, BufRead, Read};

use share_client::{AgentSession, Grouping, NewOp, OutboxError, OutboxOptions, RetryPolicy};
use share_model::ShareId;

use crate::agent_arg::{agent, explained};
use crate::counts::{self, OpLines};
use crate::error::CliError;
use crate::flush::{self, Ending};
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{run, ui};

/// Bytes of all lines together: they are stored as one, or not at all.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Append ops to a share, through the outbox.
///
/// One JSON object a line on standard input: {"op":"put","key":…,"value":…}, likewise "merge";
/// "appendText" with "pointer" and "text"; "appendItem" with "pointer" and "value"; "remove". Each
/// may have an "id" (a UUID) and "dependsOn" (ids). All lines are stored before anything is sent, or
/// none if one of them is no op. With the server away or the share frozen the ops are kept; `share
/// replay` sends them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for the first line of standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    #[command(flatten)]
    state: StateArg,
    /// Append as this agent session, within what `share lease` lets it
    #[arg(long = "as", value_name = "SESSION", value_parser = agent)]
    session: Option<AgentSession>,
    /// Store the ops and send nothing
    #[arg(long)]
    no_flush: bool,
    /// One JSON object: applied, duplicates, rejected, inDoubt, pending
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    let share = share_ref.share;
    let (lines, ops): (Vec<u64>, Vec<NewOp>) = read()?.into_iter().unzip();
    run::block_on(async {
        let retry = RetryPolicy {
            attempts_max: 4,
            ..RetryPolicy::default()
        };
        let outbox = args.state.open(OutboxOptions {
            retry,
            ..OutboxOptions::default()
        })?;
        outbox
            .use_ref(share_ref)
            .await
            .map_err(|error| CliError::refused("keep the share's ref").caused_by(error))?;
        let stored = match args.session {
            None => outbox.enqueue_all(share, ops, Grouping::Loose).await,
            Some(session) => {
                let agent = outbox.agent(session);
                agent.enqueue_all(share, ops, Grouping::Loose).await
            }
        };
        let enqueued = stored.map_err(|error| not_stored(share, error))?;
        let ending = if args.no_flush {
            Ending::NotTried
        } else {
            flush::once(&outbox, share).await?
        };
        let mut stored = OpLines::default();
        for (line, op) in lines.iter().zip(&enqueued) {
            stored.note(*line, op.id);
        }
        let counts = counts::count(&outbox, share, &stored).await?;
        if args.json {
            ui::json(&counts)?;
        } else {
            ui::data(counts.to_string())?;
        }
        flush::finish(ending, counts.pending)?;
        counts.check()
    })
}

/// The ops of standard input, each with its line.
fn read() -> Result<Vec<(u64, NewOp)>, CliError> {
    let mut ops = Vec::new();
    let input = io::stdin().lock().take(INPUT_BYTES_MAX + 1);
    let mut bytes = 0;
    for (number, line) in (1_u64..).zip(input.lines()) {
        let line = line
            .map_err(|error| CliError::refused(format!("read line {number}")).caused_by(error))?;
        bytes += line.len() as u64 + 1;
        if bytes > INPUT_BYTES_MAX {
            return Err(CliError::refused(format!(
                "the input has more than {INPUT_BYTES_MAX} bytes"
            ))
            .hint("nothing was stored; append it in parts"));
        }
        if line.trim().is_empty() {
            continue;
        }
        let op = NewOp::from_json_line(&line).map_err(|error| {
            CliError::refused(format!("line {number}"))
                .caused_by(error)
                .hint("nothing was stored")
        })?;
        ops.push((number, op));
    }
    Ok(ops)
}

fn not_stored(share: ShareId, error: OutboxError) -> CliError {
    let what =
        CliError::refused(format!("store the ops for share {share}")).hint("nothing was stored");
    explained(what, error)
}
