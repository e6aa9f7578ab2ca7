//! `share append`: ops from JSON lines.

use std::io::{self, BufRead, Read};

use serde::Serialize;
use share_client::{
    Enqueued, Grouping, NewOp, Outbox, OutboxError, OutboxOptions, Outcome, RetryPolicy, RowFilter,
};
use share_model::{Seq, ShareId};

use crate::error::CliError;
use crate::flush::{self, Ending};
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{json_lines, run, ui};

/// Bytes of all lines together: they are stored as one, or not at all.
const INPUT_BYTES_MAX: u64 = 256 << 20;

/// Rows of the outbox that are read at once.
const PAGE: usize = 1000;

/// Append ops to a share, through the outbox.
///
/// One JSON object a line on standard input: {"op":"put","key":…,"value":…}, likewise "merge";
/// "appendText" with "pointer" and "text"; "appendItem" with "pointer" and "value"; "remove". Each
/// may have an "id" (a UUID) and "dependsOn" (ids). All lines are stored before anything is sent, or
/// none if one of them is no op. With the server away the ops are kept; `share replay` sends them.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for the first line of standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    #[command(flatten)]
    state: StateArg,
    /// Store the ops and send nothing
    #[arg(long)]
    no_flush: bool,
    /// One JSON object: applied, duplicates, rejected, inDoubt, pending
    #[arg(long)]
    json: bool,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    applied: u64,
    duplicates: u64,
    rejected: u64,
    in_doubt: u64,
    pending: u64,
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
        let enqueued = outbox
            .enqueue_all(share, ops, Grouping::Loose)
            .await
            .map_err(|error| not_stored(share, error))?;
        let ending = if args.no_flush {
            Ending::NotTried
        } else {
            flush::once(&outbox, share).await?
        };
        let counts = count(&outbox, share, &enqueued, &lines).await?;
        report(&counts, args.json)?;
        flush::finish(ending, counts.pending)?;
        if counts.rejected + counts.in_doubt > 0 {
            return Err(CliError::refused("not every op was applied"));
        }
        Ok(())
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
        let op = json_lines::read(&line).map_err(|error| {
            CliError::refused(format!("line {number}"))
                .caused_by(error)
                .hint("nothing was stored")
        })?;
        ops.push((number, op));
    }
    Ok(ops)
}

fn not_stored(share: ShareId, error: OutboxError) -> CliError {
    CliError::refused(format!("store the ops for share {share}"))
        .caused_by(error)
        .hint("nothing was stored")
}

/// What became of the ops; each that was not applied is named by its line.
async fn count(
    outbox: &Outbox,
    share: ShareId,
    enqueued: &[Enqueued],
    lines: &[u64],
) -> Result<Counts, CliError> {
    let mut counts = Counts::default();
    let (Some(first), Some(last)) = (enqueued.first(), enqueued.last()) else {
        return Ok(counts);
    };
    let filter = RowFilter {
        share: Some(share),
        ..RowFilter::default()
    };
    let before = Seq::new(first.seq.get() - 1);
    let mut after = Some((share, before));
    loop {
        let rows = outbox
            .rows(filter.clone(), after, PAGE)
            .await
            .map_err(|error| CliError::refused("read the outbox").caused_by(error))?;
        let Some(newest) = rows.last() else { break };
        after = Some((share, newest.seq));
        for row in rows.iter().filter(|row| row.seq <= last.seq) {
            let at = usize::try_from(row.seq.above(first.seq)).unwrap_or(usize::MAX);
            let line = lines.get(at).copied().unwrap_or(0);
            match &row.outcome {
                Some(Outcome::Applied(_)) => counts.applied += 1,
                Some(Outcome::Duplicate(_)) => counts.duplicates += 1,
                Some(Outcome::DeadLetter(failure)) => {
                    counts.rejected += 1;
                    ui::note(format!("line {line}: rejected: {failure}"));
                }
                Some(Outcome::InDoubt) => {
                    counts.in_doubt += 1;
                    ui::note(format!(
                        "line {line}: in doubt: whether it was applied can't be told"
                    ));
                }
                None => counts.pending += 1,
            }
        }
    }
    Ok(counts)
}

fn report(counts: &Counts, json: bool) -> Result<(), CliError> {
    if json {
        return ui::json(counts);
    }
    let Counts {
        applied,
        duplicates,
        rejected,
        in_doubt,
        pending,
    } = counts;
    let mut text = format!("applied {applied}, duplicates {duplicates}, rejected {rejected}");
    if *in_doubt > 0 {
        text += &format!(", in doubt {in_doubt}");
    }
    if *pending > 0 {
        text += &format!(", pending {pending}");
    }
    ui::data(text)
}
