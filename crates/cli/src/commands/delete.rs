//! `share delete`: the end of a share.

use serde::Serialize;
use share_client::TcpConnector;

use crate::cut_report::{self, CutLine};
use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::{connect, identity, origin, run, ui};

/// Erase a share's content for good.
///
/// Who holds a ref of it is told that it is gone, so that nobody's late replay brings it back; what
/// an outbox still holds of it is listed as in doubt. Backups of the server keep what they hold, but
/// a restore deletes the share again.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A ref that may administrate the share: `@FILE`, or `-` for standard input [default:
    /// SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// One JSON object: share, cut (grants, sessions, appenders, viewers, served: grant and last
    /// cursor of viewers)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct DeletedLine {
    share: String,
    cut: CutLine,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let share = share_ref.share;
        let (owner, origin) = (identity::held()?, origin::caller()?);
        let connector = TcpConnector::default();
        let deleting = share_client::delete_share(&connector, &share_ref, owner.as_ref(), &origin);
        let cut = deleting
            .await
            .map_err(|error| connect::failed("delete", share, error))?;
        if args.json {
            return ui::json(&DeletedLine {
                share: share.to_string(),
                cut: (&cut).into(),
            });
        }
        ui::note(format!("share {share} is deleted"));
        cut_report::lines(&cut).iter().for_each(ui::note);
        Ok(())
    })
}
