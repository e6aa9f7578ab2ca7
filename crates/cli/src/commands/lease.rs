//! `share lease`.

use crate::error::CliError;

/// Delegate a scope of a share to another agent session.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
