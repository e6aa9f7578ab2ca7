//! `share create`: a new share, and its owner's ref.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use share_client::{OutboxOptions, TcpConnector};
use share_model::seam::{Files, SystemClock, SystemEntropy, SystemFiles};
use share_model::{CreateShare, FactoryRef, Origin, OriginKind, RequestId, Secret, ShareRef};

use crate::error::{CliError, Kind};
use crate::ref_arg::{self, RefArg};
use crate::state_file::StateArg;
use crate::{connect, run, ui};

/// Bytes of the file that remembers a request.
const PENDING_BYTES_MAX: u64 = 64 * 1024;

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

/// A request that may have been made already.
#[derive(Serialize, Deserialize)]
struct Pending {
    request: String,
    secret: String,
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
        let (request, secret) = remember(&path, &factory, &args.title)?;
        let create = CreateShare {
            request,
            owner_secret_hash: secret.hash(),
            title: args.title.clone(),
            origin: origin()?,
        };
        let made = share_client::create_share(&TcpConnector::default(), &factory, &create).await;
        let (created, served) =
            made.map_err(|error| connect::failed_at("create a share", error))?;
        let share_ref = ShareRef {
            addresses: served.addresses,
            share: created.share,
            grant: created.grant,
            epoch: created.epoch,
            pin: served.pin,
            secret,
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
        std::fs::remove_file(&path).map_err(|error| {
            CliError::refused(format!("forget `{}`", path.display())).caused_by(error)
        })
    })
}

fn pending_path(state: &Path) -> PathBuf {
    state.with_extension("creating")
}

/// The request that is under way with this factory and title, else a new one, stored.
fn remember(
    path: &Path,
    factory: &FactoryRef,
    title: &str,
) -> Result<(RequestId, Secret), CliError> {
    if path.exists() {
        let pending = read(path)?;
        if pending.factory != factory.grant.to_string() || pending.title != title {
            return Err(CliError::refused(format!(
                "an earlier `share create` with title `{}` has had no answer yet",
                pending.title
            ))
            .hint(format!(
                "give that command again to get its share, or remove `{}` to give it up",
                path.display()
            )));
        }
        return Ok((pending_id(path, &pending)?, pending_secret(path, &pending)?));
    }
    let entropy = SystemEntropy::default();
    let (request, secret) = (
        RequestId::new(&SystemClock, &entropy),
        Secret::random(&entropy),
    );
    let pending = Pending {
        request: request.to_string(),
        secret: secret.to_text(),
        factory: factory.grant.to_string(),
        title: title.to_owned(),
    };
    let bytes = serde_json::to_vec(&pending)
        .map_err(|error| CliError::new(Kind::Bug, "write down the request").caused_by(error))?;
    SystemFiles.write_private(path, &bytes).map_err(|error| {
        CliError::refused(format!("write down the request in `{}`", path.display()))
            .caused_by(error)
    })?;
    Ok((request, secret))
}

fn read(path: &Path) -> Result<Pending, CliError> {
    let bytes = SystemFiles.read(path, PENDING_BYTES_MAX).map_err(|error| {
        CliError::refused(format!("read the request in `{}`", path.display())).caused_by(error)
    })?;
    serde_json::from_slice(&bytes).map_err(|_| unreadable(path))
}

fn pending_id(path: &Path, pending: &Pending) -> Result<RequestId, CliError> {
    pending.request.parse().map_err(|_| unreadable(path))
}

fn pending_secret(path: &Path, pending: &Pending) -> Result<Secret, CliError> {
    Secret::from_text(&pending.secret).ok_or_else(|| unreadable(path))
}

fn unreadable(path: &Path) -> CliError {
    CliError::refused(format!(
        "`{}` does not hold the request of a `share create`",
        path.display()
    ))
    .hint("if no share is owed to you from before, remove the file")
}

/// Whoever runs the command.
pub(super) fn origin() -> Result<Origin, CliError> {
    let user = std::env::var("USER")
        .or_else(|_| std::env::var("LOGNAME"))
        .unwrap_or_default();
    let id = if user.is_empty() {
        "share".to_owned()
    } else {
        user
    };
    Origin::new(
        OriginKind::User,
        id,
        share_model::Limits::DEFAULT.label_bytes_max,
    )
    .map_err(|error| CliError::refused("say who creates the share").caused_by(error))
}
