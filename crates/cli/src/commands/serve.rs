//! `share serve`: the share server. With `restore`, the only file of this crate that names
//! `share_server`.

use std::path::PathBuf;

use share_server::{Server, ServerOptions, TcpListener};
use tokio::signal::unix::{SignalKind, signal};

use crate::error::CliError;
use crate::{run, ui};

/// Serve shares until SIGTERM or Ctrl-C.
///
/// Prints `listening on HOST:PORT` when ready, and writes the factory's ref, with which shares are
/// created, to `factory.ref` in the data folder.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder with everything that is stored
    #[arg(long, value_name = "DIR", default_value = "share-data")]
    data: PathBuf,
    /// The authority journal: keep it apart from backups of the data folder, which must not take it
    /// back [default: beside the data folder, named as it with `.journal`]
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
    /// Begin a new journal in place of one that is lost; only if the data folder was not put back
    /// from a copy since
    #[arg(long)]
    new_journal: bool,
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:7420")]
    listen: String,
    /// The addresses to write into refs, in the order in which to try them [default: the one
    /// listened on]
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    advertise: Vec<String>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    run::block_on(async {
        let attempted = format!("serve `{}` on {}", args.data.display(), args.listen);
        let mut terminated = signal(SignalKind::terminate())
            .map_err(|error| CliError::refused("listen for signals").caused_by(error))?;
        let mut interrupted = signal(SignalKind::interrupt())
            .map_err(|error| CliError::refused("listen for signals").caused_by(error))?;
        let failed = |error| CliError::refused(attempted.clone()).caused_by(error);
        let listener = TcpListener::bind(&args.listen).await.map_err(failed)?;
        let defaults = ServerOptions::new(args.data);
        let options = ServerOptions {
            advertise: args.advertise,
            journal: args.journal.unwrap_or_else(|| defaults.journal.clone()),
            new_journal: args.new_journal,
            ..defaults
        };
        let server = Server::start(options, listener).await.map_err(failed)?;
        ui::data(format!("listening on {}", server.address()))?;
        let failure = tokio::select! {
            _ = terminated.recv() => None,
            _ = interrupted.recv() => None,
            failure = server.failed() => Some(failure),
        };
        let drained = server.drain().await;
        match failure {
            Some(failure) => Err(CliError::refused("the server can't go on").caused_by(failure)),
            None => drained.map_err(|error| CliError::refused("end the server").caused_by(error)),
        }
    })
}
