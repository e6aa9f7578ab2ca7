//! The scenarios of the table, each by its letter.

mod appends;
mod cold;
mod enqueue;
mod face;
mod fan_out;
mod growth;
mod idle;
mod overload;
mod replay;

use clap::ValueEnum;

use crate::bench::Bench;
use crate::error::BenchError;
use crate::load::Load;
use crate::record::Record;
use crate::subject::Subject;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
pub(crate) enum Scenario {
    /// One writer, batches of one op
    A,
    /// Many writers, batches of one op
    B,
    /// Many writers, batches of many ops
    C,
    /// One writer and many live subscribers
    D,
    /// The same, and the writer is paced
    P,
    /// The replay of a full outbox
    R,
    /// Enqueues into an outbox
    E,
    /// A redeem and the first byte, where the share is not loaded
    K,
    /// Shares and sessions that nobody uses
    N,
    /// Appends and redeems in shares of few and of many ops
    G,
    /// Syncs through the HTTP face and a bridge
    H,
    /// Twice as many ops as the server manages
    O,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::P => "P",
            Self::R => "R",
            Self::E => "E",
            Self::K => "K",
            Self::N => "N",
            Self::G => "G",
            Self::H => "H",
            Self::O => "O",
        }
    }

    /// Whether it asks this of `subject`: others have no outbox, no redeem and no face.
    pub(crate) fn is_for(self, subject: Subject) -> bool {
        let is_for_all = matches!(self, Self::A | Self::B | Self::C | Self::D | Self::P);
        is_for_all || subject == Subject::Share
    }

    /// Measures `subject`, as part of a pair.
    pub(crate) async fn run(
        self,
        bench: &Bench,
        subject: Subject,
        pair: usize,
    ) -> Result<Record, BenchError> {
        let record = Record::new(self.name(), subject.name(), pair);
        match self {
            Self::A | Self::B | Self::C => appends::run(self, bench, subject, record).await,
            Self::D => fan_out::run(bench, subject, None, record).await,
            Self::P => fan_out::run(bench, subject, Some(bench.sizes.pace), record).await,
            Self::R => replay::run(bench, record).await,
            Self::E => enqueue::run(bench, record).await,
            Self::K => cold::run(bench, record).await,
            Self::N => idle::run(bench, record).await,
            Self::G => growth::run(bench, record).await,
            Self::H => face::run(bench, record).await,
            Self::O => overload::run(bench, record).await,
        }
    }

    /// What the disk is asked for beside it.
    pub(crate) fn load(self, bench: &Bench) -> Load {
        let sizes = &bench.sizes;
        let (writers, batch_ops, op_bytes) = match self {
            Self::A | Self::D | Self::P | Self::E | Self::K | Self::G => (1, 1, sizes.op_bytes),
            Self::B | Self::O => (sizes.writers, 1, sizes.op_bytes),
            Self::C | Self::R | Self::N => (sizes.writers, sizes.batch_ops, sizes.op_bytes),
            Self::H => (1, 1, face::TEXT_BYTES),
        };
        Load {
            writers,
            batch_ops,
            op_bytes,
        }
    }
}
