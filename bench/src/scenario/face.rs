//! Scenario H: syncs of agent sessions through the server's HTTP face, and through a bridge beside the
//! agent, each answered once it is durable.
//!
//! Every session has a connection and a share of its own and one sync in flight; a sync replaces one
//! part by another of the same size, which is about what opencode sends while a tool runs.

mod agent;

use tokio::time::Instant;

use self::agent::Agent;
use super::appends::ended;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::record::Record;
use crate::report::Samples;
use crate::server::{Bridge, Server};

/// Bytes of the text of the part that a sync brings.
pub(super) const TEXT_BYTES: usize = 8192;

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let folder = bench.folder()?;
    let server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let many = bench.sizes.agents;
    let face_one = syncs(bench, 1, server.http()).await?;
    let face_many = syncs(bench, many, server.http()).await?;
    let bridge = Bridge::start(&server, folder.path()).await?;
    let bridge_one = syncs(bench, 1, bridge.http()).await?;
    let bridge_many = syncs(bench, many, bridge.http()).await?;
    bridge.stop().await?;
    server.stop().await?;
    let mut record = record
        .parameter("sessions", many as u64)
        .parameter("text_bytes", TEXT_BYTES as u64)
        .samples(&face_one);
    for (samples, rate, p50, p99) in [
        (face_one, "face_one_s", "face_one_p50_ms", "face_one_p99_ms"),
        (
            face_many,
            "face_many_s",
            "face_many_p50_ms",
            "face_many_p99_ms",
        ),
        (
            bridge_one,
            "bridge_one_s",
            "bridge_one_p50_ms",
            "bridge_one_p99_ms",
        ),
        (
            bridge_many,
            "bridge_many_s",
            "bridge_many_p50_ms",
            "bridge_many_p99_ms",
        ),
    ] {
        let spread = samples.spread();
        record = record
            .figure(rate, samples.ops_s().round())
            .figure(p50, spread.p50_ms())
            .figure(p99, spread.p99_ms());
    }
    Ok(record)
}

/// What so many sessions get done at `address`.
async fn syncs(bench: &Bench, sessions: usize, address: &str) -> Result<Samples, BenchError> {
    let mut agents = Vec::new();
    for number in 0..sessions {
        agents.push(Agent::share(address, number, TEXT_BYTES).await?);
    }
    let begin = Instant::now() + bench.sizes.warm_up;
    let end = begin + bench.sizes.duration;
    let tasks: Vec<_> = agents
        .into_iter()
        .map(|agent| tokio::task::spawn_local(agent.run(begin, end)))
        .collect();
    let mut samples = Samples::default();
    for task in tasks {
        samples.merge(task.await.map_err(ended)??);
    }
    Ok(samples)
}
