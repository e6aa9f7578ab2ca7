//! `share unpublish`: the end of public addresses.

use serde::Serialize;
use share_client::{ClientError, Session};
use share_model::{Cut, GrantId, GrantInfo, RefusalCode, ShareId};

use crate::cut_report::{self, CutLine};
use crate::error::CliError;
use crate::ref_arg::{self, RefArg};
use crate::{connect, origin, run, ui};

/// End a public address of a share, or all of them.
///
/// Who reads under it is cut before this ends.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// A ref that may administrate the share: `@FILE`, or `-` for standard input
    #[arg(value_name = "REF")]
    share: RefArg,
    /// The slug to end: `@FILE`, or `-` for (the next line of) standard input [default: every one of
    /// the share]
    #[arg(value_name = "SLUG")]
    slug: Option<RefArg>,
    /// One JSON object: share, revoked (ids of grants), cut (grants, sessions, appenders, viewers,
    /// served: grant and last cursor of viewers)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct UnpublishedLine {
    share: String,
    revoked: Vec<String>,
    cut: CutLine,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(Some(&args.share))?;
    let slug = args.slug.as_ref().map(ref_arg::slug).transpose()?;
    run::block_on(async {
        let share = share_ref.share;
        let session = connect::redeem(&share_ref).await?;
        let grants = match slug {
            Some(slug) => vec![slug.grant()],
            None => published(&session, share).await?,
        };
        let cut = revoke_all(&session, share, &grants).await?;
        if args.json {
            return ui::json(&UnpublishedLine {
                share: share.to_string(),
                revoked: grants.iter().map(GrantId::to_string).collect(),
                cut: (&cut).into(),
            });
        }
        match (args.slug.is_some(), cut.grants, grants.len()) {
            (true, 0, _) => ui::note(format!("that address of share {share} had ended before")),
            (true, ..) => ui::note(format!("that address of share {share} has ended")),
            (false, _, 0) => ui::note(format!("share {share} has no public address")),
            (false, _, 1) => ui::note(format!("the public address of share {share} has ended")),
            (false, _, count) => {
                ui::note(format!(
                    "the {count} public addresses of share {share} have ended"
                ));
            }
        }
        if cut.grants > 0 {
            cut_report::lines(&cut).iter().for_each(ui::note);
        }
        Ok(())
    })
}

async fn published(session: &Session, share: ShareId) -> Result<Vec<GrantId>, CliError> {
    let grants = session.grants().await;
    let grants = grants.map_err(|error| connect::failed("list the grants of", share, error))?;
    Ok(still_published(&grants))
}

fn still_published(grants: &[GrantInfo]) -> Vec<GrantId> {
    let published = grants
        .iter()
        .filter(|grant| grant.published && grant.revoked_at.is_none());
    published.map(|grant| grant.id).collect()
}

async fn revoke_all(
    session: &Session,
    share: ShareId,
    grants: &[GrantId],
) -> Result<Cut, CliError> {
    let origin = origin::caller()?;
    let mut total = Cut::default();
    for grant in grants {
        let cut = session.revoke(*grant, &origin).await;
        let cut = cut.map_err(|error| not_ended(*grant, share, error))?;
        cut_report::add(&mut total, cut);
    }
    Ok(total)
}

fn not_ended(grant: GrantId, share: ShareId, error: ClientError) -> CliError {
    let is_unknown = matches!(
        &error,
        ClientError::Refused(refusal) if refusal.code == RefusalCode::InvalidRequest
    );
    let attempted = format!("end the address under grant {grant} of");
    let failed = connect::failed(&attempted, share, error);
    match is_unknown {
        true => {
            failed.hint("that slug is of another share; `share grants` lists those of this one")
        }
        false => failed,
    }
}
