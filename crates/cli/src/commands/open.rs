//! `share open`.

use crate::error::CliError;

/// Open the share of a session of a project; the same one each time.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn run(_args: Args) -> Result<(), CliError> {
    Err(CliError::refused("not yet"))
}
