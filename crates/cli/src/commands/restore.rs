//! `share restore`.

use crate::error::CliError;

/// Put a backup in place of what a stopped server stored.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
