//! Scenario `network`: calls over share-network beside the RPC library's own connection.
//!
//! Both sides run in this process, each on a thread of its own, over TCP on loopback. The server has an
//! appender that reads every op and stores none, so that what is measured is the connection. The
//! subjects take turns within one run, so that what else the machine does falls on all alike.

mod echo;
mod subject;

use std::time::Duration;

use capnp_rpc::rpc_twoparty_capnp::Side;
use serde::Serialize;
use share_proto::share_capnp::appender;
use tokio::net::TcpStream;
use tokio::time::Instant;

use self::echo::{Echo, Request};
use self::subject::{ALL, Wire};
use crate::error::BenchError;
use crate::report::{Found, Machine, Spread, as_ms, round};

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Bytes of an op's JSON
    #[arg(long, default_value_t = 512)]
    op_bytes: usize,
    /// Milliseconds of each measurement
    #[arg(long, default_value_t = 1000)]
    milliseconds: u64,
    /// Times that each subject has its turn
    #[arg(long, default_value_t = 8)]
    rounds: usize,
}

/// How many send how much at once.
#[derive(Debug, Clone, Copy)]
struct Shape {
    name: &'static str,
    connections: usize,
    /// Calls in flight of each connection.
    window: usize,
    /// Ops of a call.
    batch_ops: usize,
}

const SHAPES: [Shape; 4] = [
    Shape {
        name: "sequential",
        connections: 1,
        window: 1,
        batch_ops: 1,
    },
    Shape {
        name: "window",
        connections: 1,
        window: 64,
        batch_ops: 1,
    },
    Shape {
        name: "connections",
        connections: 32,
        window: 1,
        batch_ops: 1,
    },
    Shape {
        name: "batches",
        connections: 1,
        window: 8,
        batch_ops: 64,
    },
];

/// One line of output.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    scenario: String,
    subject: &'static str,
    connections: usize,
    window: usize,
    batch_ops: usize,
    op_bytes: usize,
    calls_s: f64,
    /// By the processor time of both sides: what others do on the machine matters less to it.
    calls_cpu_s: f64,
    #[serde(flatten)]
    spread: Spread,
    calls: usize,
    rounds: usize,
    /// `calls_s` divided by that of the subject `stock-buffered`: the median of all rounds.
    of_buffered: f64,
    /// The same of `calls_cpu_s`.
    of_buffered_cpu: f64,
    #[serde(flatten)]
    measured: Machine,
}

/// What one subject did in one round.
#[derive(Debug)]
struct Measured {
    latencies: Vec<f64>,
    elapsed: Duration,
    cpu: Duration,
}

impl Measured {
    fn calls_s(&self) -> f64 {
        rate(self.latencies.len(), self.elapsed)
    }

    fn calls_cpu_s(&self) -> f64 {
        rate(self.latencies.len(), self.cpu)
    }
}

/// Runs the scenario and gives a line for each shape and subject.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let subject = Machine::here();
    let (mut lines, mut verdicts) = (Vec::new(), Vec::new());
    for shape in SHAPES {
        let mut rounds: [Vec<Measured>; ALL.len()] = Default::default();
        for _ in 0..args.rounds {
            for (wire, rounds) in ALL.into_iter().zip(&mut rounds) {
                rounds.push(measure(wire, shape, args).await?);
            }
        }
        let buffered = |rate: fn(&Measured) -> f64| -> Vec<f64> {
            rounds[Wire::StockBuffered as usize]
                .iter()
                .map(rate)
                .collect()
        };
        let [by_time, by_cpu] = [Measured::calls_s, Measured::calls_cpu_s].map(buffered);
        for (wire, rounds) in ALL.into_iter().zip(&rounds) {
            let ratio = |rate: fn(&Measured) -> f64, others: &[f64]| {
                let ratios = rounds
                    .iter()
                    .map(rate)
                    .zip(others)
                    .map(|(own, other)| own / other);
                round(median(ratios.collect()))
            };
            let line = Line {
                scenario: format!("network-{}", shape.name),
                subject: wire.name(),
                connections: shape.connections,
                window: shape.window,
                batch_ops: shape.batch_ops,
                op_bytes: args.op_bytes,
                calls_s: median(rounds.iter().map(Measured::calls_s).collect()).round(),
                calls_cpu_s: median(rounds.iter().map(Measured::calls_cpu_s).collect()).round(),
                calls: rounds.iter().map(|round| round.latencies.len()).sum(),
                spread: Spread::of(
                    rounds
                        .iter()
                        .flat_map(|round| &round.latencies)
                        .copied()
                        .collect(),
                ),
                rounds: rounds.len(),
                of_buffered: ratio(Measured::calls_s, &by_time),
                of_buffered_cpu: ratio(Measured::calls_cpu_s, &by_cpu),
                measured: subject.clone(),
            };
            if let Wire::Own = wire {
                verdicts.push(format!(
                    "{}: {} times as many calls as the buffered stock connection, {} times by \
                     processor time",
                    shape.name, line.of_buffered, line.of_buffered_cpu
                ));
            }
            lines.push(line);
        }
    }
    let verdict = Some(verdicts.join("\n"));
    Ok(Found { lines, verdict })
}

async fn measure(wire: Wire, shape: Shape, args: &Args) -> Result<Measured, BenchError> {
    let echo = Echo::start(wire).await?;
    let mut clients = Vec::new();
    for _ in 0..shape.connections {
        let stream = TcpStream::connect(echo.address).await?;
        stream.set_nodelay(true)?;
        let mut system = wire.system(stream, Side::Client, None);
        clients.push(system.bootstrap::<appender::Client>(Side::Server));
        // The error of a connection shows in the calls that it breaks.
        tokio::task::spawn_local(futures_util::FutureExt::map(system, drop));
    }
    let request = Request::new(shape.batch_ops, args.op_bytes);
    for client in &clients {
        request.call(client).await?;
    }
    let span = Duration::from_millis(args.milliseconds);
    let cpu = cpu_time();
    let begin = Instant::now();
    let calling: Vec<_> = clients
        .iter()
        .flat_map(|client| std::iter::repeat_n(client, shape.window))
        .map(|client| {
            let (client, request) = (client.clone(), request.clone());
            tokio::task::spawn_local(async move { call_until(client, request, begin + span).await })
        })
        .collect();
    let mut latencies = Vec::new();
    for calling in calling {
        let called = calling.await;
        latencies.extend(called.map_err(|error| BenchError::Unexpected(error.to_string()))??);
    }
    let measured = Measured {
        latencies,
        elapsed: begin.elapsed(),
        cpu: cpu_time().saturating_sub(cpu),
    };
    drop(clients);
    echo.stop().await?;
    Ok(measured)
}

async fn call_until(
    client: appender::Client,
    request: Request,
    end: Instant,
) -> Result<Vec<f64>, BenchError> {
    let mut latencies = Vec::new();
    loop {
        let before = Instant::now();
        if before >= end {
            return Ok(latencies);
        }
        request.call(&client).await?;
        latencies.push(as_ms(&before.elapsed()));
    }
}

/// Processor time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[expect(clippy::cast_precision_loss, reason = "a rate for people")]
fn rate(calls: usize, time: Duration) -> f64 {
    calls as f64 / time.as_secs_f64()
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    numbers.get(numbers.len() / 2).copied().unwrap_or(0.0)
}
