//! Scenario E: how long an agent waits for its outbox, and what a stream of tokens costs it.

use std::io::Write;
use std::time::Duration;

use share_client::{Flusher, FlusherOptions, NewOp, Outbox, OutboxOptions};
use share_model::{Mutation, ShareId};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::appends::ended;
use super::replay::failed;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::Span;
use crate::probe;
use crate::record::Record;
use crate::report::Samples;
use crate::server::Server;
use crate::usage;

/// Between two tokens: 200 in a second.
const TOKEN: Duration = Duration::from_millis(5);

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let one = fill(bench, 1).await?;
    let many = fill(bench, bench.sizes.tasks).await?;
    let spread = many.spread();
    let (stream_percent, stream) = stream(bench, Sends::Streamed).await?;
    let (alone_percent, alone) = self::stream(bench, Sends::Alone).await?;
    Ok(record
        .parameter("tasks", bench.sizes.tasks as u64)
        .parameter("op_bytes", bench.sizes.op_bytes as u64)
        .samples(&one)
        .figure("many_ops_s", many.ops_s().round())
        .figure("many_p50_ms", spread.p50_ms())
        .figure("many_p99_ms", spread.p99_ms())
        .figure("stream_percent", stream_percent)
        .figure("stream_p50_ms", stream.spread().p50_ms())
        .figure("stream_p99_ms", stream.spread().p99_ms())
        .figure("alone_percent", alone_percent)
        .figure("alone_p99_ms", alone.spread().p99_ms())
        .figure("pace_percent", pace_percent(bench).await?)
        .figure("floor_percent", floor_percent(bench).await?))
}

/// What tasks get done that enqueue one op after the other, each a key of its own.
async fn fill(bench: &Bench, tasks: usize) -> Result<Samples, BenchError> {
    let folder = bench.folder()?;
    let server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let (outbox, share) = open(bench, &server, &folder).await?;
    let begin = Instant::now() + bench.sizes.warm_up;
    let span = Span {
        begin,
        end: begin + bench.sizes.duration,
    };
    let json = format!("\"{}\"", "x".repeat(bench.sizes.op_bytes.saturating_sub(2)));
    let tasks: Vec<_> = (0..tasks)
        .map(|task| {
            let put = Mutation::Put {
                key: format!("part/{task}").into(),
                json: json.as_str().into(),
            };
            tokio::task::spawn_local(enqueue(outbox.clone(), share, put, span))
        })
        .collect();
    let mut samples = Samples::default();
    for task in tasks {
        samples.merge(task.await.map_err(ended)??);
    }
    server.stop().await?;
    Ok(samples)
}

async fn open(
    bench: &Bench,
    server: &Server,
    folder: &tempfile::TempDir,
) -> Result<(Outbox, ShareId), BenchError> {
    let reference = server.create_share().await?;
    let share = reference.share;
    let path = folder
        .path()
        .join(format!("outbox-{}.sqlite", bench.sizes.op_bytes));
    let outbox = Outbox::open(&path, OutboxOptions::default()).map_err(failed)?;
    outbox.use_ref(reference).await.map_err(failed)?;
    Ok((outbox, share))
}

async fn enqueue(
    outbox: Outbox,
    share: ShareId,
    mutation: Mutation,
    span: Span,
) -> Result<Samples, BenchError> {
    let mut samples = Samples::default();
    loop {
        let before = Instant::now();
        if before >= span.end {
            break;
        }
        outbox
            .enqueue(share, NewOp::of(mutation.clone()))
            .await
            .map_err(failed)?;
        if before >= span.begin {
            samples.add(before.elapsed(), 1);
        }
    }
    samples.end(span.begin.elapsed());
    Ok(samples)
}

/// A stream of tokens, enqueued and replayed to a server: processor time of this process, in per cent of
/// one core, and how long each token took until it was durable. The pace itself is in it; what that
/// takes alone is measured as well.
///
/// The source is a model that nobody stops: a token is there each 5 ms, whatever became of the one before.
async fn stream(bench: &Bench, sends: Sends) -> Result<(f64, Samples), BenchError> {
    let folder = bench.folder()?;
    let server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let (outbox, share) = open(bench, &server, &folder).await?;
    let flusher = Flusher::spawn(&outbox, FlusherOptions::default()).map_err(failed)?;
    let put = Mutation::Put {
        key: "part".into(),
        json: "\"\"".into(),
    };
    outbox
        .enqueue(share, NewOp::of(put))
        .await
        .map_err(failed)?;
    let used = Used::from_now();
    let mut samples = Samples::default();
    let mut pending = JoinSet::new();
    each_token(bench, async || {
        let (outbox, began) = (outbox.clone(), Instant::now());
        pending.spawn_local(async move {
            let token = NewOp::of(Mutation::AppendText {
                key: "part".into(),
                pointer: "".into(),
                text: " token".into(),
            });
            let enqueued = match sends {
                Sends::Streamed => outbox.enqueue_streamed(share, token).await,
                Sends::Alone => outbox.enqueue(share, token).await,
            };
            enqueued.map(|_| began.elapsed()).map_err(failed)
        });
        while let Some(durable) = pending.try_join_next() {
            samples.add(durable.map_err(ended)??, 1);
        }
        Ok(())
    })
    .await?;
    while let Some(durable) = pending.join_next().await {
        samples.add(durable.map_err(ended)??, 1);
    }
    flusher.flush().await.map_err(failed)?;
    let percent = used.percent();
    flusher.stop().await.map_err(failed)?;
    server.stop().await?;
    Ok((percent, samples))
}

/// How the tokens of a stream are enqueued.
#[derive(Clone, Copy)]
enum Sends {
    /// As such: they wait for each other.
    Streamed,
    /// Each by itself.
    Alone,
}

/// The same for the least that a stream of durable tokens takes: a block of a preallocated file, synced,
/// for each.
async fn floor_percent(bench: &Bench) -> Result<f64, BenchError> {
    let folder = bench.folder()?;
    let mut file = probe::preallocated(&folder.path().join("floor"))?;
    let used = Used::from_now();
    each_token(bench, async || {
        file.write_all(&[0x5a; 4096])?;
        Ok(file.sync_data()?)
    })
    .await?;
    Ok(used.percent())
}

/// The same for nothing but the pace: to wake up for each token.
async fn pace_percent(bench: &Bench) -> Result<f64, BenchError> {
    let used = Used::from_now();
    each_token(bench, async || Ok(())).await?;
    Ok(used.percent())
}

/// Does something for each token of a stream.
async fn each_token(
    bench: &Bench,
    mut token: impl AsyncFnMut() -> Result<(), BenchError>,
) -> Result<(), BenchError> {
    let mut due = Instant::now();
    let end = due + bench.sizes.duration.max(Duration::from_secs(2));
    while due < end {
        sleep_until(due).await;
        token().await?;
        due += TOKEN;
    }
    Ok(())
}

/// What this process uses of the processor.
struct Used {
    begin: Instant,
    before: Duration,
}

impl Used {
    fn from_now() -> Self {
        Self {
            begin: Instant::now(),
            before: usage::cpu(std::process::id()).unwrap_or_default(),
        }
    }

    /// In per cent of one core.
    fn percent(&self) -> f64 {
        let now = usage::cpu(std::process::id()).unwrap_or_default();
        let used = now.saturating_sub(self.before);
        100.0 * used.as_secs_f64() / self.begin.elapsed().as_secs_f64()
    }
}
