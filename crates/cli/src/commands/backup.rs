//! `share backup`.

use crate::error::CliError;

/// Copy all that a running server stores into a file.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
