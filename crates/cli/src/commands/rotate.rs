//! `share rotate`: a new owner ref, and the end of all others.

use serde::{Deserialize, Serialize};
use share_client::{OutboxOptions, RefUpdate, RefUse, TcpConnector};
use share_model::{BumpEpoch, Bumped, Secret, ShareRef};

use crate::cut_report::{self, CutLine};
use crate::error::CliError;
use crate::minting::{self, Other, Request};
use crate::ref_arg::{self, RefArg};
use crate::registry_arg::RegistryArg;
use crate::state_file::StateArg;
use crate::{connect, identity, origin, run, ui};

/// End every ref and session of a share, and print its new owner ref.
///
/// Whoever is to go on needs a ref made from the new one: `share grant`. This machine's registry and
/// outbox get the new ref, where they know the share. The request is stored beside the registry
/// before the server is asked: the same command, given again after a lost answer, prints the same
/// ref.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A ref that may administrate the share: `@FILE`, or `-` for standard input [default:
    /// SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// One JSON object: ref, share, grant, epoch, cut (grants, sessions, appenders, viewers, served:
    /// grant and last cursor of viewers)
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArg,
    #[command(flatten)]
    registry: RegistryArg,
}

/// What is asked for.
#[derive(PartialEq, Serialize, Deserialize)]
struct Asked {
    share: String,
    by: String,
}

#[derive(Serialize)]
struct RotatedLine {
    r#ref: String,
    share: String,
    grant: String,
    epoch: u64,
    cut: CutLine,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let old = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let request = remember(&args, &old)?;
        let bump = BumpEpoch {
            request: request.id,
            owner_secret_hash: request.secret.hash(),
            origin: origin::caller()?,
        };
        let owner = identity::held()?;
        let connector = TcpConnector::default();
        let asked = (&bump, &request.secret);
        let bumped = share_client::rotate_share(&connector, &old, owner.as_ref(), asked).await;
        let bumped = match bumped {
            Ok(bumped) => bumped,
            Err(error) => {
                request.failed(&error)?;
                return Err(connect::failed("rotate", old.share, error));
            }
        };
        let new = ShareRef {
            grant: bumped.grant,
            epoch: bumped.epoch,
            secret: request.secret.clone(),
            ..old
        };
        // First of all the ref: should the rest fail, the same command prints it again.
        tell(&args, &new, &bumped)?;
        keep_in_registry(&args.registry, &new).await?;
        keep_in_outbox(&args.state, &new).await?;
        request.forget()
    })
}

fn remember(args: &Args, old: &ShareRef) -> Result<Request<Secret>, CliError> {
    let asked = Asked {
        share: old.share.to_string(),
        by: old.grant.to_string(),
    };
    let path = minting::file_of(&args.registry.folder()?, "rotate", &asked)?;
    Request::remember(&path, asked, None)?.map_err(|Other(_): Other<Asked>| minting::foreign(&path))
}

fn tell(args: &Args, new: &ShareRef, bumped: &Bumped) -> Result<(), CliError> {
    if args.json {
        return ui::json(&RotatedLine {
            r#ref: new.expose(),
            share: new.share.to_string(),
            grant: new.grant.to_string(),
            epoch: new.epoch.get(),
            cut: (&bumped.cut).into(),
        });
    }
    ui::note(format!("share {} is at epoch {}", new.share, new.epoch));
    cut_report::lines(&bumped.cut).iter().for_each(ui::note);
    ui::data(new.expose())
}

async fn keep_in_registry(registry: &RegistryArg, new: &ShareRef) -> Result<(), CliError> {
    let Some(registry) = registry.open_if_there()? else {
        return Ok(());
    };
    let updated = registry
        .update_ref(new.clone())
        .await
        .map_err(|error| CliError::refused("keep the new ref in the registry").caused_by(error))?;
    if updated == RefUpdate::Replaced {
        ui::note("the registry has the new ref");
    }
    Ok(())
}

/// An outbox that does not know the share is left as it is.
async fn keep_in_outbox(state: &StateArg, new: &ShareRef) -> Result<(), CliError> {
    if !state.path()?.exists() {
        return Ok(());
    }
    let outbox = state.open(OutboxOptions::default())?;
    let failed = |error| CliError::refused("keep the new ref in the outbox").caused_by(error);
    let shares = outbox.shares().await.map_err(failed)?;
    if shares.iter().all(|status| status.share != new.share) {
        return Ok(());
    }
    if outbox.use_ref(new.clone()).await.map_err(failed)? == RefUse::Replaced {
        ui::note("the outbox goes on with the new ref");
    }
    Ok(())
}
