//! `share restore`: a backup in place of what a stopped server stored. Names `share_server`, as
//! `serve` does.

use std::path::PathBuf;

use serde::Serialize;
use share_server::{
    JournalError, RestoreError, RestoreJournal, RestoreOptions, Restored, Seams, ServerError,
    default_journal,
};

use crate::error::CliError;
use crate::{run, ui};

/// Put a backup in place of what a stopped server stored.
///
/// The file is checked whole before anything is changed, and what was there is kept in a folder
/// within the data folder. Authority that ended after the backup was made stays ended: the authority
/// journal knows it. If the journal is lost, say so with `--without-journal`: then every grant of
/// every share ends, and each share gets a new owner's ref.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// What `share backup` wrote
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The data folder of the server; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "share-data")]
    data: PathBuf,
    /// The server's authority journal [default: beside the data folder, named as it with `.journal`]
    #[arg(long, value_name = "FILE", conflicts_with = "without_journal")]
    journal: Option<PathBuf>,
    /// The journal is lost: end every grant, and write each share's new owner's ref to a file
    #[arg(long)]
    without_journal: bool,
    /// With `--without-journal`: the addresses to write into the new refs [default: those of
    /// `factory.ref` in the data folder]
    #[arg(
        long,
        value_name = "HOST:PORT",
        value_delimiter = ',',
        requires = "without_journal"
    )]
    advertise: Vec<String>,
    /// One JSON object: shares, backupAtUnixMs, history, ended, keptAside, ownerRefs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoredLine {
    shares: u64,
    backup_at_unix_ms: u64,
    history: String,
    ended: u64,
    kept_aside: Option<PathBuf>,
    owner_refs: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let beside = || default_journal(&args.data);
    let journal = match (args.without_journal, &args.journal) {
        (true, _) => RestoreJournal::Lost(beside()),
        (false, Some(path)) => RestoreJournal::At(path.clone()),
        (false, None) => RestoreJournal::At(beside()),
    };
    let options = RestoreOptions {
        file: args.file.clone(),
        data: args.data.clone(),
        journal,
        advertise: args.advertise.clone(),
        seams: Seams::system(),
    };
    let restored = run::block_on(async {
        share_server::restore(options)
            .await
            .map_err(|error| failed(&args, error))
    })?;
    tell(&args, restored)
}

fn tell(args: &Args, restored: Restored) -> Result<(), CliError> {
    if args.json {
        return ui::json(&RestoredLine {
            shares: restored.shares,
            backup_at_unix_ms: restored.backup_at.get(),
            history: restored.history.to_string(),
            ended: restored.ended,
            kept_aside: restored.kept_aside,
            owner_refs: restored.owner_refs,
        });
    }
    ui::data(format!(
        "{}: {} restored from the backup of {}",
        args.data.display(),
        counted(restored.shares),
        restored.backup_date,
    ))?;
    if let Some(kept) = &restored.kept_aside {
        ui::note(format!("what was there is kept in `{}`", kept.display()));
    }
    match &restored.owner_refs {
        Some(refs) => ui::note(format!(
            "every grant has ended; each line of `{}` has a share's new owner's ref: give it to the \
             owner, who runs `share use @FILE`, and then remove the file",
            refs.display()
        )),
        None if restored.ended > 0 => ui::note(format!(
            "grants that had ended after the backup was made stay ended, in {}",
            counted(restored.ended)
        )),
        None => {}
    }
    let journal = match &args.journal {
        Some(journal) => format!(" --journal {}", journal.display()),
        None => String::new(),
    };
    ui::note(format!(
        "start the server with `share serve --data {}{journal}`; clients send again what it lacks and \
         they still hold",
        args.data.display()
    ));
    Ok(())
}

fn counted(shares: u64) -> String {
    match shares {
        1 => "1 share".to_owned(),
        shares => format!("{shares} shares"),
    }
}

fn failed(args: &Args, error: RestoreError) -> CliError {
    let hint = match &error {
        RestoreError::NoJournal { .. } => Some(
            "say where it is with `--journal FILE`; if it is lost, `--without-journal` restores the \
             backup, ends every grant and gives each share a new owner's ref",
        ),
        RestoreError::JournalThere { .. } => {
            Some("leave out `--without-journal`; if the file can't be read, move it away first")
        }
        RestoreError::OtherJournal { .. } => Some("name the right one with `--journal FILE`"),
        RestoreError::Damaged { .. } | RestoreError::Content { .. } => {
            Some("nothing was changed; restore another copy, or another backup")
        }
        RestoreError::Folder(ServerError::DataDirLocked { .. })
        | RestoreError::Journal(JournalError::InUse { .. }) => {
            Some("nothing was changed; stop the server before its data is restored")
        }
        RestoreError::Install { .. } => None,
        _ => Some("nothing was changed"),
    };
    let attempted = format!(
        "restore `{}` to `{}`",
        args.file.display(),
        args.data.display()
    );
    let failed = CliError::refused(attempted).caused_by(error);
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}
