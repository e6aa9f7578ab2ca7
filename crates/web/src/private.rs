//! The routes of a private share's page. Its ref stands in the fragment of the page's address, which
//! no request carries; the page's script sends it here once, and reads on with a viewing token.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, Request, State};
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, StatusCode};
use serde::Serialize;

use crate::answer::{Refusal, of_type};
use crate::backend::{Asker, BackendError};
use crate::face::{Inner, Line, Peer};
use crate::live::seen_by;
use crate::reader::{Opened, Proof, Readable, Reader};
use crate::request::{ByRef, read};
use crate::routes::asker;
use crate::showing::{self, From, Place};
use crate::tokens::InUse;
use crate::view::Stretch;

type Face = State<Arc<Inner>>;

/// What `open` answers with.
#[derive(Serialize)]
struct Page<'a> {
    token: &'a str,
    html: &'a str,
}

/// `GET /private`.
pub(crate) async fn frame(State(face): Face) -> Response {
    let words = "This page needs its script, which sends the secret after the `#` to this server.";
    showing::frame(&face, "private", "private.js", words)
}

/// `POST /private/open`.
pub(crate) async fn open(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let (body, _room) = read::<ByRef>(&face, peer, request).await?;
    let proof = body.proof()?;
    let share = find(&face, &asker, proof).await?;
    let place = Place {
        live: "/private/live".to_owned(),
        replay: "/private/replay".to_owned(),
        data: None,
        stretch: Stretch::Newest,
    };
    let html = showing::page(&face, &share, &place).await?;
    let mut room = face.budget.room(peer.source());
    room.grow(html.len())?;
    let token = face.tokens.mint(proof).ok_or_else(|| {
        let reason = "there are as many viewing tokens as may be".to_owned();
        BackendError::Overloaded { reason }
    })?;
    let page = Page {
        token: &token,
        html: &html,
    };
    let text = serde_json::to_vec(&page).map_err(|_| BackendError::Unknown {
        reason: "the page can't be written".to_owned(),
    })?;
    room.grow(text.len().saturating_sub(html.len()))?;
    Ok(of_type("application/json", room.keep(text)))
}

/// `GET /private/live`.
pub(crate) async fn live(
    State(face): Face,
    (Extension(peer), Extension(line)): (Extension<Peer>, Extension<Line>),
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (share, token) = by_token(&face, peer, &headers).await?;
    let seen = seen_by(&headers, query.as_deref());
    showing::live(&face, &share, seen, From { peer, line, token }).await
}

/// `GET /private/replay`.
pub(crate) async fn replay(
    State(face): Face,
    (Extension(peer), Extension(line)): (Extension<Peer>, Extension<Line>),
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (share, token) = by_token(&face, peer, &headers).await?;
    showing::replay(&face, &share, From { peer, line, token }).await
}

/// The share that the request's token opens, if the authority that it stands for does.
async fn by_token(
    face: &Inner,
    peer: Peer,
    headers: &HeaderMap,
) -> Result<(Arc<dyn Readable>, Option<InUse>), Refusal> {
    let opened = bearer(headers).and_then(|token| face.tokens.open(token));
    let (proof, in_use) = opened.ok_or_else(|| {
        Refusal::new(
            StatusCode::UNAUTHORIZED,
            "the viewing token is none, or has ended",
            "open the page again by its whole address",
        )
    })?;
    let asker = Asker {
        address: peer.address,
        token: None,
    };
    Ok((find(face, &asker, proof).await?, Some(in_use)))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn find(face: &Inner, asker: &Asker, proof: Proof) -> Result<Arc<dyn Readable>, Refusal> {
    let opened = face.backend.open(asker, &Reader::Granted(proof)).await;
    match opened.map_err(Refusal::of_reading)? {
        Opened::Here(share) => Ok(share),
        Opened::Elsewhere(_) => Err(BackendError::Unsupported {
            what: "a private page",
        }
        .into()),
    }
}
