//! Scenarios D and P: one writer whose ops many subscribers follow live.

use std::rc::Rc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::arrivals::Arrivals;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::{Lane, Span};
use crate::load::Load;
use crate::record::Record;
use crate::subject::{Running, Subject};

/// How long subscribing may take, which is before anything counts.
const OPENING: Duration = Duration::from_secs(2);

pub(super) async fn run(
    bench: &Bench,
    subject: Subject,
    pace: Option<Duration>,
    record: Record,
) -> Result<Record, BenchError> {
    let load = Load {
        writers: 1,
        batch_ops: 1,
        op_bytes: bench.sizes.op_bytes,
    };
    let folder = bench.folder()?;
    let server = Running::start(subject, bench.share.as_deref(), folder.path()).await?;
    let mut lanes = server.lanes(load, true).await?;
    let Some(lane) = lanes.pop() else {
        return Err(BenchError::Unexpected("there is no writer".to_owned()));
    };
    let begin = Instant::now() + OPENING + bench.sizes.warm_up;
    let span = Span {
        begin,
        end: begin + bench.sizes.duration,
    };
    let arrivals = Rc::new(Arrivals::new(lane.next(), span));
    let watching = server
        .watch(&lane, bench.sizes.subscribers, &arrivals)
        .await?;
    let appends = match pace {
        None => append_all(lane, &arrivals, span).await?,
        Some(pace) => append_paced(lane, &arrivals, (pace, span)).await?,
    };
    watching.end().await?;
    server.stop().await?;
    let seconds = bench.sizes.duration.as_secs_f64();
    Ok(record
        .parameter("subscribers", bench.sizes.subscribers as u64)
        .parameter("op_bytes", load.op_bytes as u64)
        .samples(&arrivals.samples())
        .figure("appends_s", f64::from(appends) / seconds))
}

/// Appends until the span's end, each op after the ack of the one before; how many within the span.
async fn append_all(mut lane: Lane, arrivals: &Arrivals, span: Span) -> Result<u32, BenchError> {
    let mut appends = 0;
    loop {
        let now = Instant::now();
        if now >= span.end {
            return Ok(appends);
        }
        arrivals.sent(now);
        lane.append().await?;
        appends += u32::from(now >= span.begin);
    }
}

/// Appends an op each `pace`. One that could not be sent in time, because the ack before it was late,
/// counts from when it was to be sent: waiting is not left out.
async fn append_paced(
    mut lane: Lane,
    arrivals: &Arrivals,
    (pace, span): (Duration, Span),
) -> Result<u32, BenchError> {
    let (mut due, mut appends) = (Instant::now(), 0);
    while due < span.end {
        let is_late = Instant::now() > due;
        sleep_until(due).await;
        // The timer's own delay is nobody's lag.
        arrivals.sent(if is_late { due } else { Instant::now() });
        lane.append().await?;
        appends += u32::from(due >= span.begin);
        due += pace;
    }
    Ok(appends)
}
