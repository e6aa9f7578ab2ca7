//! `share use`: a newer ref for a share that the outbox knows.

use share_client::{OutboxOptions, RefUse};

use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{run, ui};

/// Give the outbox a newer ref of a share; its replay goes on with it.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The newer ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    #[command(flatten)]
    state: StateArg,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let outbox = args.state.open(OutboxOptions::default())?;
        let share = share_ref.share;
        let used = outbox.use_ref(share_ref).await.map_err(|error| {
            CliError::refused(format!("keep the ref of share {share}")).caused_by(error)
        })?;
        ui::note(match used {
            RefUse::New => format!("share {share} is now known to the outbox"),
            RefUse::Same => format!("the outbox holds this ref of share {share} already"),
            RefUse::Replaced => format!("the outbox goes on with the new ref of share {share}"),
            _ => {
                return Err(CliError::refused(format!(
                    "the outbox has a ref of share {share} of a later epoch"
                ))
                .hint(
                    "this ref was ended by a bump of the epoch; ask the owner for the newest one",
                ));
            }
        });
        Ok(())
    })
}
