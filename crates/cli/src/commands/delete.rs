//! `share delete`: the end of a share.

use serde::Serialize;
use share_client::{RegistryEntry, RegistryFilter, TcpConnector};
use share_model::ShareId;

use crate::cut_report::{self, CutLine};
use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::registry_arg::RegistryArg;
use crate::{connect, identity, origin, run, ui};

/// Entries of the registry that are read at once.
const PAGE: usize = 100;

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
    #[command(flatten)]
    registry: RegistryArg,
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
        say_whose_it_was(&args.registry, share).await
    })
}

/// The name of a session stays with its share until somebody frees it.
async fn say_whose_it_was(registry: &RegistryArg, share: ShareId) -> Result<(), CliError> {
    let Some(registry) = registry.open_if_there()? else {
        return Ok(());
    };
    let mut after = None;
    loop {
        let entries = registry
            .list(RegistryFilter::default(), after, PAGE)
            .await
            .map_err(|error| CliError::refused("read the registry").caused_by(error))?;
        let Some(last) = entries.last() else {
            return Ok(());
        };
        after = Some(last.position());
        let is_its = |entry: &&RegistryEntry| entry.share() == Some(share);
        for RegistryEntry { name, .. } in entries.iter().filter(is_its) {
            ui::note(format!(
                "it was the share of session {name}: `share release {name}` frees that name"
            ));
        }
    }
}
