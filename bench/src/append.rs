//! Scenario `append`: durable appends by many writers, beside the disk's limit in the same run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use crate::load::Load;
use crate::probe;
use crate::report::{Found, Line, Samples};
use crate::server::Server;
use crate::writer::{self, BenchError};

/// How the scenario is run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Writers, each with a connection and a share of its own
    #[arg(long, default_value_t = 32)]
    writers: usize,
    /// Ops of one call; several are run one after the other
    #[arg(long, value_delimiter = ',', default_values_t = [1, 64])]
    batch: Vec<usize>,
    /// Bytes of an op's JSON
    #[arg(long, default_value_t = 512)]
    op_bytes: usize,
    /// Seconds of each measurement
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Seconds before each measurement that do not count
    #[arg(long, default_value_t = 5)]
    warm_up_seconds: u64,
    /// The `share` binary [default: the one beside this program]
    #[arg(long)]
    share: Option<PathBuf>,
    /// Where the files go: the disk that is measured
    #[arg(long, default_value = "target")]
    folder: PathBuf,
}

/// Runs the scenario and gives a line for each batch size and subject.
pub(crate) async fn run(args: &Args) -> Result<Found<Line>, BenchError> {
    let duration = Duration::from_secs(args.seconds);
    let mut lines = Vec::new();
    for &batch_ops in &args.batch {
        let load = Load {
            writers: args.writers,
            batch_ops,
            op_bytes: args.op_bytes,
        };
        let folder = tempfile::tempdir_in(&args.folder)?;
        let name = format!("append-{batch_ops}");
        let before = Line::new(
            &name,
            "disk",
            load,
            probe::run(folder.path(), load, duration)?,
        );
        let warm_up = Duration::from_secs(args.warm_up_seconds);
        let samples = serve(
            args.share.as_deref(),
            folder.path(),
            load,
            (warm_up, duration),
        )
        .await?;
        let after = Line::new(
            &name,
            "disk",
            load,
            probe::run(folder.path(), load, duration)?,
        );
        lines.push(Line::new(&name, "share", load, samples).beside(before.better(&after)));
        lines.extend([before, after]);
    }
    Ok(Found {
        lines,
        verdict: None,
    })
}

async fn serve(
    share: Option<&Path>,
    folder: &Path,
    load: Load,
    (warm_up, duration): (Duration, Duration),
) -> Result<Samples, BenchError> {
    let server = Server::start(share, folder).await?;
    let mut writers = Vec::new();
    for _ in 0..load.writers {
        let bootstrap = writer::connect(server.address()).await?;
        writers.push(writer::open(&bootstrap, server.factory(), load).await?);
    }
    let mut samples = Samples::default();
    let begin = Instant::now() + warm_up;
    let tasks: Vec<_> = writers
        .into_iter()
        .map(|writer| tokio::task::spawn_local(writer.run(begin, begin + duration)))
        .collect();
    for task in tasks {
        let done = task
            .await
            .map_err(|error| BenchError::Unexpected(error.to_string()))?;
        samples.merge(done?);
    }
    server.stop().await?;
    Ok(samples)
}
