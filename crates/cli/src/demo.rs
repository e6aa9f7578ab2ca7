//! `share demo`: a recorded session goes through everything that this project promises to survive.
//!
//! Server and client are processes of their own (this program, started again), with a fault proxy
//! between them. The seed decides the order of the faults ([`plan`]); each happens while pieces of
//! the recording are fed ([`episode`]); at the end a reader is revoked ([`revocation`]) and the share's document is compared with what the
//! recording says it must be ([`verdict`]).

mod client;
mod command;
mod episode;
mod feed;
mod folder;
mod hard;
mod observer;
mod pieces;
mod plan;
mod report;
mod revocation;
mod server;
mod source;
mod stage;
mod story;
mod tally;
mod verdict;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use serde_json::Value;
use share_model::seam::{Entropy, SeededEntropy, SystemEntropy};
use share_opencode::expected;
use tokio::signal::unix::{SignalKind, signal};

use self::folder::DataFolder;
use self::pieces::Pieces;
use self::plan::Plan;
use self::report::Report;
use self::source::Source;
use self::stage::{Ended, Setting, Stage};
use self::verdict::{End, Verdict};
use crate::error::CliError;
use crate::{run, ui};

/// Watch a recorded session survive cut connections, lost replies and killed processes.
///
/// Starts a server and a client as processes of their own, with a proxy between them that breaks
/// connections, and pushes a recorded opencode session through it. At its end a reader that follows
/// the share is revoked. Ends with a table and a verdict: exit 0 only if the share is exactly what
/// the recording says, each op applied once, and the revoked reader can read nothing any more.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Recorded opencode traffic, plain or .gz [default: a real session that is built in]
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// How many connections to cut amid a message, besides those cut to lose a reply [default: 8,
    /// or as many as the recording is long enough for]
    #[arg(long, value_name = "N")]
    cuts: Option<usize>,
    /// Also copy the client's folder in mid-replay, and restore the server from a backup that lacks
    /// what it has acked since
    #[arg(long)]
    hard: bool,
    /// What decides the order of the faults [default: random, and shown]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Where server and client keep their files; must be new or empty, and is kept [default: a
    /// temporary folder, removed at the end]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Keep the temporary folder
    #[arg(long)]
    keep: bool,
    /// One JSON object instead of the table: exact, keys, ops, applied, duplicates, resent, cuts,
    /// server_kills, client_kills, lost_replies, elapsed_ms, sent, seed, recording, differences,
    /// copies, restores, revocations, revoke_ms
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let seed = args
        .seed
        .unwrap_or_else(|| SystemEntropy::default().below(1_000_000));
    run::block_on(async {
        let (report, folder) = play(&args, seed).await.map_err(|error| {
            error.hint(format!("`--seed {seed}` repeats the order of the faults"))
        })?;
        if args.json {
            ui::json(&report)?;
        } else {
            ui::data(report.table())?;
        }
        folder.close()?;
        if report.exact {
            return Ok(());
        }
        Err(
            CliError::refused("the share is not what the recording says").hint(format!(
                "`--seed {seed} --keep` repeats the order of the faults and keeps all files"
            )),
        )
    })
}

/// Ends when a person or a script wants the demo to end, or that can't be noticed.
async fn stopped() -> CliError {
    let listening = signal(SignalKind::interrupt())
        .and_then(|interrupt| Ok((interrupt, signal(SignalKind::terminate())?)));
    let (mut interrupt, mut terminate) = match listening {
        Ok(signals) => signals,
        Err(error) => return CliError::refused("listen for signals").caused_by(error),
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    CliError::refused("stopped before the end; server and client were killed")
}

/// A recording that can be played, and what must come of it.
struct Script {
    recording: String,
    pieces: Arc<Pieces>,
    plan: Plan,
    /// By a reading of its own, which shares nothing with what is pushed.
    expected: BTreeMap<String, Value>,
}

impl Script {
    fn read(args: &Args, entropy: &dyn Entropy) -> Result<Self, CliError> {
        let source = Source::new(args.recording.clone());
        let recording = source.name();
        let unusable = || CliError::refused(format!("the recording `{recording}` can't be played"));
        let opened = source.open().map_err(|error| unusable().caused_by(error))?;
        let pieces = Pieces::read(opened).map_err(|error| unusable().caused_by(error))?;
        let again = source.open().map_err(|error| unusable().caused_by(error))?;
        let expected = expected(again).map_err(|error| unusable().caused_by(error))?;
        let plan = Plan::new(pieces.pieces.len(), (args.cuts, args.hard), entropy)
            .map_err(|error| unusable().caused_by(error))?;
        Ok(Self {
            recording,
            pieces: Arc::new(pieces),
            plan,
            expected,
        })
    }
}

async fn play(args: &Args, seed: u64) -> Result<(Report, DataFolder), CliError> {
    let entropy = SeededEntropy::new(seed);
    let Script {
        recording,
        pieces,
        plan,
        expected,
    } = Script::read(args, &entropy)?;
    let folder = DataFolder::open(args.data.as_deref(), args.keep)?;
    let (requests, ops, faults) = (pieces.requests, pieces.ops(), plan.episodes.len());
    ui::note(format!(
        "{recording}: {requests} recorded requests of an opencode session, {ops} ops; \
         {faults} faults in the order of seed {seed}"
    ));
    let data = folder.path();
    let setting = Setting {
        data,
        seed,
        plan: &plan,
        pieces,
        entropy,
    };
    // Whatever was started is killed when it is dropped.
    let mut stop = pin!(stopped());
    let mut stage = tokio::select! {
        biased;
        error = &mut stop => return Err(error),
        stage = Stage::set(setting) => stage?,
    };
    let performed = tokio::select! {
        biased;
        error = &mut stop => Err(error),
        performed = stage.perform(&plan) => performed,
    };
    if let Err(error) = performed {
        stage.abandon().await;
        return Err(error);
    }
    let ended = tokio::select! {
        biased;
        error = &mut stop => return Err(error),
        ended = stage.end() => ended?,
    };
    let report = judge(ended, expected, ops);
    Ok((
        Report {
            seed,
            recording,
            ..report
        },
        folder,
    ))
}

/// Compares how it ended with what must have come of it.
fn judge(ended: Ended, expected: BTreeMap<String, Value>, ops: u64) -> Report {
    let Ended {
        tally,
        share,
        cuts,
        lost_replies,
        server_kills,
        client_kills,
        copies,
        restores,
        revocation,
        elapsed_ms,
    } = ended;
    let revoke_ms = revocation.took_ms();
    let revocations = u64::from(revocation.wrongs.is_empty());
    let verdict = Verdict::of(&End {
        expected,
        document: share.document,
        ops,
        enqueued: tally.enqueued,
        applied: share.cursor,
        failed: tally.failed,
        after_revocation: revocation.wrongs,
    });
    Report {
        exact: verdict.is_exact(),
        keys: verdict.keys as u64,
        ops: tally.enqueued,
        applied: share.cursor,
        duplicates: tally.duplicates,
        resent: tally.resent,
        cuts,
        server_kills,
        client_kills,
        lost_replies,
        elapsed_ms,
        sent: tally.sent,
        seed: 0,
        recording: String::new(),
        differences: verdict.differences,
        copies,
        restores,
        revocations,
        revoke_ms,
    }
}
