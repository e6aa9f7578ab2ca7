//! `share revoke`: the end of a grant.

use serde::Serialize;
use share_client::{ClientError, Session, TcpConnector, revoke_factory_grant};
use share_model::{Cut, FactoryRef, GrantId, RefusalCode, ShareRef};

use crate::cut_report::{self, CutLine};
use crate::error::CliError;
use crate::ref_arg::{self, AnyRef, RefArg};
use crate::{connect, identity, origin, run, ui};

/// End a grant, with all that were made from it.
///
/// Who holds it is cut before this ends: nothing of theirs is applied, and nothing is read, after
/// that. Without `--grant` it is the ref's own. An owner's ref is not ended like this: `share rotate`
/// gives a new one in its place. A grant of a factory creates nothing more; its shares stay.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    from: Option<RefArg>,
    /// The grant to end, below the ref's own, as `share grants` lists them
    #[arg(long, value_name = "ID")]
    grant: Option<GrantId>,
    /// One JSON object: share, grant, cut (grants, sessions, appenders, viewers, served: grant and
    /// last cursor of viewers); of a factory: grant, revoked (it was in force until now)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct RevokedLine {
    share: String,
    grant: String,
    cut: CutLine,
}

#[derive(Serialize)]
struct FactoryRevokedLine {
    grant: String,
    revoked: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let from = ref_arg::any_ref(args.from.as_ref())?;
    run::block_on(async {
        match from {
            AnyRef::Share(from) => of_share(&args, &from).await,
            AnyRef::Factory(from) => of_factory(&args, &from).await,
        }
    })
}

async fn of_share(args: &Args, from: &ShareRef) -> Result<(), CliError> {
    let grant = args.grant.unwrap_or(from.grant);
    let cut = end(args, from, grant).await?;
    let cut =
        cut.map_err(|error| not_ended(&format!("grant {grant} of share {}", from.share), error))?;
    if args.json {
        return ui::json(&RevokedLine {
            share: from.share.to_string(),
            grant: grant.to_string(),
            cut: (&cut).into(),
        });
    }
    ui::note(format!("grant {grant} of share {} has ended", from.share));
    cut_report::lines(&cut).iter().for_each(ui::note);
    Ok(())
}

async fn end(
    args: &Args,
    from: &ShareRef,
    grant: GrantId,
) -> Result<Result<Cut, ClientError>, CliError> {
    let owner = identity::held()?;
    let connector = TcpConnector::default();
    let session = match Session::redeem_as(&connector, from, owner.as_ref()).await {
        Ok(session) => session,
        // It has ended already, by this command whose answer was lost, say.
        Err(ClientError::Refused(refusal))
            if refusal.code == RefusalCode::Revoked && grant == from.grant =>
        {
            return Ok(Ok(Cut::default()));
        }
        Err(error) => return Ok(Err(error)),
    };
    if args.grant.is_none() && session.redeemed().owner {
        return Err(CliError::refused("that is the owner's ref").hint(
            "`share rotate` ends it and gives a new one; or name one of `share grants` with \
             `--grant`",
        ));
    }
    Ok(session.revoke(grant, &origin::caller()?).await)
}

async fn of_factory(args: &Args, from: &FactoryRef) -> Result<(), CliError> {
    let Some(grant) = args.grant else {
        return Err(CliError::usage("no grant of the factory is given")
            .hint("name one of `share grants` with `--grant`"));
    };
    let revoked = revoke_factory_grant(&TcpConnector::default(), from, grant).await;
    let revoked =
        revoked.map_err(|error| not_ended(&format!("grant {grant} of the factory"), error))?;
    if args.json {
        let grant = grant.to_string();
        return ui::json(&FactoryRevokedLine { grant, revoked });
    }
    ui::note(match revoked {
        true => format!("grant {grant} of the factory has ended"),
        false => format!("grant {grant} of the factory had ended before"),
    });
    Ok(())
}

fn not_ended(what: &str, error: ClientError) -> CliError {
    let is_unknown = matches!(
        &error,
        ClientError::Refused(refusal) if refusal.code == RefusalCode::InvalidRequest
    );
    let failed = connect::failed_at(&format!("end {what}"), error);
    match is_unknown {
        true => failed.hint("`share grants` lists those that this ref may end"),
        false => failed,
    }
}
