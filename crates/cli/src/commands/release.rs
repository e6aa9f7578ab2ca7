//! `share release`: a name for another share.

use crate::error::CliError;
use crate::registry_arg::{self, NameArgs, RegistryArg};
use crate::{run, ui};

/// Free the name of a session; what was shared stays shared.
///
/// Opening the name again creates a new share. The registry keeps the old one's ref for good, and
/// `share list --all` shows it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    name: NameArgs,
    #[command(flatten)]
    registry: RegistryArg,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let name = args.name.name()?;
    run::block_on(async {
        let registry = args.registry.open_existing()?;
        let released = registry
            .release(&name)
            .await
            .map_err(|error| registry_arg::failed("release", &name, error))?;
        match released.share() {
            Some(share) => ui::note(format!(
                "the name {name} is free; share {share} stays as it is"
            )),
            None => ui::warning(format!(
                "the name {name} is free, but factory {} was asked for its share and may have \
                 created one that nobody opens",
                released.factory
            )),
        }
        Ok(())
    })
}
