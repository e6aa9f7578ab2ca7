//! `share replay`: drains the outbox by redeem, then append.

use std::time::Duration;

use serde::Serialize;
use share_client::{FlushReport, Outbox, OutboxOptions, ShareStatus};
use tokio::signal::ctrl_c;

use crate::error::CliError;
use crate::flush::{self, Ending};
use crate::http_arg::HttpArg;
use crate::printable::{json as json_line, printable};
use crate::recovery::{self, Told};
use crate::state_file::StateArg;
use crate::{run, ui};

/// How often `--watch` looks whether the replay has come to a stop.
const ROUND: Duration = Duration::from_secs(1);

/// Send what the outbox holds.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    state: StateArg,
    /// Go on until Ctrl-C, also while servers are away
    #[arg(long, conflicts_with = "dry_run")]
    watch: bool,
    #[command(flatten)]
    http: HttpArg,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
    /// One JSON object: shares, sent, resent, applied, duplicates, rejected, inDoubt, pending, and
    /// recoveries: what was done meanwhile about a copied outbox or a restored server, each with
    /// number, share, at (ms since 1970), what (requeued, fedAgain, requeuedAll), reason, ops, and
    /// the seqs that are lost or unchecked (outbox, first, last)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    shares: u64,
    sent: u64,
    resent: u64,
    applied: u64,
    duplicates: u64,
    rejected: u64,
    in_doubt: u64,
    pending: u64,
    recoveries: Vec<Told>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    run::block_on(async {
        let outbox = args.state.open_existing(OutboxOptions::default())?;
        if args.dry_run {
            return dry_run(&statuses(&outbox).await?, args.json);
        }
        let before = recovery::newest(&outbox).await?;
        let flusher = flush::start(&outbox, args.http.flusher_options())?;
        let mut told = before;
        if args.watch {
            ui::note("replaying until Ctrl-C");
            told = watch(&outbox, before, args.json).await?;
        }
        let ending = flush::to_the_end(flusher, None).await?;
        let Ending::Tried(report) = &ending else {
            return Ok(());
        };
        let recoveries = recovery::after(&outbox, before).await?;
        if !args.json {
            tell(&recoveries, told);
        }
        say(&Line::of(report, recoveries), args.json)?;
        let pending = report.pending;
        flush::finish(ending, pending)
    })
}

impl Line {
    fn of(report: &FlushReport, recoveries: Vec<Told>) -> Self {
        let FlushReport {
            shares,
            progress,
            pending,
            ..
        } = report;
        Self {
            shares: *shares,
            sent: progress.sent,
            resent: progress.resent,
            applied: progress.applied,
            duplicates: progress.duplicates,
            rejected: progress.rejected,
            in_doubt: progress.in_doubt,
            pending: *pending,
            recoveries,
        }
    }
}

/// Says what was done after the event with this number; the number of the last one.
fn tell(recoveries: &[Told], after: u64) -> u64 {
    let new = recoveries.iter().filter(|told| told.number() > after);
    new.fold(after, |_, told| {
        told.say();
        told.number()
    })
}

async fn statuses(outbox: &Outbox) -> Result<Vec<ShareStatus>, CliError> {
    outbox
        .shares()
        .await
        .map_err(|error| CliError::refused("read the outbox").caused_by(error))
}

/// Waits for Ctrl-C; says once of each share whose replay waits for a person, and what was done
/// after the event with this number; the number of the last one said.
async fn watch(outbox: &Outbox, after: u64, json: bool) -> Result<u64, CliError> {
    let mut told = Vec::new();
    let mut after = after;
    let mut rounds = tokio::time::interval(ROUND);
    loop {
        tokio::select! {
            pressed = ctrl_c() => {
                return pressed
                    .map(|()| after)
                    .map_err(|error| CliError::refused("wait for Ctrl-C").caused_by(error));
            }
            _ = rounds.tick() => {}
        }
        if !json {
            after = tell(&recovery::after(outbox, after).await?, after);
        }
        for status in statuses(outbox).await? {
            let Some(stop) = status.stopped else { continue };
            if !told.contains(&(status.share, stop.at)) {
                told.push((status.share, stop.at));
                ui::warning(format!(
                    "the replay of share {} has stopped: {}; {}",
                    status.share,
                    printable(&stop.message),
                    stop.hint()
                ));
            }
        }
    }
}

fn dry_run(shares: &[ShareStatus], json: bool) -> Result<(), CliError> {
    if json {
        let sum = |count: fn(&ShareStatus) -> u64| shares.iter().map(count).sum();
        return json_line(&Line {
            shares: shares.len() as u64,
            sent: 0,
            resent: 0,
            applied: 0,
            duplicates: 0,
            rejected: sum(|status| status.dead_letters),
            in_doubt: sum(|status| status.in_doubt),
            pending: sum(|status| status.pending),
            recoveries: Vec::new(),
        });
    }
    for status in shares {
        let stopped = status.stopped.as_ref().map_or(String::new(), |stop| {
            format!(", stopped: {}", printable(&stop.message))
        });
        ui::data(format!(
            "share {}: {} ops would be sent{stopped}",
            status.share, status.pending
        ))?;
    }
    if shares.is_empty() {
        ui::note("the outbox knows no share");
    }
    Ok(())
}

fn say(line: &Line, json: bool) -> Result<(), CliError> {
    if json {
        return json_line(line);
    }
    let Line {
        shares,
        sent,
        resent,
        applied,
        duplicates,
        rejected,
        in_doubt,
        pending,
        recoveries: _,
    } = line;
    ui::data(format!(
        "shares {shares}, sent {sent}, of these again {resent}; applied {applied}, \
         duplicates {duplicates}, rejected {rejected}, in doubt {in_doubt}, pending {pending}"
    ))
}
