//! Writers with one call in flight, one kind for each subject. What a writer costs falls on every
//! subject, so each does no more than it must.

mod batches;
mod ids;
mod limit;
mod postgres;
mod redis;
mod share;
mod wire;

use tokio::time::Instant;

pub(crate) use self::ids::Ids;
pub(crate) use self::limit::LimitLane;
pub(crate) use self::postgres::{PostgresConnection, PostgresLane, SCHEMA as POSTGRES_SCHEMA};
pub(crate) use self::redis::{RedisConnection, RedisLane};
pub(crate) use self::share::{ShareLane, connect, create, first_entries, redeem};
pub(crate) use self::wire::{WireLane, watch};

use crate::error::BenchError;
use crate::report::Samples;

/// A writer of one subject.
pub(crate) enum Lane {
    Share(Box<WireLane>),
    Limit(LimitLane),
    Redis(RedisLane),
    Postgres(PostgresLane),
}

/// What of a run counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Lane {
    /// Appends a batch; returns when it is acked.
    pub(crate) async fn append(&mut self) -> Result<(), BenchError> {
        match self {
            Self::Share(lane) => lane.append().await.map(drop),
            Self::Limit(lane) => lane.append().await,
            Self::Redis(lane) => lane.append().await,
            Self::Postgres(lane) => lane.append().await,
        }
    }

    /// The seq of the next op.
    pub(crate) fn next(&self) -> u64 {
        match self {
            Self::Share(lane) => lane.next(),
            Self::Limit(lane) => lane.next(),
            Self::Redis(lane) => lane.next(),
            Self::Postgres(lane) => lane.next(),
        }
    }

    /// Appends until the span's end, each batch after the ack of the one before; what was sent before
    /// it began does not count.
    pub(crate) async fn run(mut self, batch_ops: u64, span: Span) -> Result<Samples, BenchError> {
        let mut samples = Samples::default();
        loop {
            let before = Instant::now();
            if before >= span.end {
                break;
            }
            self.append().await?;
            if before >= span.begin {
                samples.add(before.elapsed(), batch_ops);
            }
        }
        samples.end(span.begin.elapsed());
        Ok(samples)
    }
}
