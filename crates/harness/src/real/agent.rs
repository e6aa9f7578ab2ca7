//! `share-chaos agent`: an agent as a process of its own. It enqueues ops into its outbox, one call
//! after another, and replays them; whatever it does is in its notes before it does the next thing.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use share_client::{
    Backoff, Flusher, FlusherOptions, Heard, Outbox, OutboxError, OutboxOptions, Retention,
    RetryPolicy, RpcLink, TcpConnector,
};
use share_model::ShareId;
use share_model::seam::{Clock, Entropy, SeededEntropy, SystemClock};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use super::error::RealError;
use super::machine::{Machine, MachineArgs};
use super::note::{Calls, Note, Notes, Noting};
use super::workload::{Work, Workload};
use crate::recording::RecordingLink;

/// The outbox's file in an agent's folder.
pub(super) const OUTBOX: &str = "share.sqlite";

/// The longest wait between tries: a run lasts some seconds.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(10),
    max: Duration::from_millis(120),
};

/// How long a server may be silent.
const ANSWER_TIMEOUT: Duration = Duration::from_millis(1500);

/// An agent of a run: enqueues ops and replays them until it is told to end
#[derive(Debug, clap::Args)]
pub struct AgentArgs {
    /// What the agent is called
    #[arg(long)]
    name: String,
    /// The folder of its outbox
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// The file with the shares' refs, one a line
    #[arg(long, value_name = "FILE")]
    refs: PathBuf,
    /// Where it notes what it does; a new file
    #[arg(long, value_name = "FILE")]
    notes: PathBuf,
    /// Decides what it enqueues
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How often it enqueues
    #[arg(long, value_name = "N", default_value_t = 0)]
    calls: u64,
    /// The longest pause between two calls, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 20)]
    pace_ms: u64,
    /// Batches in flight
    #[arg(long, value_name = "N", default_value_t = 4)]
    in_flight: usize,
    /// Ops of a batch
    #[arg(long, value_name = "N", default_value_t = 8)]
    batch_ops: u32,
    /// The agent is new: it begins with the documents that it works on
    #[arg(long)]
    first: bool,
    /// Enqueue nothing: end when all is replayed, and print what is left
    #[arg(long)]
    drain: bool,
    #[command(flatten)]
    machine: MachineArgs,
}

/// What an agent prints at the end of a drain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Drained {
    /// Ops without an outcome.
    pub(super) pending: u64,
    /// Shares whose replay waits for a person.
    pub(super) stopped: u64,
}

/// Runs an agent to its end.
///
/// # Errors
///
/// If its outbox fails; then it ends, as an agent does that can't go on.
pub fn main(args: AgentArgs) -> Result<(), RealError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| RealError::System {
        doing: "start the agent's runtime",
        source,
    })?;
    LocalSet::new().block_on(&runtime, run(args))
}

async fn run(args: AgentArgs) -> Result<(), RealError> {
    let refs = super::refs::read(&args.refs)?;
    let notes = Notes::begin(&args.notes)?;
    let machine = Machine::start(&args.machine, &args.folder, &notes)?;
    let options = OutboxOptions {
        sqlite: machine.sqlite.clone(),
        clock: Arc::clone(&machine.clock),
        files: Arc::clone(&machine.files),
        batch_ops_max: Some(args.batch_ops),
        // An op that stands for several calls would be several in the history.
        coalesce: false,
        retry: RetryPolicy {
            attempts_max: 4,
            age_max: Duration::from_secs(2),
            delay: Duration::from_millis(30),
            delay_max: Duration::from_millis(200),
        },
        // Clocks jump by days here; what was settled is looked at in the end.
        retention: Retention {
            age_max: Duration::MAX,
            ..Retention::default()
        },
        ..OutboxOptions::default()
    };
    let outbox = Outbox::open(&args.folder.join(OUTBOX), options)?;
    let folder = args.folder.file_name().unwrap_or_default();
    notes.write(Note::Began {
        folder: folder.to_string_lossy().into_owned(),
    });
    for reference in &refs {
        outbox.use_ref(reference.clone()).await?;
    }
    let calls = Rc::new(Calls::default());
    let link = RecordingLink {
        link: Rc::new(RpcLink::new(Arc::new(TcpConnector::default()))),
        recorder: Rc::new(Noting {
            notes: notes.clone(),
            calls: Rc::clone(&calls),
        }),
    };
    tokio::task::spawn_local(tell_outcomes(outbox.clone(), notes.clone()));
    let options = flusher_options(args.in_flight);
    let (flusher, replaying) = Flusher::run_local_over(&outbox, options, Rc::new(link));
    let replaying = tokio::task::spawn_local(replaying);
    if args.drain {
        return drain(flusher).await;
    }
    let agent = Agent {
        outbox,
        notes,
        calls,
        shares: refs.iter().map(|reference| reference.share).collect(),
    };
    let mut terminated = signal(SignalKind::terminate()).map_err(|source| RealError::System {
        doing: "listen for signals",
        source,
    })?;
    tokio::select! {
        biased;
        _ = terminated.recv() => {}
        worked = agent.work(&args, &*machine.clock) => {
            worked?;
            tokio::select! {
                _ = terminated.recv() => {}
                _ = replaying => {}
            }
        }
    }
    Ok(flusher.stop().await?)
}

