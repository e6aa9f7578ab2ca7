//! The owner's page: what shares are read by whom, and an end to that. It shows nothing by itself: its
//! script sends a ref with the right `admin` in each request.

use std::sync::Arc;

use axum::extract::{Extension, Request, State};
use axum::response::Response;
use serde::Serialize;
use share_model::{Cursor, GrantInfo, Right, UnixMs};

use crate::answer::{Refusal, json};
use crate::backend::Governed;
use crate::face::{Inner, Peer};
use crate::request::{ByRef, Revoke, read};
use crate::routes::asker;
use crate::showing;

type Face = State<Arc<Inner>>;

/// A share as its owner sees it.
#[derive(Serialize)]
struct Share {
    share: String,
    title: String,
    ops: Cursor,
    created_at: UnixMs,
    frozen: bool,
    viewers: usize,
    /// When it was read or opened last, by anybody.
    last_access_at: Option<UnixMs>,
    grants: Vec<Grant>,
}

#[derive(Serialize)]
struct Grant {
    id: String,
    label: String,
    rights: Vec<&'static str>,
    /// It is a public address.
    published: bool,
    /// It is the owner's own.
    owner: bool,
    created_at: UnixMs,
    expires_at: Option<UnixMs>,
    revoked_at: Option<UnixMs>,
    viewers: usize,
    last_access_at: Option<UnixMs>,
}

/// What ended.
#[derive(Serialize)]
struct Ended {
    grants: u32,
    sessions: u32,
    viewers: u32,
}

/// `GET /`.
pub(crate) async fn frame(State(face): Face) -> Response {
    let words = "This page needs its script, which sends your ref to this server and nowhere else.";
    showing::frame(&face, "owner", "owner.js", words)
}

/// `POST /owner/share`.
pub(crate) async fn share(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let (body, _room) = read::<ByRef>(&face, peer, request).await?;
    let governed = face.backend.govern(&asker, &body.proof()?).await?;
    Ok(json(&shown(&face, governed)))
}

/// `POST /owner/revoke`.
pub(crate) async fn revoke(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let (body, _room) = read::<Revoke>(&face, peer, request).await?;
    let (proof, grant) = body.parts()?;
    let cut = face.backend.revoke(&asker, &proof, grant).await?;
    Ok(json(&Ended {
        grants: cut.grants,
        sessions: cut.sessions,
        viewers: cut.viewers,
    }))
}

fn shown(face: &Inner, governed: Governed) -> Share {
    let share = governed.share;
    let grants = governed.grants.into_iter().map(|info| {
        // A stage is one reader of the log, however many view it.
        let viewers = usize::try_from(info.viewers).unwrap_or(usize::MAX);
        let viewers = match face.stages.viewers((share, info.id)) {
            Some(of_stage) => viewers.saturating_sub(1) + of_stage,
            None => viewers,
        };
        grant(&info, viewers)
    });
    let grants: Vec<Grant> = grants.collect();
    Share {
        share: share.to_string(),
        title: governed.title,
        ops: governed.cursor,
        created_at: governed.created_at,
        frozen: governed.is_frozen,
        viewers: grants.iter().map(|grant| grant.viewers).sum(),
        last_access_at: grants.iter().filter_map(|grant| grant.last_access_at).max(),
        grants,
    }
}

fn grant(info: &GrantInfo, viewers: usize) -> Grant {
    let usage = &info.usage;
    let rights = [
        (Right::Read, "read"),
        (Right::Append, "append"),
        (Right::Admin, "admin"),
    ];
    let rights = rights
        .into_iter()
        .filter(|(right, _)| info.rights.has(*right));
    Grant {
        id: info.id.to_string(),
        label: info.label.clone(),
        rights: rights.map(|(_, name)| name).collect(),
        published: info.published,
        owner: info.parent.is_none(),
        created_at: info.created_at,
        expires_at: info.expires_at,
        revoked_at: info.revoked_at,
        viewers,
        last_access_at: usage.last_redeemed_at.max(usage.last_read_at),
    }
}
