//! A weaker ref of a share.

use serde::{Deserialize, Serialize};
use share_client::TcpConnector;
use share_model::{Attenuate, Minted, OwnerId, Rights, Secret, ShareRef};

use super::Args;
use crate::error::CliError;
use crate::minting::{self, Other, Request};
use crate::{age, connect, identity, origin, rights_arg, ui};

/// What is asked for; another label makes another grant.
#[derive(PartialEq, Serialize, Deserialize)]
struct Asked {
    share: String,
    by: String,
    rights: Vec<String>,
    expires_ms: Option<u64>,
    label: String,
    seal_for: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GrantLine {
    r#ref: String,
    share: String,
    grant: String,
    epoch: u64,
    rights: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at_unix_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sealed_for: Option<String>,
}

pub(super) async fn run(args: &Args, from: ShareRef) -> Result<(), CliError> {
    let rights = args.rights.map_or(Rights::NONE, |rights| rights.rights());
    let owner = identity::held()?;
    let request = remember(args, &from, rights)?;
    let attenuate = Attenuate {
        request: request.id,
        secret_hash: request.secret.hash(),
        rights,
        expires_at: request.expires_at,
        label: args.label.clone(),
        sealed_for: args.seal_for,
        origin: origin::caller()?,
    };
    let connector = TcpConnector::default();
    let minting = share_client::attenuate_share(&connector, &from, owner.as_ref(), &attenuate);
    let minted = match minting.await {
        Ok(minted) => minted,
        Err(error) => {
            request.failed(&error)?;
            return Err(connect::failed("make a grant of", from.share, error));
        }
    };
    let made = ShareRef {
        grant: minted.grant,
        epoch: minted.epoch,
        secret: request.secret.clone(),
        ..from
    };
    tell(args, &made, &minted, rights)?;
    request.forget()
}

fn remember(args: &Args, from: &ShareRef, rights: Rights) -> Result<Request<Secret>, CliError> {
    let expires_ms = args
        .expires
        .map(|expires| u64::try_from(expires.as_millis()).unwrap_or(u64::MAX));
    let asked = Asked {
        share: from.share.to_string(),
        by: from.grant.to_string(),
        rights: rights_arg::names(rights)
            .into_iter()
            .map(str::to_owned)
            .collect(),
        expires_ms,
        label: args.label.clone(),
        seal_for: args.seal_for.map(|owner: OwnerId| owner.to_string()),
    };
    let path = minting::file_of(&args.registry.folder()?, "grant", &asked)?;
    Request::remember(&path, asked, args.expires)?
        .map_err(|Other(_): Other<Asked>| minting::foreign(&path))
}

fn tell(args: &Args, made: &ShareRef, minted: &Minted, rights: Rights) -> Result<(), CliError> {
    if args.json {
        return ui::json(&GrantLine {
            r#ref: made.expose(),
            share: made.share.to_string(),
            grant: made.grant.to_string(),
            epoch: made.epoch.get(),
            rights: rights_arg::names(rights),
            expires_at_unix_ms: minted.expires_at.map(share_model::UnixMs::get),
            sealed_for: args.seal_for.map(|owner| owner.to_string()),
        });
    }
    let ends = minted.expires_at.map_or(String::new(), |at| {
        format!(", for {}", age::left(age::now(), at))
    });
    let shown = rights_arg::shown(rights);
    let sealed = args
        .seal_for
        .map_or(String::new(), |owner| format!(", for {owner} alone"));
    ui::note(format!("grant {}: {shown}{ends}{sealed}", made.grant));
    ui::data(made.expose())
}
