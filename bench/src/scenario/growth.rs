//! Scenario G: what an append and a redeem cost in a share of few ops, and in one of many.
//!
//! Servers stand side by side, each with one share, and take turns. The documents are alike: only the logs
//! differ in length.

use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::appends::ended;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::{ShareLane, connect, redeem};
use crate::load::Load;
use crate::pairs::median;
use crate::record::Record;
use crate::report::as_ms;
use crate::server::Server;

/// Turns of each server, and what it does in each.
const TURNS: usize = 10;
const APPENDS: usize = 100;
const APPENDS_OF_MANY: usize = 10;
const REDEEMS: usize = 10;
/// Ops of a call that makes a log long: then there are as many keys.
const FILLED_AT_ONCE: u64 = 256;

/// A server with a share of so many ops.
struct Grown {
    server: Server,
    lanes: Vec<ShareLane>,
    one_ms: Vec<f64>,
    many_ms: Vec<f64>,
    redeem_ms: Vec<f64>,
    /// Dropped last.
    _folder: TempDir,
}

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let mut grown = Vec::new();
    for &ops in &bench.sizes.growth {
        grown.push(Grown::with(bench, ops).await?);
    }
    for _ in 0..TURNS {
        for grown in &mut grown {
            grown.take_turn().await?;
        }
    }
    let mut record = record.parameter("writers", bench.sizes.writers_growth as u64);
    let names = [
        (
            "least_ops",
            "one_least_ms",
            "many_least_ms",
            "redeem_least_ms",
        ),
        (
            "middle_ops",
            "one_middle_ms",
            "many_middle_ms",
            "redeem_middle_ms",
        ),
        ("most_ops", "one_most_ms", "many_most_ms", "redeem_most_ms"),
    ];
    let (mut first, mut last) = ([0.0; 3], [0.0; 3]);
    for (index, mut grown) in grown.into_iter().enumerate() {
        let times = [&mut grown.one_ms, &mut grown.many_ms, &mut grown.redeem_ms];
        last = times.map(|times| median(times).unwrap_or(0.0));
        first = if index == 0 { last } else { first };
        if let Some((ops, one, many, redeem)) = names.get(index) {
            record = record
                .parameter(ops, bench.sizes.growth[index])
                .figure(one, last[0])
                .figure(many, last[1])
                .figure(redeem, last[2]);
        }
        grown.server.stop().await?;
    }
    Ok(record
        .figure("growth_one", last[0] / first[0])
        .figure("growth_many", last[1] / first[1])
        .figure("growth_redeem", last[2] / first[2]))
}

impl Grown {
    async fn with(bench: &Bench, ops: u64) -> Result<Self, BenchError> {
        let folder = bench.folder()?;
        let server = Server::start(bench.share.as_deref(), folder.path()).await?;
        let load = Load {
            writers: 1,
            batch_ops: usize::try_from(FILLED_AT_ONCE).unwrap_or(1),
            op_bytes: bench.sizes.op_bytes,
        };
        let mut first = ShareLane::create(server.address(), server.factory(), load).await?;
        for _ in 0..ops / FILLED_AT_ONCE {
            first.append().await?;
        }
        first.set_batch_ops(1);
        let reference = first.reference().clone();
        let mut lanes = vec![first];
        while lanes.len() < bench.sizes.writers_growth {
            let bootstrap = connect(TcpStream::connect(server.address()).await?)?;
            let load = Load {
                batch_ops: 1,
                ..load
            };
            lanes.push(ShareLane::claim(&bootstrap, &reference, load).await?);
        }
        Ok(Self {
            server,
            lanes,
            one_ms: Vec::new(),
            many_ms: Vec::new(),
            redeem_ms: Vec::new(),
            _folder: folder,
        })
    }

    async fn take_turn(&mut self) -> Result<(), BenchError> {
        for _ in 0..APPENDS {
            let begin = Instant::now();
            self.lanes[0].append().await?;
            self.one_ms.push(as_ms(&begin.elapsed()));
        }
        let appending: Vec<_> = self
            .lanes
            .drain(..)
            .map(|lane| tokio::task::spawn_local(append_some(lane)))
            .collect();
        for appending in appending {
            let (lane, times_ms) = appending.await.map_err(ended)??;
            self.lanes.push(lane);
            self.many_ms.extend(times_ms);
        }
        for _ in 0..REDEEMS {
            let bootstrap = connect(TcpStream::connect(self.server.address()).await?)?;
            let begin = Instant::now();
            redeem(&bootstrap, self.lanes[0].reference()).await?;
            self.redeem_ms.push(as_ms(&begin.elapsed()));
        }
        Ok(())
    }
}

async fn append_some(mut lane: ShareLane) -> Result<(ShareLane, Vec<f64>), BenchError> {
    let mut times_ms = Vec::new();
    for _ in 0..APPENDS_OF_MANY {
        let begin = Instant::now();
        lane.append().await?;
        times_ms.push(as_ms(&begin.elapsed()));
    }
    Ok((lane, times_ms))
}
