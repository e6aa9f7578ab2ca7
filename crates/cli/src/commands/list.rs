//! `share list`: the shares that this machine knows.

mod line;
mod outboxes;
mod servers;

use std::time::Duration;

use share_client::{Registry, RegistryEntry, RegistryFilter};
use tokio::time::Instant;

use self::line::Line;
use self::servers::{Servers, Told};
use crate::error::CliError;
use crate::registry_arg::RegistryArg;
use crate::{age, identity, printable, run, ui};

/// Entries that are read, asked about and shown at once.
const PAGE: usize = 100;
/// How long servers and outboxes may take, all together; what is known is shown after it.
const PATIENCE: Duration = Duration::from_secs(6);

/// List the sessions that this machine has opened, and how their shares stand.
///
/// Each share's server is asked for its cursor, and its outbox, if it is still there, for what is
/// pending. A server that is away holds nothing up: what it told last is shown, and how long ago.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Those too whose name was released
    #[arg(long)]
    all: bool,
    /// One JSON object a line: project, session, state (open, pending, released), share, title, epoch,
    /// cursor, cursorAt, live, problem, pendingOps, inDoubt, deadLetters, outbox, outboxProblem,
    /// lastSeenAt, createdAt, releasedAt, madeBy. Times are ms since 1970; null: not known
    #[arg(long)]
    json: bool,
    /// With ref, the owner's: whoever has it owns the share
    #[arg(long, requires = "json")]
    refs: bool,
    #[command(flatten)]
    registry: RegistryArg,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    run::block_on(async {
        let registry = args.registry.open_existing()?;
        let until = Instant::now() + PATIENCE;
        let servers = Servers::new(until, identity::held()?);
        let filter = RegistryFilter { released: args.all };
        let mut after = None;
        loop {
            let entries = registry
                .list(filter, after, PAGE)
                .await
                .map_err(|error| CliError::refused("read the registry").caused_by(error))?;
            let Some(last) = entries.last() else { break };
            let is_first = after.is_none();
            after = Some(last.position());
            let (told, held) = tokio::join!(servers.ask(&entries), outboxes::look(&entries, until));
            remember(&registry, &told).await;
            let lines: Vec<_> = entries
                .iter()
                .zip(told.into_iter().zip(held))
                .map(|(entry, (told, held))| Line::of(entry, told, held))
                .collect();
            show(&args, &entries, &lines, is_first)?;
        }
        if after.is_none() && !args.json {
            ui::note("no session is registered");
        }
        Ok(())
    })
}

/// What servers told is known from now on, also when they are away.
async fn remember(registry: &Registry, told: &[Told]) {
    let now = told.iter().filter_map(Told::now);
    let now: Vec<_> = now.cloned().collect();
    if now.is_empty() {
        return;
    }
    if let Err(error) = registry.seen(&now).await {
        // The listing is right all the same.
        ui::warning(format!(
            "the registry did not keep what servers told: {error}"
        ));
    }
}

fn show(
    args: &Args,
    entries: &[RegistryEntry],
    lines: &[Line<'_>],
    is_first: bool,
) -> Result<(), CliError> {
    if args.json {
        for (entry, line) in entries.iter().zip(lines) {
            let reference = entry.reference.as_ref().filter(|_| args.refs);
            printable::json(&line.with_ref(reference))?;
        }
        return Ok(());
    }
    if is_first {
        ui::data(line::HEAD)?;
    }
    let now = age::now();
    for line in lines {
        ui::data(line.text(now))?;
        for problem in line.problems() {
            ui::note(printable::printable(&problem));
        }
    }
    Ok(())
}
