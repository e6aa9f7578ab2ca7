//! `share doctor`.

use crate::error::CliError;

/// Say what needs a person, and what can be done.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
