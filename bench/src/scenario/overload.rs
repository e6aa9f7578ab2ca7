//! Scenario O: twice as many ops as the server manages, whether it answers or not.
//!
//! What it manages is measured first, by the same writers with so many calls in flight that it always has
//! something to do: one that waits for each ack would ask for less than there is.

use std::collections::VecDeque;
use std::time::Duration;

use capnp::ErrorKind;
use tokio::time::{Instant, sleep_until};

use super::Scenario;
use super::appends::ended;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::{Lane, Span, WireLane};
use crate::record::Record;
use crate::report::{Spread, as_ms};
use crate::server::Server;
use crate::subject::Running;
use crate::usage;

/// How often a writer looks whether ops are due.
const TICK: Duration = Duration::from_millis(1);
/// Calls of a writer without an answer, while the peak is measured.
const IN_FLIGHT: usize = 64;
/// The same under overload: what is due beyond them is not sent, and counted. It is far more than what the
/// server lets wait.
const IN_FLIGHT_MAX: usize = 3000;
/// From one op of a writer to the next, while the peak is measured: as soon as there is room.
const AT_ONCE: Duration = Duration::from_micros(10);

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let folder = bench.folder()?;
    let server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let pid = server.pid();
    let server = Running::Share(server);
    let memory_at_start = memory_kib(pid);
    let peak = flood_all(&server, bench, |_| (AT_ONCE, IN_FLIGHT)).await?;
    let peak_ops_s = f64::from(peak.acked()) / bench.sizes.duration.as_secs_f64();
    let memory_at_peak = memory_kib(pid);
    let most =
        tokio::task::spawn_local(most_memory(pid, bench.sizes.warm_up + bench.sizes.duration));
    let pace = |writers: f64| Duration::from_secs_f64(writers / (2.0 * peak_ops_s).max(1.0));
    let told = flood_all(&server, bench, |writers| (pace(writers), IN_FLIGHT_MAX)).await?;
    let most = most.await.map_err(ended)?;
    server.stop().await?;
    Ok(figures(record, peak_ops_s, told, bench)
        .figure("start_kib", memory_at_start)
        .figure("peak_kib", most)
        .figure("memory_of_start", most / memory_at_peak.max(1.0)))
}

/// Has all writers of B, each with a share of its own, send at the pace and with the calls in flight that
/// `how` gives for so many.
async fn flood_all(
    server: &Running,
    bench: &Bench,
    how: impl Fn(f64) -> (Duration, usize),
) -> Result<Told, BenchError> {
    let load = Scenario::B.load(bench);
    let lanes = server.lanes(load, false).await?;
    let begin = Instant::now() + bench.sizes.warm_up;
    let span = Span {
        begin,
        end: begin + bench.sizes.duration,
    };
    #[expect(clippy::cast_precision_loss, reason = "a handful of writers")]
    let (pace, in_flight_max) = how(load.writers as f64);
    let writing: Vec<_> = lanes
        .into_iter()
        .filter_map(|lane| match lane {
            Lane::Share(lane) => Some(Flood::new(lane, in_flight_max, span)),
            _ => None,
        })
        .map(|flood| tokio::task::spawn_local(flood.run(pace)))
        .collect();
    let mut told = Told::default();
    for writing in writing {
        told.merge(writing.await.map_err(ended)??);
    }
    Ok(told)
}

fn figures(record: Record, peak_ops_s: f64, told: Told, bench: &Bench) -> Record {
    let due = f64::from(told.acked()) + f64::from(told.refused) + f64::from(told.unsent);
    let goodput = f64::from(told.acked()) / bench.sizes.duration.as_secs_f64();
    let refusals = Spread::of(told.refusals_ms);
    record
        .times(told.acks_ms)
        .figure("ops_s", goodput.round())
        .figure("peak_ops_s", peak_ops_s.round())
        .figure("goodput_of_peak", goodput / peak_ops_s.max(1.0))
        .figure("refused_share", f64::from(told.refused) / due.max(1.0))
        .figure("unsent_share", f64::from(told.unsent) / due.max(1.0))
        .figure("refusal_p50_ms", refusals.p50_ms())
        .figure("refusal_p99_ms", refusals.p99_ms())
        .figure("in_order", if told.out_of_order == 0 { 1.0 } else { 0.0 })
}

/// What became of the ops that were due within the span.
#[derive(Debug, Default)]
struct Told {
    acks_ms: Vec<f64>,
    /// From sending to `overloaded`.
    refusals_ms: Vec<f64>,
    /// Not applied: overloaded, or sent behind one that was.
    refused: u32,
    unsent: u32,
    /// Acks whose cursor is not above that of the op before.
    out_of_order: u32,
}

impl Told {
    fn acked(&self) -> u32 {
        u32::try_from(self.acks_ms.len()).unwrap_or(u32::MAX)
    }

