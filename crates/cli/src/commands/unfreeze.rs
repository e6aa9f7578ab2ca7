//! `share unfreeze`: the end of a freeze.

use super::freeze;
use crate::error::CliError;
use crate::ref_arg::RefArg;

/// Let appends into a frozen share again.
///
/// The share is exactly as it was before `share freeze`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A ref that may administrate the share: `@FILE`, or `-` for standard input [default:
    /// SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// One JSON object: share, frozen
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    freeze::set(args.share.as_ref(), false, args.json)
}
