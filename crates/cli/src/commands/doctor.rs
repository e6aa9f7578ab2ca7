//! `share doctor`: what needs a person, and what can be done.
//!
//! One section a file: each looks at the outbox for itself, and says what it found.

mod broken;
mod letters;
mod pending;
mod recoveries;
mod stopped;

use serde::Serialize;
use share_client::{Outbox, OutboxOptions, ShareStatus};

use crate::error::CliError;
use crate::printable;
use crate::recovery::Told;
use crate::state_file::StateArg;
use crate::{run, ui};

use self::broken::Broken;
use self::letters::Letters;
use self::pending::Pending;
use self::stopped::Stopped;

/// Say what needs you, and what you can do about it.
///
/// Looks at the outbox only, never at a server. Ends with 0 if nothing needs you, else with 1.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    state: StateArg,
    /// One JSON object: needsYou (how many things do), outbox (its path), file (null, or problem:
    /// damaged, newer, notAnOutbox or notOpened, message, wayOut), stopped (share, code, message, at,
    /// pending, hint, commands), inDoubt and deadLetters (share, count, isGone, commands, ops: the
    /// first 100, each with opId, key, error), recoveries (as `share replay` tells them), pending
    /// (share, count, oldestAt). Times are ms since 1970
    #[arg(long)]
    json: bool,
}

/// All that was found.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    needs_you: usize,
    outbox: String,
    file: Option<Broken>,
    stopped: Vec<Stopped>,
    in_doubt: Vec<Letters>,
    dead_letters: Vec<Letters>,
    recoveries: Vec<Told>,
    pending: Vec<Pending>,
}

/// Where a section looks.
struct Look<'a> {
    outbox: &'a Outbox,
    shares: &'a [ShareStatus],
    /// What to add to a command so that it means the same outbox; empty, or begins with a space.
    state: String,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let path = args.state.existing()?;
    let mut report = Report {
        outbox: path.display().to_string(),
        ..Report::default()
    };
    let state = args.state.as_typed();
    run::block_on(async {
        match Outbox::open(&path, OutboxOptions::default()) {
            Err(error) => report.file = Some(Broken::of(&error)),
            Ok(outbox) => look(&outbox, state, &mut report).await?,
        }
        report.needs_you = report.count();
        match args.json {
            true => printable::json(&report)?,
            false => report.say()?,
        }
        match report.needs_you {
            0 => Ok(()),
            1 => Err(CliError::refused("one thing needs you")),
            count => Err(CliError::refused(format!("{count} things need you"))),
        }
    })
}

async fn look(outbox: &Outbox, state: String, report: &mut Report) -> Result<(), CliError> {
    let unreadable = |error| CliError::refused("read the outbox").caused_by(error);
    let shares = outbox.shares().await.map_err(unreadable)?;
    let look = Look {
        outbox,
        shares: &shares,
        state,
    };
    report.stopped = stopped::look(&look);
    report.in_doubt = letters::in_doubt(&look).await.map_err(unreadable)?;
    report.dead_letters = letters::dead(&look).await.map_err(unreadable)?;
    report.recoveries = recoveries::look(&look).await?;
    report.pending = pending::look(&look).await.map_err(unreadable)?;
    Ok(())
}

impl Report {
    /// How many things need a person. What the client did by itself, and what only waits, does not.
    fn count(&self) -> usize {
        usize::from(self.file.is_some())
            + self.stopped.len()
            + self.in_doubt.len()
            + self.dead_letters.len()
    }

    fn say(&self) -> Result<(), CliError> {
        let mut lines = Vec::new();
        lines.extend(self.file.iter().flat_map(Broken::lines));
        lines.extend(self.stopped.iter().flat_map(Stopped::lines));
        lines.extend(self.in_doubt.iter().flat_map(Letters::lines));
        lines.extend(self.dead_letters.iter().flat_map(Letters::lines));
        lines.extend(recoveries::lines(&self.recoveries));
        lines.extend(self.pending.iter().map(Pending::line));
        if self.needs_you == 0 {
            lines.push("nothing needs you".to_owned());
        }
        lines.into_iter().try_for_each(ui::data)
    }
}
