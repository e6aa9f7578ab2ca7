//! `share push`: recorded opencode traffic as ops of a share.

mod recorded;

use std::path::PathBuf;
use std::time::Duration;

use share_client::{
    Backoff, FlusherOptions, Grouping, Outbox, OutboxError, OutboxOptions, RetryPolicy,
};
use share_model::ShareId;

use self::recorded::Line;
use crate::counts::{self, Counts, OpLines};
use crate::error::CliError;
use crate::flush::{self, Ending};
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{run, ui};

/// What a push that ends early leaves behind.
const KEPT: &str = "what comes before it is kept; the same `share push` goes on from there";

/// Push recorded opencode traffic into a share.
///
/// Each item becomes the smallest ops that bring the share's document to say the same. They are
/// durable in the outbox as they are read, and go to the server meanwhile. Creating and deleting
/// the recorded share is not repeated on this one.
///
/// Safe to repeat: what the outbox holds of the same recording is skipped, so that a push that was
/// killed goes on where it was.
#[derive(Debug, clap::Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// The recording, plain or .gz; `-` for standard input
    #[arg(value_name = "RECORDING", required = true)]
    recording: PathBuf,
    #[command(flatten)]
    state: StateArg,
    /// Only enqueue; `share replay` sends
    #[arg(long)]
    no_flush: bool,
    /// For tests: ops per batch at most
    #[arg(long, value_name = "N", hide = true)]
    batch_ops: Option<u32>,
    /// For tests: batches under way at once
    #[arg(long, value_name = "N", hide = true)]
    in_flight: Option<usize>,
    /// For tests: the longest pause between two tries to reach the server
    #[arg(long, value_name = "MS", hide = true)]
    retry_max_ms: Option<u64>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    let share = share_ref.share;
    run::block_on(async {
        let options = OutboxOptions {
            batch_ops_max: args.batch_ops,
            retry: RetryPolicy {
                attempts_max: 4,
                ..RetryPolicy::default()
            },
            ..OutboxOptions::default()
        };
        let outbox = args.state.open(options)?;
        outbox
            .use_ref(share_ref)
            .await
            .map_err(|error| CliError::refused("keep the share's ref").caused_by(error))?;
        let flusher = (!args.no_flush)
            .then(|| flush::start(&outbox, args.flusher_options()))
            .transpose()?;
        let mut pushed = Pushed::new(outbox, share);
        let mut lines = recorded::read(args.recording.clone(), share)?;
        while let Some(line) = lines.recv().await {
            let line = line.map_err(|error| error.hint(KEPT))?;
            pushed.enqueue(line).await?;
        }
        let ending = match flusher {
            Some(flusher) => flush::to_the_end(flusher, share).await?,
            None => Ending::NotTried,
        };
        let counts = pushed.count().await?;
        let skipped = match pushed.skipped {
            0 => String::new(),
            skipped => format!("; {skipped} were in the outbox already"),
        };
        ui::data(format!("{counts}{skipped}"))?;
        flush::finish(ending, counts.pending)?;
        counts.check()
    })
}

impl Args {
    fn flusher_options(&self) -> FlusherOptions {
        let mut options = flush::without_checks();
        if let Some(in_flight) = self.in_flight {
            options.in_flight = in_flight;
        }
        if let Some(ms) = self.retry_max_ms {
            let max = Duration::from_millis(ms);
            options.backoff = Backoff {
                base: options.backoff.base.min(max),
                max,
            };
        }
        options
    }
}

/// What was pushed so far.
#[derive(Debug)]
struct Pushed {
    outbox: Outbox,
    share: ShareId,
    /// Ops that the outbox held already.
    skipped: u64,
    /// The recording's ops, whenever they were enqueued.
    ops: OpLines,
}

impl Pushed {
    fn new(outbox: Outbox, share: ShareId) -> Self {
        Self {
            outbox,
            share,
            skipped: 0,
            ops: OpLines::default(),
        }
    }

    /// Stores the ops of a line, but for those that the outbox holds.
    async fn enqueue(&mut self, line: Line) -> Result<(), CliError> {
        let Line { number, ops } = line;
        let attempted = |error| {
            CliError::refused(format!("store the ops of line {number} of the recording"))
                .caused_by(error)
                .hint(KEPT)
        };
        match self
            .outbox
            .enqueue_all(self.share, ops.clone(), Grouping::Loose)
            .await
        {
            Ok(enqueued) => {
                enqueued.iter().for_each(|op| self.ops.note(number, op.id));
                return Ok(());
            }
            // A line is stored as a whole; one by one works out however it came to be otherwise.
            Err(OutboxError::OpIdTaken { .. }) => {}
            Err(error) => return Err(attempted(error)),
        }
        for op in ops {
            let id = op.id;
            let id = match self.outbox.enqueue(self.share, op).await {
                Ok(op) => op.id,
                Err(OutboxError::OpIdTaken { op, .. }) if Some(op) == id => {
                    self.skipped += 1;
                    op
                }
                Err(error) => return Err(attempted(error)),
            };
            self.ops.note(number, id);
        }
        Ok(())
    }

    /// Counts what became of all ops of the recording, and names those that were not applied.
    async fn count(&self) -> Result<Counts, CliError> {
        counts::count(&self.outbox, self.share, &self.ops).await
    }
}
