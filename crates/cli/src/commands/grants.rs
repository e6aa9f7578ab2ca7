//! `share grants`: the grants of a share, or of a factory.

mod factory;
mod line;

use share_model::ShareRef;

use self::line::Line;
use crate::error::CliError;
use crate::ref_arg::{self, AnyRef, RefArg};
use crate::{age, connect, printable, run, ui};

/// List the grants of a share, revoked ones among them, and how they are used.
///
/// Those that the ref may see: an owner's all, another administrator's its own and those below it.
/// Of a factory's ref (`share-factory://`): the factory's grants, with what they have used up.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    from: Option<RefArg>,
    /// One JSON object a line: grant, rights, epoch, parent, label, origin (kind, id), published,
    /// sealedFor, sessions, viewers, usage (redeems, refusals, lastReadCursor, and times), and times
    /// in ms since 1970: createdAtUnixMs, expiresAtUnixMs, revokedAtUnixMs; of a factory: grant,
    /// root, label, shares, bytes, quotas (sharesMax, bytesMax, appendsPerSecond; null: no bound),
    /// createdAtUnixMs
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let from = ref_arg::any_ref(args.from.as_ref())?;
    run::block_on(async {
        match from {
            AnyRef::Share(from) => of_share(&from, args.json).await,
            AnyRef::Factory(from) => factory::list(&from, args.json).await,
        }
    })
}

async fn of_share(from: &ShareRef, json: bool) -> Result<(), CliError> {
    let session = connect::redeem(from).await?;
    let grants = session.grants().await;
    let mut grants =
        grants.map_err(|error| connect::failed("list the grants of", from.share, error))?;
    // The owner's first, and every other one below that which it was made from.
    grants.sort_by_key(|grant| (grant.created_at, grant.id));
    let now = age::now();
    for grant in &grants {
        match json {
            true => printable::json(&Line::of(grant))?,
            false => ui::data(line::text(grant, now))?,
        }
    }
    Ok(())
}
