//! `share backup`: a copy of all that a running server stores.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use serde::Serialize;
use share_client::{BackupError, ClientError, TcpConnector};
use share_model::{BackupMade, RefusalCode};
use tempfile::NamedTempFile;

use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::{connect, run, ui};

/// Copy all that a running server stores into a file.
///
/// The server goes on meanwhile. Everything that it had acked before is in the file, with hashes of
/// secrets but no secret. The authority journal is not in it, and must be kept apart from it: it
/// keeps `share restore` from bringing authority back that has ended.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The factory's ref: `@FILE`, or `-` for standard input; `share serve` writes one
    #[arg(long, value_name = "REF")]
    factory: RefArg,
    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
    /// One JSON object: file, shares, bytes, sha256, history, atUnixMs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MadeLine {
    file: String,
    shares: u64,
    bytes: u64,
    sha256: String,
    history: String,
    at_unix_ms: u64,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let factory = ref_arg::factory_ref(&args.factory)?;
    let path = &args.file;
    // Before the server is asked to do anything; once more when the file is put in place.
    if !args.force && path.exists() {
        return Err(is_there(path));
    }
    let folder = folder_of(path);
    let written = |error| {
        CliError::refused(format!("write the backup to `{}`", path.display())).caused_by(error)
    };
    // Readable by its owner only, and removed if anything fails.
    let mut new = NamedTempFile::new_in(folder).map_err(written)?;
    let made = run::block_on(async {
        let mut to = BufWriter::new(new.as_file_mut());
        let mut progress = ui::Progress::new();
        let connector = TcpConnector::default();
        let show = |done: u64, total: u64| progress.show("backup", done >> 10, total >> 10);
        let made = share_client::backup(&connector, &factory, &mut to, show).await;
        made.map_err(|error| failed(path, error))
    })?;
    new.as_file().sync_all().map_err(written)?;
    let placed = match args.force {
        true => new.persist(path),
        false => new.persist_noclobber(path),
    };
    placed.map_err(|error| match error.error.kind() {
        std::io::ErrorKind::AlreadyExists => is_there(path),
        _ => written(error.error),
    })?;
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(written)?;
    tell(&args, &made)
}

fn tell(args: &Args, made: &BackupMade) -> Result<(), CliError> {
    let sha256: String = made
        .sha256
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let file = args.file.display().to_string();
    if args.json {
        return ui::json(&MadeLine {
            file,
            shares: made.shares,
            bytes: made.bytes,
            sha256,
            history: made.history.to_string(),
            at_unix_ms: made.at.get(),
        });
    }
    let shares = counted(made.shares, "share");
    ui::data(format!("{file}: {shares}, {} bytes", made.bytes))?;
    ui::note(
        "keep the server's authority journal too, in another place than this file: \
         `share restore` needs both",
    );
    Ok(())
}

/// A number with its thing, in the plural unless it is one.
fn counted(count: u64, thing: &str) -> String {
    match count {
        1 => format!("1 {thing}"),
        count => format!("{count} {thing}s"),
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn is_there(path: &Path) -> CliError {
    CliError::refused(format!("`{}` is there already", path.display()))
        .hint("choose another name, or replace the file with `--force`")
}

fn failed(path: &Path, error: BackupError) -> CliError {
    let attempted = "back up the server";
    match error {
        BackupError::Client(ClientError::Refused(refusal))
            if refusal.code == RefusalCode::QuotaExceeded =>
        {
            CliError::refused(attempted)
                .caused_by(refusal)
                .hint("only one backup is made at a time: try again when the other one is done")
        }
        BackupError::Client(ClientError::Refused(refusal)) => CliError::refused(attempted)
            .caused_by(refusal)
            .hint("use the ref in `factory.ref` in the server's data folder"),
        BackupError::Client(error) => connect::failed_at(attempted, error),
        error => CliError::refused(format!("write the backup to `{}`", path.display()))
            .caused_by(error)
            .hint("nothing is left of it: try again"),
    }
}
