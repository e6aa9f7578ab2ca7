//! `share create`: a new share, and its owner's ref.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use share_client::{OutboxOptions, TcpConnector};
use share_model::{CreateShare, FactoryRef, Secret, ShareRef};

use crate::error::CliError;
use crate::minting::{Other, Request};
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{connect, origin, run, ui};

/// Create a share; prints its owner's ref.
///
/// The owner's secret and the request are stored beside the outbox before the server is asked, so
/// that a share whose answer was lost is not lost: the same command, given again, asks for the same
/// share.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The factory's ref: `@FILE`, or `-` for standard input; `share serve` writes one
    #[arg(long, value_name = "REF")]
    factory: RefArg,
    /// A title for people
    #[arg(long, value_name = "T", default_value = "")]
    title: String,
    /// One JSON object: share, ref, epoch
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArg,
}

/// What is asked for.
#[derive(PartialEq, Serialize, Deserialize)]
struct Asked {
    factory: String,
    title: String,
}

#[derive(Serialize)]
struct CreatedLine {
    share: String,
    r#ref: String,
    epoch: u64,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let factory = ref_arg::factory_ref(&args.factory)?;
    run::block_on(async {
        // Makes the private folder with its ignore file; the outbox shall know the share anyway.
        let outbox = args.state.open(OutboxOptions::default())?;
        let path = pending_path(&args.state.path()?);
        let request = remember(&path, &factory, &args.title)?;
        let create = CreateShare {
            request: request.id,
            owner_secret_hash: request.secret.hash(),
            title: args.title.clone(),
            origin: origin::caller()?,
        };
        let made = share_client::create_share(&TcpConnector::default(), &factory, &create).await;
        let (created, served) = match made {
            Ok(made) => made,
            Err(error) => {
                request.failed(&error)?;
                return Err(connect::failed_at("create a share", error));
            }
        };
        let share_ref = ShareRef {
            addresses: served.addresses,
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            security: served.security,
            secret: request.secret.clone(),
        };
        outbox
            .use_ref(share_ref.clone())
            .await
            .map_err(|error| CliError::refused("keep the new share's ref").caused_by(error))?;
        if args.json {
            ui::json(&CreatedLine {
                share: created.share.to_string(),
                r#ref: share_ref.expose(),
                epoch: created.epoch.get(),
            })?;
        } else {
            ui::data(share_ref.expose())?;
        }
        // Only now that the ref is out of our hands. If this fails, the same share is printed again.
        request.forget()
    })
}

fn pending_path(state: &Path) -> PathBuf {
    state.with_extension("creating")
}

/// The request that is under way with this factory and title, else a new one, stored.
fn remember(path: &Path, factory: &FactoryRef, title: &str) -> Result<Request<Secret>, CliError> {
    let asked = Asked {
        factory: factory.grant.to_string(),
        title: title.to_owned(),
    };
    Request::remember(path, asked, None)?.map_err(|Other(earlier)| {
        CliError::refused(format!(
            "an earlier `share create`, with title `{}` and factory grant {}, has had no answer yet",
            earlier.title, earlier.factory
        ))
        .hint(format!(
            "give that command again to get its share, or remove `{}` to give it up",
            path.display()
        ))
    })
}
