//! The routes of a share that is published: its page, and the streams that the page reads.

use std::sync::Arc;

use axum::extract::{Extension, RawQuery, State};
use axum::response::Response;
use http::HeaderMap;

use crate::answer::Refusal;
use crate::backend::Asker;
use crate::face::{Inner, Line, Peer};
use crate::live::seen_by;
use crate::reader::{Opened, Readable, Reader};
use crate::routes::{self, Id, asker, elsewhere};
use crate::showing::{self, From, Place};
use crate::view::Stretch;

type Face = State<Arc<Inner>>;

/// What is behind an address.
enum Found {
    Here(Arc<dyn Readable>),
    Elsewhere(Response),
}

/// `GET /share/{id}`.
pub(crate) async fn show(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    id: Id,
) -> Response {
    let stretch = Stretch::of_query(query.as_deref());
    let page = page_of(&face, (peer, stretch), &headers, id).await;
    page.unwrap_or_else(|refusal| showing::notice(&face, &refusal))
}

async fn page_of(
    face: &Inner,
    (peer, stretch): (Peer, Stretch),
    headers: &HeaderMap,
    id: Id,
) -> Result<Response, Refusal> {
    let slug = routes::slug(id)?;
    let id = slug.to_text();
    let place = Place {
        live: format!("/share/{id}/live"),
        replay: format!("/share/{id}/replay"),
        data: Some(format!("/api/share/{id}/data")),
        stretch,
    };
    match find(face, &asker(peer, headers), Reader::Public(slug), "").await? {
        Found::Here(share) => {
            let html = showing::page(face, &share, &place).await?;
            let mut room = face.budget.room(peer.source());
            room.grow(html.len())?;
            Ok(showing::html(room.keep(html)))
        }
        Found::Elsewhere(response) => Ok(response),
    }
}

/// `GET /share/{id}/live`.
pub(crate) async fn live(
    State(face): Face,
    (Extension(peer), Extension(line)): (Extension<Peer>, Extension<Line>),
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    id: Id,
) -> Result<Response, Refusal> {
    let reader = Reader::Public(routes::slug(id)?);
    match find(&face, &asker(peer, &headers), reader, "/live").await? {
        Found::Here(share) => {
            let seen = seen_by(&headers, query.as_deref());
            showing::live(&face, &share, seen, From::public(peer, line)).await
        }
        Found::Elsewhere(response) => Ok(response),
    }
}

/// `GET /share/{id}/replay`.
pub(crate) async fn replay(
    State(face): Face,
    (Extension(peer), Extension(line)): (Extension<Peer>, Extension<Line>),
    headers: HeaderMap,
    id: Id,
) -> Result<Response, Refusal> {
    let reader = Reader::Public(routes::slug(id)?);
    match find(&face, &asker(peer, &headers), reader, "/replay").await? {
        Found::Here(share) => showing::replay(&face, &share, From::public(peer, line)).await,
        Found::Elsewhere(response) => Ok(response),
    }
}

/// Opens a share; `below`: what is asked for, below its page.
async fn find(face: &Inner, asker: &Asker, reader: Reader, below: &str) -> Result<Found, Refusal> {
    let opened = face.backend.open(asker, &reader).await;
    Ok(match opened.map_err(Refusal::of_reading)? {
        Opened::Here(share) => Found::Here(share),
        Opened::Elsewhere(url) => {
            let url = format!("{}{below}", routes::page_of_data(&url));
            Found::Elsewhere(elsewhere(&url)?)
        }
    })
}
