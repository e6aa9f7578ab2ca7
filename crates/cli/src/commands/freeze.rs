//! `share freeze`: a share that takes nothing for a while.

use serde::Serialize;

use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::{connect, origin, run, ui};

/// Let nothing be appended to a share until `share unfreeze`.
///
/// Reading goes on. Whoever appends keeps its ops in its outbox; `share replay` sends them then.
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

#[derive(Serialize)]
struct FrozenLine {
    share: String,
    frozen: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    set(args.share.as_ref(), true, args.json)
}

/// Freezes the share, or ends that.
pub(super) fn set(share: Option<&RefArg>, frozen: bool, json: bool) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(share)?;
    run::block_on(async {
        let share = share_ref.share;
        let session = connect::redeem(&share_ref).await?;
        let (attempted, set) = match frozen {
            true => ("freeze", session.freeze(&origin::caller()?).await),
            false => ("unfreeze", session.unfreeze(&origin::caller()?).await),
        };
        let frozen = set.map_err(|error| connect::failed(attempted, share, error))?;
        if json {
            let share = share.to_string();
            return ui::json(&FrozenLine { share, frozen });
        }
        ui::note(match frozen {
            true => format!("share {share} is frozen; `share unfreeze` lets appends in again"),
            false => format!("share {share} is not frozen"),
        });
        Ok(())
    })
}
