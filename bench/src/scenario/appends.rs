//! Scenarios A, B and C: durable appends, each writer with one call in flight.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Scenario;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::Span;
use crate::load::Load;
use crate::record::Record;
use crate::report::Samples;
use crate::subject::{Running, Subject};
use crate::usage;

pub(super) async fn run(
    scenario: Scenario,
    bench: &Bench,
    subject: Subject,
    record: Record,
) -> Result<Record, BenchError> {
    let load = scenario.load(bench);
    let folder = bench.folder()?;
    let server = Running::start(subject, bench.share.as_deref(), folder.path()).await?;
    let (samples, cpu) = closed_loop(&server, load, bench).await?;
    server.stop().await?;
    let record = record
        .parameter("writers", load.writers as u64)
        .parameter("batch_ops", load.batch_ops as u64)
        .parameter("op_bytes", load.op_bytes as u64)
        .samples(&samples);
    Ok(match cpu {
        None => record,
        Some(cpu) => record.figure("cpu_us_op", per_op_us(cpu, samples.ops())),
    })
}

/// What writers get done that wait for each ack, and the server's processor time for it.
pub(crate) async fn closed_loop(
    server: &Running,
    load: Load,
    bench: &Bench,
) -> Result<(Samples, Option<Duration>), BenchError> {
    let lanes = server.lanes(load, false).await?;
    let begin = Instant::now() + bench.sizes.warm_up;
    let span = Span {
        begin,
        end: begin + bench.sizes.duration,
    };
    let pid = server.pid();
    let cpu = tokio::task::spawn_local(async move { cpu_of(pid, span).await });
    let writing: Vec<_> = lanes
        .into_iter()
        .map(|lane| tokio::task::spawn_local(lane.run(load.batch_ops as u64, span)))
        .collect();
    let mut samples = Samples::default();
    for writing in writing {
        samples.merge(writing.await.map_err(ended)??);
    }
    Ok((samples, cpu.await.map_err(ended)?))
}

/// What a process uses of the processor within a span.
async fn cpu_of(pid: Option<u32>, span: Span) -> Option<Duration> {
    let pid = pid?;
    sleep_until(span.begin).await;
    let before = usage::cpu(pid)?;
    sleep_until(span.end).await;
    Some(usage::cpu(pid)?.saturating_sub(before))
}

fn per_op_us(cpu: Duration, ops: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let ops = ops.max(1) as f64;
    cpu.as_secs_f64() * 1e6 / ops
}

/// A task of the bench panicked.
pub(crate) fn ended(error: tokio::task::JoinError) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
