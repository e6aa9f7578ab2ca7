//! Scenario R: an outbox that was filled while there was no server, replayed by the client library.

use share_client::{Flusher, FlusherOptions, Grouping, NewOp, Outbox, OutboxOptions};
use share_model::Mutation;
use tokio::time::Instant;

use super::Scenario;
use super::appends::closed_loop;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::record::Record;
use crate::server::Server;
use crate::subject::Running;

/// Ops that are enqueued by one call, before time is taken.
const ENQUEUED_AT_ONCE: u64 = 500;
/// Keys that the ops put.
const KEYS: u64 = 64;

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let folder = bench.folder()?;
    let server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let reference = server.create_share().await?;
    let share = reference.share;
    let options = OutboxOptions {
        // Each op is to be sent.
        coalesce: false,
        ..OutboxOptions::default()
    };
    let outbox = Outbox::open(&folder.path().join("outbox.sqlite"), options).map_err(failed)?;
    outbox.use_ref(reference).await.map_err(failed)?;
    let ops = bench.sizes.replayed;
    let json = format!("\"{}\"", "x".repeat(bench.sizes.op_bytes.saturating_sub(2)));
    let mut enqueued = 0;
    while enqueued < ops {
        let some = enqueued..ops.min(enqueued + ENQUEUED_AT_ONCE);
        let puts = some.map(|at| {
            NewOp::of(Mutation::Put {
                key: format!("part/{}", at % KEYS).into(),
                json: json.as_str().into(),
            })
        });
        let puts: Vec<_> = puts.collect();
        enqueued += puts.len() as u64;
        outbox
            .enqueue_all(share, puts, Grouping::Loose)
            .await
            .map_err(failed)?;
    }
    let begin = Instant::now();
    let flusher = Flusher::spawn(&outbox, FlusherOptions::default()).map_err(failed)?;
    let report = flusher.flush().await.map_err(failed)?;
    let elapsed = begin.elapsed();
    flusher.stop().await.map_err(failed)?;
    if !report.is_drained() {
        let message = format!("{} ops were not replayed", report.pending);
        return Err(BenchError::Unexpected(message));
    }
    let server = Running::Share(server);
    let (samples, _) = closed_loop(&server, Scenario::C.load(bench), bench).await?;
    server.stop().await?;
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let ops_s = ops as f64 / elapsed.as_secs_f64();
    Ok(record
        .parameter("ops", ops)
        .parameter("op_bytes", bench.sizes.op_bytes as u64)
        .figure("seconds", elapsed.as_secs_f64())
        .figure("ops_s", ops_s.round())
        .figure("c_ops_s", samples.ops_s().round())
        .figure("of_c", samples.ops_s() / ops_s))
}

/// The client library says why.
pub(super) fn failed(error: impl std::error::Error) -> BenchError {
    BenchError::Unexpected(error.to_string())
}
