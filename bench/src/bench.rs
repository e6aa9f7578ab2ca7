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
    /// Ops of the outbox that is replayed.
    pub(crate) replayed: u64,
    /// Tasks that enqueue at the same time.
    pub(crate) tasks: usize,
    pub(crate) parts: u64,
    pub(crate) parts_large: u64,
    /// Shares of each that are read cold.
    pub(crate) cold_shares: usize,
    pub(crate) cold_shares_large: usize,
    pub(crate) shares: usize,
    pub(crate) sessions_idle: usize,
    /// Ops of each share that grew, the fewest first.
    pub(crate) growth: Vec<u64>,
    pub(crate) writers_growth: usize,
    /// Agent sessions at the HTTP face at the same time.
    pub(crate) agents: usize,
}

/// The sizes as arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct SizeArgs {
    /// Seconds of each measurement [default: 5; quick: 1]
    #[arg(long)]
    seconds: Option<u64>,
    /// Seconds before each measurement that do not count [default: 2; quick: 0]
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
    /// Ops of the outbox of R [default: 100000; quick: 5000]
    #[arg(long)]
    replayed: Option<u64>,
    /// Tasks of E that enqueue at the same time
    #[arg(long, default_value_t = 64)]
    tasks: usize,
    /// Parts of the documents of K
    #[arg(long, default_value_t = 807)]
    parts: u64,
    /// Parts of the large documents of K [default: 20000; quick: 2000]
    #[arg(long)]
    parts_large: Option<u64>,
    /// Shares of N [default: 100000; quick: 1000]
    #[arg(long)]
    shares: Option<u64>,
    /// Idle sessions of N [default: 1000; quick: 100]
    #[arg(long)]
    sessions: Option<u64>,
    /// Ops of the shares of G, at most three [default: 1000,100000,1000000; quick: 1000,5000]
    #[arg(long, value_delimiter = ',')]
    growth: Vec<u64>,
    /// Writers of each share of G, besides the one alone
    #[arg(long, default_value_t = 64)]
    growth_writers: usize,
    /// Agent sessions of H
    #[arg(long, default_value_t = 32)]
    agents: usize,
    /// Everything small, to see that it runs
    #[arg(long)]
    quick: bool,
}

impl SizeArgs {
    pub(crate) fn sizes(&self) -> Sizes {
        let or = |given: Option<u64>, default, quick| {
            given.unwrap_or(if self.quick { quick } else { default })
        };
        let count = |number| usize::try_from(number).unwrap_or(usize::MAX);
        let growth: &[u64] = match (self.growth.as_slice(), self.quick) {
            ([], false) => &[1000, 100_000, 1_000_000],
            ([], true) => &[1000, 5000],
            (given, _) => given,
        };
        Sizes {
            duration: Duration::from_secs(or(self.seconds, 5, 1)),
            warm_up: Duration::from_secs(or(self.warm_up_seconds, 2, 0)),
            op_bytes: self.op_bytes,
            writers: self.writers,
            batch_ops: self.batch_ops,
            subscribers: self.subscribers,
            pace: Duration::from_secs(1) / self.pace,
            replayed: or(self.replayed, 100_000, 5000),
            tasks: self.tasks,
            parts: self.parts,
            parts_large: or(self.parts_large, 20_000, 2000),
            cold_shares: count(or(None, 25, 5)),
            cold_shares_large: count(or(None, 7, 2)),
            shares: count(or(self.shares, 100_000, 1000)),
            sessions_idle: count(or(self.sessions, 1000, 100)),
            growth: growth.to_vec(),
            writers_growth: self.growth_writers,
            agents: self.agents,
        }
    }

    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }
}