fn flusher_options(in_flight: usize) -> FlusherOptions {
    FlusherOptions {
        connector: Arc::new(TcpConnector::default()),
        in_flight,
        backoff: BACKOFF,
        slow_backoff: BACKOFF,
        answer_timeout: ANSWER_TIMEOUT,
        poll_interval: Duration::from_millis(100),
        check_interval: Some(Duration::from_secs(1)),
        ..FlusherOptions::default()
    }
}

async fn tell_outcomes(outbox: Outbox, notes: Notes) {
    let mut outcomes = outbox.outcomes();
    while let Some(heard) = outcomes.next().await {
        // Outcomes that were skipped are in the outbox all the same.
        if let Heard::Outcome(event) = heard {
            notes.write(Note::Ended {
                share: event.share,
                seq: event.seq,
                op: event.op_id,
                outcome: event.outcome,
            });
        }
    }
}

async fn drain(flusher: Flusher) -> Result<(), RealError> {
    let report = flusher.flush().await?;
    let drained = Drained {
        pending: report.pending,
        stopped: report.stopped.len() as u64,
    };
    super::print_line(&drained)?;
    Ok(flusher.stop().await?)
}

struct Agent {
    outbox: Outbox,
    notes: Notes,
    calls: Rc<Calls>,
    shares: Vec<ShareId>,
}

impl Agent {
    async fn work(&self, args: &AgentArgs, clock: &dyn Clock) -> Result<(), RealError> {
        let entropy = SeededEntropy::new(args.seed);
        let mut workload = Workload::new(&args.name, &entropy, clock);
        if args.first {
            for share in &self.shares {
                self.enqueue(*share, &workload.first()).await?;
            }
        }
        for _ in 0..args.calls {
            let at = entropy.below(self.shares.len() as u64);
            let share = usize::try_from(at).ok().and_then(|at| self.shares.get(at));
            let Some(share) = share else {
                return Ok(());
            };
            self.enqueue(*share, &workload.next()).await?;
            let pause = Duration::from_millis(entropy.below(args.pace_ms + 1));
            SystemClock.sleep(pause).await;
        }
        Ok(())
    }

    async fn enqueue(&self, share: ShareId, work: &Work) -> Result<(), RealError> {
        let call = self.calls.next();
        self.notes.write(Note::Enqueue {
            call,
            share,
            ops: work.ops.clone(),
            group: work.group,
        });
        let (ops, grouping) = work.as_new();
        match self.outbox.enqueue_all(share, ops, grouping).await {
            Ok(enqueued) => {
                self.notes.write(Note::Enqueued {
                    call,
                    identities: enqueued.iter().map(|it| it.identity).collect(),
                });
                Ok(())
            }
            Err(error) if changed_nothing(&error) => {
                let why = error.to_string();
                self.notes.write(Note::NotEnqueued { call, why });
                Ok(())
            }
            // Nobody knows whether it is kept: an agent that can't trust its disk ends.
            Err(error) => Err(error.into()),
        }
    }
}

/// Whether the outbox refused before it touched the disk, or the disk had no room.
fn changed_nothing(error: &OutboxError) -> bool {
    matches!(
        error,
        OutboxError::Full
            | OutboxError::UnknownShare { .. }
            | OutboxError::ShareGone { .. }
            | OutboxError::UnknownDependency { .. }
            | OutboxError::InvalidOp { .. }
            | OutboxError::OpTooLarge { .. }
            | OutboxError::GroupTooLarge { .. }
            | OutboxError::OpIdTaken { .. }
    )
}
