//! How large everything is, and where it goes.

use std::path::PathBuf;
use std::time::Duration;

use tempfile::TempDir;

/// What all scenarios of a run have in common.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) sizes: Sizes,
    /// The `share` binary, if it is not the one beside this program.
    pub(crate) share: Option<PathBuf>,
    /// The disk that is measured.
    pub(crate) disk: PathBuf,
}

impl Bench {
    /// A folder for a server's files, removed when it is dropped.
    pub(crate) fn folder(&self) -> std::io::Result<TempDir> {
        tempfile::tempdir_in(&self.disk)
    }
}

/// What is asked of each subject.
#[derive(Debug)]
pub(crate) struct Sizes {
    pub(crate) duration: Duration,
    pub(crate) warm_up: Duration,
    pub(crate) op_bytes: usize,
    pub(crate) writers: usize,
    pub(crate) batch_ops: usize,
    pub(crate) subscribers: usize,
    /// From one paced op to the next.
    pub(crate) pace: Duration,
}

/// The sizes as arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Seconds of each measurement [default: 5; quick: 1]
    #[arg(long)]
    seconds: Option<u64>,
    /// Seconds before each measurement that do not count [default: 2; quick: 1]
    #[arg(long)]
    warm_up_seconds: Option<u64>,
    /// Bytes of an op's JSON
    #[arg(long, default_value_t = 512)]
    op_bytes: usize,
    /// Writers of B and C, each with a connection and a share of its own
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// Ops of a batch of C
    #[arg(long, default_value_t = 64)]
    batch_ops: usize,
    /// Live subscribers of D and P
    #[arg(long, default_value_t = 100)]
    subscribers: usize,
    /// Ops per second of P
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    pace: u32,
    /// Everything small, to see that it runs
    #[arg(long)]
    quick: bool,
}

impl SizeArgs {
    pub(crate) fn sizes(&self) -> Sizes {
        let or = |given: Option<u64>, default, quick| {
            given.unwrap_or(if self.quick { quick } else { default })
        };
        Sizes {
            duration: Duration::from_secs(or(self.seconds, 5, 1)),
            warm_up: Duration::from_secs(or(self.warm_up_seconds, 2, 1)),
            op_bytes: self.op_bytes,
            writers: self.writers,
            batch_ops: self.batch_ops,
            subscribers: self.subscribers,
            pace: Duration::from_secs(1) / self.pace,
        }
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }
}