    fn merge(&mut self, other: Self) {
        self.acks_ms.extend(other.acks_ms);
        self.refusals_ms.extend(other.refusals_ms);
        self.refused += other.refused;
        self.unsent += other.unsent;
        self.out_of_order += other.out_of_order;
    }
}

/// A call, when it was due, and its answer with the time at which it came.
struct Call {
    question: u32,
    due: Instant,
    answer: Option<(Instant, Result<u64, BenchError>)>,
}

/// A writer that sends whatever is due.
struct Flood {
    lane: Box<WireLane>,
    /// Those whose answers were not looked at, which happens in the order of the calls.
    calls: VecDeque<Call>,
    told: Told,
    span: Span,
    in_flight_max: usize,
    cursor: u64,
    /// An op was not applied: all that was sent behind it is not either, until the lane is claimed anew.
    is_broken: bool,
}

impl Flood {
    fn new(lane: Box<WireLane>, in_flight_max: usize, span: Span) -> Self {
        Self {
            lane,
            calls: VecDeque::new(),
            told: Told::default(),
            span,
            in_flight_max,
            cursor: 0,
            is_broken: false,
        }
    }

    /// Sends an op each `pace`, whatever becomes of those before.
    async fn run(mut self, pace: Duration) -> Result<Told, BenchError> {
        let (mut due, mut tick) = (Instant::now(), Instant::now());
        while tick < self.span.end {
            tick += TICK;
            self.hear_until(tick).await?;
            while due <= tick {
                self.send(due)?;
                due += pace;
            }
        }
        // What is answered after the end counts for nothing, but ends in order too.
        let patience = Instant::now() + Duration::from_secs(30);
        while !self.calls.is_empty() && Instant::now() < patience {
            self.hear_until(Instant::now() + TICK).await?;
        }
        Ok(self.told)
    }

    fn counts(&self, at: Instant) -> bool {
        at >= self.span.begin && at < self.span.end
    }

    fn send(&mut self, due: Instant) -> Result<(), BenchError> {
        if self.is_broken || self.calls.len() >= self.in_flight_max {
            self.told.unsent += u32::from(self.counts(due));
            return Ok(());
        }
        // Every answer is looked at in order, so what is before the oldest call without one is settled.
        let settled = (self.lane.next() - 1).saturating_sub(self.calls.len() as u64);
        self.calls.push_back(Call {
            question: self.lane.send(settled)?,
            due,
            answer: None,
        });
        Ok(())
    }

    /// Takes answers until `end`.
    async fn hear_until(&mut self, end: Instant) -> Result<(), BenchError> {
        loop {
            if self.calls.is_empty() {
                if self.is_broken {
                    self.lane.claim_again().await?;
                    self.is_broken = false;
                }
                sleep_until(end).await;
                return Ok(());
            }
            let calls = &mut self.calls;
            let hearing = self.lane.hear(|question, answer| {
                let is_its = |call: &&mut Call| call.question == question && call.answer.is_none();
                if let Some(call) = calls.iter_mut().find(is_its) {
                    call.answer = Some((Instant::now(), answer));
                }
            });
            let Ok(heard) = tokio::time::timeout_at(end, hearing).await else {
                return Ok(());
            };
            heard?;
            while let Some(Call { due, answer, .. }) =
                self.calls.pop_front_if(|call| call.answer.is_some())
            {
                if let Some((came, answer)) = answer {
                    self.hear(due, came, answer)?;
                }
            }
        }
    }

    fn hear(
        &mut self,
        due: Instant,
        came: Instant,
        answer: Result<u64, BenchError>,
    ) -> Result<(), BenchError> {
        let ms = as_ms(&came.saturating_duration_since(due));
        match answer {
            Ok(cursor) => {
                self.told.out_of_order += u32::from(cursor <= self.cursor);
                self.cursor = cursor;
                if self.counts(came) {
                    self.told.acks_ms.push(ms);
                }
            }
            Err(BenchError::Rpc(error)) if error.kind == ErrorKind::Overloaded => {
                self.is_broken = true;
                if self.counts(due) {
                    self.told.refused += 1;
                    self.told.refusals_ms.push(ms);
                }
            }
            Err(BenchError::Refused(_)) if self.is_broken => {
                self.told.refused += u32::from(self.counts(due));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

fn memory_kib(pid: u32) -> f64 {
    let kib = usage::memory_kib(pid, "VmRSS").unwrap_or(0);
    u32::try_from(kib).map_or(f64::INFINITY, f64::from)
}

/// The most memory that a process holds within so much time.
async fn most_memory(pid: u32, time: Duration) -> f64 {
    let mut most = 0.0_f64;
    let mut look = Instant::now();
    let end = look + time;
    while look < end {
        look += Duration::from_millis(50);
        sleep_until(look).await;
        most = most.max(memory_kib(pid));
    }
    most
}
