//! `share identity`: this machine's owner id.

use serde::Serialize;

use crate::error::CliError;
use crate::{identity, ui};

/// Print this machine's owner id, to which others may seal a grant.
///
/// A grant that is sealed with `share grant --seal-for ID` opens here only: whoever else gets its ref
/// can do nothing with it. The key behind the id is made when this is said first; it lies beside the
/// registry, in `owner.key`, and every command uses it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One JSON object: owner
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct IdentityLine {
    owner: String,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let owner = identity::held_or_made()?.id().to_string();
    match args.json {
        true => ui::json(&IdentityLine { owner }),
        false => ui::data(owner),
    }
}
