//! `share publish`: a public address for a share.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use share_client::TcpConnector;
use share_model::{Minted, Publish, ShareRef, Slug, UnixMs};

use crate::error::CliError;
use crate::minting::{self, Other, Request};
use crate::ref_arg::{self, RefArg};
use crate::registry_arg::RegistryArg;
use crate::{age, connect, identity, origin, run, ui};

/// Give a share a public address, and print its slug.
///
/// Whoever has the slug may read the share, and nothing else; the server keeps its hash only, and no
/// log has it. `share unpublish` ends it. The request is stored beside the registry before the
/// server is asked: the same command, given again after a lost answer, prints the same slug.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A ref that may administrate the share: `@FILE`, or `-` for standard input [default:
    /// SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// How long it holds, as in `30s`, `15m`, `1h`, `7d` [default: as long as REF]
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    expires: Option<Duration>,
    /// A label for people
    #[arg(long, value_name = "L", default_value = "")]
    label: String,
    /// One JSON object: slug, share, grant, expiresAtUnixMs
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    registry: RegistryArg,
}

/// What is asked for; another label makes another address.
#[derive(PartialEq, Serialize, Deserialize)]
struct Asked {
    share: String,
    by: String,
    expires_ms: Option<u64>,
    label: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PublishedLine {
    slug: String,
    share: String,
    grant: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_unix_ms: Option<u64>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let share = share_ref.share;
        let owner = identity::held()?;
        let request = remember(&args, &share_ref)?;
        let publish = Publish {
            slug_hash: request.secret.hash(),
            expires_at: request.expires_at,
            label: args.label.clone(),
            origin: origin::caller()?,
        };
        let connector = TcpConnector::default();
        let owner = owner.as_ref();
        let publishing = share_client::publish_share(&connector, &share_ref, owner, &publish);
        let minted = match publishing.await {
            Ok(minted) => minted,
            Err(error) => {
                request.failed(&error)?;
                return Err(connect::failed("publish", share, error));
            }
        };
        tell(&args, &share_ref, &request.secret, &minted)?;
        request.forget()
    })
}

fn remember(args: &Args, share_ref: &ShareRef) -> Result<Request<Slug>, CliError> {
    let expires_ms = args
        .expires
        .map(|expires| u64::try_from(expires.as_millis()).unwrap_or(u64::MAX));
    let asked = Asked {
        share: share_ref.share.to_string(),
        by: share_ref.grant.to_string(),
        expires_ms,
        label: args.label.clone(),
    };
    let path = minting::file_of(&args.registry.folder()?, "publish", &asked)?;
    Request::remember(&path, asked, args.expires)?
        .map_err(|Other(_): Other<Asked>| minting::foreign(&path))
}

fn tell(args: &Args, share_ref: &ShareRef, slug: &Slug, minted: &Minted) -> Result<(), CliError> {
    let share = share_ref.share;
    if args.json {
        return ui::json(&PublishedLine {
            slug: slug.to_text(),
            share: share.to_string(),
            grant: minted.grant.to_string(),
            expires_at_unix_ms: minted.expires_at.map(UnixMs::get),
        });
    }
    let ends = minted.expires_at.map_or(String::new(), |at| {
        format!(" for {}", age::left(age::now(), at))
    });
    ui::note(format!(
        "share {share} is published{ends}, under grant {}",
        minted.grant
    ));
    ui::data(slug.to_text())
}
