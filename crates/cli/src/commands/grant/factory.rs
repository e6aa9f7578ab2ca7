//! A factory's ref within quotas.

use serde::{Deserialize, Serialize};
use share_client::{TcpConnector, attenuate_factory};
use share_model::{FactoryAttenuate, FactoryRef, Quotas, Secret};

use super::Args;
use crate::error::CliError;
use crate::minting::{self, Other, Request};
use crate::{connect, origin, ui};

/// What is asked for; another label makes another grant.
#[derive(PartialEq, Serialize, Deserialize)]
struct Asked {
    by: String,
    shares: u64,
    bytes: u64,
    appends_per_second: u32,
    label: String,
}

#[derive(Serialize)]
struct GrantLine {
    r#ref: String,
    grant: String,
}

pub(super) async fn run(args: &Args, from: FactoryRef) -> Result<(), CliError> {
    let quotas = quotas(args)?;
    let asked = Asked {
        by: from.grant.to_string(),
        shares: quotas.shares_max,
        bytes: quotas.bytes_max,
        appends_per_second: quotas.appends_per_second,
        label: args.label.clone(),
    };
    let path = minting::file_of(&args.registry.folder()?, "factory-grant", &asked)?;
    let request: Request<Secret> = Request::remember(&path, asked, None)?
        .map_err(|Other(_): Other<Asked>| minting::foreign(&path))?;
    let attenuate = FactoryAttenuate {
        request: request.id,
        secret_hash: request.secret.hash(),
        quotas,
        label: args.label.clone(),
        origin: origin::caller()?,
    };
    let made = attenuate_factory(&TcpConnector::default(), &from, &attenuate).await;
    let (grant, served) = match made {
        Ok(made) => made,
        Err(error) => {
            request.failed(&error)?;
            return Err(connect::failed_at("make a grant of the factory", error));
        }
    };
    let made = FactoryRef {
        addresses: served.addresses,
        grant,
        security: served.security,
        secret: request.secret.clone(),
    };
    if args.json {
        ui::json(&GrantLine {
            r#ref: made.expose(),
            grant: grant.to_string(),
        })?;
    } else {
        ui::data(made.expose())?;
    }
    request.forget()
}

/// On the wire zero is no bound; who says it here means something else.
fn quotas(args: &Args) -> Result<Quotas, CliError> {
    let zero =
        args.shares == Some(0) || args.bytes == Some(0) || args.appends_per_second == Some(0);
    if zero {
        return Err(CliError::usage("a quota of zero allows nothing")
            .hint("leave the option out for no bound; `share revoke` ends a grant"));
    }
    Ok(Quotas {
        shares_max: args.shares.unwrap_or(0),
        bytes_max: args.bytes.unwrap_or(0),
        appends_per_second: args.appends_per_second.unwrap_or(0),
    })
}
