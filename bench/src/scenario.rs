//! The scenarios of the table, each by its letter.

pub(crate) mod appends;
pub(crate) mod fan_out;

use clap::ValueEnum;

use crate::bench::Bench;
use crate::record::Record;
use crate::subject::Subject;
use crate::writer::BenchError;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// One writer, batches of one op
    #[value(name = "A")]
    A,
    /// Many writers, batches of one op
    #[value(name = "B")]
    B,
    /// Many writers, batches of many ops
    #[value(name = "C")]
    C,
    /// One writer and many live subscribers
    #[value(name = "D")]
    D,
    /// The same, and the writer is paced
    #[value(name = "P")]
    P,
}

impl Scenario {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::B => "B",
            Self::C => "C",
            Self::D => "D",
            Self::P => "P",
        }
    }

    /// Whether it asks this of `subject`.
    pub(crate) fn is_for(self, subject: Subject) -> bool {
        match self {
            Self::A | Self::B | Self::C | Self::D | Self::P => true,
        }
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
        }
    }

    /// What the disk is asked for beside it.
    pub(crate) fn load(self, bench: &Bench) -> crate::load::Load {
        let (writers, batch_ops) = match self {
            Self::A | Self::D | Self::P => (1, 1),
            Self::B => (bench.sizes.writers, 1),
            Self::C => (bench.sizes.writers, bench.sizes.batch_ops),
        };
        crate::load::Load {
            writers,
            batch_ops,
            op_bytes: bench.sizes.op_bytes,
        }
    }
}
