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
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let share = share_ref.share;
        let session = connect::redeem(&share_ref).await?;
        let frozen = session.freeze(&origin::caller()?).await;
        let frozen = frozen.map_err(|error| connect::failed("freeze", share, error))?;
        if args.json {
            let share = share.to_string();
            return ui::json(&FrozenLine { share, frozen });
        }
        ui::note(format!(
            "share {share} is frozen; `share unfreeze` lets appends in again"
        ));
        Ok(())
    })
}
