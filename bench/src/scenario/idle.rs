//! Scenario N: what shares cost that nobody uses, and sessions that ask for nothing.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::try_join_all;
use share_model::ShareRef;
use share_model::seam::{Clock, SystemClock};
use tokio::net::TcpSocket;

use super::appends::ended;
use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::{ShareLane, connect, create};
use crate::load::Load;
use crate::record::Record;
use crate::server::Server;
use crate::usage;

/// Connections that make shares, each one after the other.
const MAKERS: usize = 64;
/// Ops of each share.
const OPS: usize = 10;
/// Sessions from one address, which may have 256 connections, and of one share, which may have 64 writers.
const SESSIONS_OF_ADDRESS: usize = 200;
const SESSIONS_OF_SHARE: usize = 50;
/// So many times as many sessions there are at last as when they are counted first.
const SESSIONS_FACTOR: usize = 3;
/// How often memory is looked at until it has settled, in how many looks it was the same then, and how
/// often it is looked at at most.
const LOOK: Duration = Duration::from_millis(200);
const SAME_LOOKS: u32 = 10;
const LOOKS_MAX: u32 = 150;
/// How long a server that has no time for one more share is left alone.
const PAUSE: Duration = Duration::from_millis(20);
/// Times that a call is made that the server has no time for.
const TRIES_MAX: u32 = 500;

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    usage::raise_files()?;
    let [empty, full] = [bench.folder()?, bench.folder()?];
    let nothing = Server::start(bench.share.as_deref(), empty.path()).await?;
    let kib_of_nothing = memory_kib(&nothing)?;
    nothing.stop().await?;

    let mut server = Server::start(bench.share.as_deref(), full.path()).await?;
    let shares = fill(&server, bench).await?;
    let start = server.restart().await?;
    let kib_of_shares = memory_kib(&server)? - kib_of_nothing;

    // What the first ones take besides, as shares that are loaded and room that the allocator keeps from
    // work that is done, is there before what is measured comes.
    let few = bench.sizes.sessions_idle;
    let many = few * SESSIONS_FACTOR;
    let used = shares.get(..many.div_ceil(SESSIONS_OF_SHARE));
    let used = used.ok_or_else(|| {
        BenchError::Unexpected(format!(
            "{many} sessions need a share for {SESSIONS_OF_SHARE} each, and there are {}: make more",
            shares.len()
        ))
    })?;
    let mut held = Vec::new();
    sessions(&server, used, &mut held, few).await?;
    let before = settled_kib(&server).await?;
    sessions(&server, used, &mut held, many).await?;
    let kib_of_sessions = settled_kib(&server).await? - before;
    drop(held);
    server.stop().await?;
    Ok(record
        .parameter("shares", bench.sizes.shares as u64)
        .parameter("sessions", many as u64)
        .figure("start_s", start.as_secs_f64())
        .figure("kib_share", per(kib_of_shares, bench.sizes.shares))
        .figure("kib_session", per(kib_of_sessions, many - few)))
}

fn memory_kib(server: &Server) -> Result<f64, BenchError> {
    let kib = usage::memory_kib(server.pid(), "VmRSS").and_then(|kib| u32::try_from(kib).ok());
    let unknown =
        || BenchError::Unexpected("the system does not tell a process's memory".to_owned());
    kib.map(f64::from).ok_or_else(unknown)
}

/// What it holds once that has been the same for a while: memory that is given back, and what the store
/// has still to do, come after the last answer.
async fn settled_kib(server: &Server) -> Result<f64, BenchError> {
    let (mut looks, mut same) = (0, 0);
    let mut kib = memory_kib(server)?;
    while same < SAME_LOOKS && looks < LOOKS_MAX {
        SystemClock.sleep(LOOK).await;
        let now = memory_kib(server)?;
        same = if now == kib { same + 1 } else { 0 };
        looks += 1;
        kib = now;
    }
    Ok(kib)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per(kib: f64, count: usize) -> f64 {
    kib / count.max(1) as f64
}

/// Makes all shares; the refs of those that sessions will be of.
async fn fill(server: &Server, bench: &Bench) -> Result<Vec<ShareRef>, BenchError> {
    let load = Load {
        writers: 1,
        batch_ops: OPS,
        op_bytes: bench.sizes.op_bytes,
    };
    let mut makers = Vec::new();
    for maker in 0..MAKERS {
        let count = (bench.sizes.shares + MAKERS - 1 - maker) / MAKERS;
        let bootstrap = connect_from(server, 0).await?;
        let factory = server.factory().clone();
        makers.push(tokio::task::spawn_local(async move {
            let mut made = Vec::new();
            for _ in 0..count {
                let reference = patiently(|| create(&bootstrap, &factory)).await?;
                let mut lane = patiently(|| ShareLane::claim(&bootstrap, &reference, load)).await?;
                lane.append().await?;
                made.push(reference);
            }
            Ok::<_, BenchError>(made)
        }));
    }
    let mut shares = Vec::new();
    for maker in makers {
        shares.extend(maker.await.map_err(ended)??);
    }
    Ok(shares)
}

/// Makes a call until the server has time for it.
async fn patiently<T, F: Future<Output = Result<T, BenchError>>>(
    call: impl Fn() -> F,
) -> Result<T, BenchError> {
    let mut tries = 1;
    loop {
        match call().await {
            Err(BenchError::Rpc(error))
                if error.kind == capnp::ErrorKind::Overloaded && tries < TRIES_MAX =>
            {
                tries += 1;
                SystemClock.sleep(PAUSE).await;
            }
            called => return called,
        }
    }
}

/// Opens sessions of these shares until so many are held, each with a connection of its own and a claimed
/// writer.
async fn sessions(
    server: &Server,
    shares: &[ShareRef],
    held: &mut Vec<ShareLane>,
    count: usize,
) -> Result<(), BenchError> {
    let load = Load {
        writers: 1,
        batch_ops: 1,
        op_bytes: 2,
    };
    while held.len() < count {
        let numbers = held.len()..count.min(held.len() + 16);
        let opening = numbers.map(|number| async move {
            let bootstrap = connect_from(server, number / SESSIONS_OF_ADDRESS).await?;
            ShareLane::claim(&bootstrap, &shares[number % shares.len()], load).await
        });
        held.extend(try_join_all(opening).await?);
    }
    Ok(())
}

/// A connection from one of this machine's addresses.
async fn connect_from(
    server: &Server,
    address: usize,
) -> Result<share_proto::share_capnp::bootstrap::Client, BenchError> {
    let last = u8::try_from(address + 1).unwrap_or(u8::MAX);
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, last), 0)))?;
    let to = server.address().parse::<SocketAddr>();
    let to = to.map_err(|error| BenchError::Unexpected(error.to_string()))?;
    connect(socket.connect(to).await?)
}
