//! `share release`.

use crate::error::CliError;

/// Free the name of a share; what was shared stays.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
