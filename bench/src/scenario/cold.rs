//! Scenario K: from a redeem to the document's first byte, where the share is not loaded.

use share_model::ShareRef;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::error::BenchError;
use crate::lane::{ShareLane, connect, first_entries};
use crate::load::Load;
use crate::record::Record;
use crate::report::{Spread, as_ms};
use crate::server::Server;

/// Parts that are put by one call.
const PARTS_AT_ONCE: u64 = 64;

pub(super) async fn run(bench: &Bench, record: Record) -> Result<Record, BenchError> {
    let folder = bench.folder()?;
    let mut server = Server::start(bench.share.as_deref(), folder.path()).await?;
    let sizes = &bench.sizes;
    let mut small = Vec::new();
    for _ in 0..sizes.cold_shares {
        small.push(fill(&server, bench, sizes.parts).await?);
    }
    let mut large = Vec::new();
    for _ in 0..sizes.cold_shares_large {
        large.push(fill(&server, bench, sizes.parts_large).await?);
    }
    // No share is loaded by a server that has just begun.
    server.restart().await?;
    let small = read_all(&server, &small).await?;
    let large = Spread::of(read_all(&server, &large).await?);
    server.stop().await?;
    Ok(record
        .parameter("parts", sizes.parts)
        .parameter("parts_large", sizes.parts_large)
        .times(small)
        .figure("large_p50_ms", large.p50_ms())
        .figure("large_max_ms", large.max_ms()))
}

/// A share with so many parts.
async fn fill(server: &Server, bench: &Bench, parts: u64) -> Result<ShareRef, BenchError> {
    let load = Load {
        writers: 1,
        batch_ops: 1,
        op_bytes: bench.sizes.op_bytes,
    };
    let mut lane = ShareLane::create(server.address(), server.factory(), load).await?;
    let mut put = 0;
    while put < parts {
        let ops = PARTS_AT_ONCE.min(parts - put);
        lane.set_batch_ops(usize::try_from(ops).unwrap_or(1));
        lane.put_keys_from(put);
        lane.append().await?;
        put += ops;
    }
    Ok(lane.reference().clone())
}

/// How long each takes, on a connection of its own.
async fn read_all(server: &Server, shares: &[ShareRef]) -> Result<Vec<f64>, BenchError> {
    let mut times = Vec::new();
    for reference in shares {
        let bootstrap = connect(TcpStream::connect(server.address()).await?)?;
        let begin = Instant::now();
        if first_entries(&bootstrap, reference).await? == 0 {
            return Err(BenchError::Unexpected("a document is empty".to_owned()));
        }
        times.push(as_ms(&begin.elapsed()));
    }
    Ok(times)
}
