//! `share-chaos node`: a server as a process of its own, from the library, on a machine that breaks.

use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use share_model::seam::SystemEntropy;
use share_server::store::{RedoOptions, SqliteStoreOptions};
use share_server::{Listeners, Seams, Server, ServerOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::LocalSet;

use super::error::RealError;
use super::machine::{Machine, MachineArgs};
use super::note::Notes;

/// A server of a run: serves until it is told to end, or can't go on
#[derive(Debug, clap::Args)]
pub struct NodeArgs {
    /// The data folder
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The authority journal
    #[arg(long, value_name = "FILE")]
    journal: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: String,
    /// The address to write into refs
    #[arg(long, value_name = "ADDRESS")]
    advertise: String,
    /// Where it notes what breaks; a new file
    #[arg(long, value_name = "FILE")]
    notes: PathBuf,
    #[command(flatten)]
    machine: MachineArgs,
}

/// What a server prints when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ready {
    /// Where it listens.
    pub(super) address: String,
}

/// Pages of the write-ahead log after which it is copied into the file: few, so that a short run sees
/// that too.
const WAL_PAGES: u32 = 32;
/// Bytes of a segment of the server's redo log: so few that it goes round.
const REDO_BYTES: u64 = 64 << 10;
/// Rows of the log that are indexed in memory: few, likewise.
const INDEX_ROWS: usize = 64;

/// Runs a server to its end.
///
/// # Errors
///
/// If it can't begin, or go on: its store has failed, say.
pub fn main(args: NodeArgs) -> Result<(), RealError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(|source| RealError::System {
        doing: "start the server's runtime",
        source,
    })?;
    LocalSet::new().block_on(&runtime, run(args))
}

async fn run(args: NodeArgs) -> Result<(), RealError> {
    let listening = |source| RealError::System {
        doing: "listen for signals",
        source,
    };
    let mut terminated = signal(SignalKind::terminate()).map_err(listening)?;
    let notes = Notes::begin(&args.notes)?;
    let root = args.data.parent().unwrap_or(&args.data);
    let machine = Machine::start(&args.machine, root, &notes)?;
    let defaults = ServerOptions::new(&args.data);
    let options = ServerOptions {
        journal: args.journal,
        advertise: vec![args.advertise],
        store: SqliteStoreOptions {
            settings: machine.sqlite.clone(),
            wal_pages: WAL_PAGES,
            index_rows: INDEX_ROWS,
            redo: RedoOptions {
                segments: 3,
                segment_bytes: REDO_BYTES,
                apply_bytes: REDO_BYTES,
                ..RedoOptions::default()
            },
            ..SqliteStoreOptions::default()
        },
        seams: Seams {
            clock: Arc::clone(&machine.clock),
            entropy: Arc::new(SystemEntropy::default()),
            files: Arc::clone(&machine.files),
        },
        ..defaults
    };
    let listeners = Listeners::bind(&[args.listen]).await?;
    let server = Server::start(options, listeners).await?;
    super::print_line(&Ready {
        address: server.address().to_owned(),
    })?;
    let failure = tokio::select! {
        _ = terminated.recv() => None,
        failure = server.failed() => Some(failure),
    };
    let drained = server.drain().await;
    match failure {
        Some(failure) => Err(failure.into()),
        None => Ok(drained?),
    }
}
