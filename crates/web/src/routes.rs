//! The routes, and what each asks of the backend.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, RawQuery, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, LOCATION};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;
use share_model::{ShareId, Slug};

use crate::answer::{self, Refusal, json, of_type};
use crate::backend::{Asker, BackendError, Data};
use crate::budget::Room;
use crate::face::{Inner, Peer};
use crate::items::Items;
use crate::request::{Create, Delete, Shape, Sync};
use crate::token::HttpToken;
use crate::view::Stretch;
use crate::{body, gate, page, request};

/// What client libraries send and are answered with.
const OPS_TYPE: &str = "application/vnd.share.ops";

const JSON_TYPE: &str = "application/json";

/// The description of the routes.
const OPENAPI: &str = include_str!("openapi.json");

type Face = State<Arc<Inner>>;
type Id = Result<Path<String>, PathRejection>;

/// All routes of the face.
pub(crate) fn router(face: Arc<Inner>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route("/api/openapi.json", get(openapi))
        .route("/api/doc", get(openapi))
        .route("/share/{id}", get(show));
    // The second is where an organisation's account asks.
    for base in ["/api/share", "/api/shares"] {
        let data_route = get(data)
            .options(answer::options)
            .fallback(answer::wrong_method)
            .layer(from_fn(gate::readable_anywhere));
        router = router
            .route(base, post(create))
            .route(&format!("{base}/{{id}}"), axum::routing::delete(delete))
            .route(&format!("{base}/{{id}}/sync"), post(sync))
            .route(&format!("{base}/{{id}}/ops"), post(ops))
            .route(&format!("{base}/{{id}}/data"), data_route);
    }
    router
        .method_not_allowed_fallback(answer::wrong_method)
        .fallback(answer::no_route)
        .layer(from_fn_with_state(Arc::clone(&face), gate::gate))
        .with_state(face)
}

/// What `create` answers with.
#[derive(Serialize)]
struct Created<'a> {
    id: &'a str,
    url: &'a str,
    secret: &'a str,
}

/// What is answered where there is nothing to say: `{}`.
#[derive(Serialize)]
struct Done {}

#[derive(Serialize)]
struct Health {
    status: &'static str,
}

async fn create(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let (body, _room) = read::<Create>(&face, peer, request).await?;
    let created = face.backend.create(&asker, &body.session()?).await?;
    Ok(json(&Created {
        id: &created.id.to_text(),
        url: &created.url,
        secret: &created.secret.to_text(),
    }))
}

async fn sync(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    id: Id,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    // Its room is kept until the backend is done with the items.
    let (body, _room) = read::<Sync>(&face, peer, request).await?;
    let slug = slug(id)?;
    let (secret, items) = body.parts()?;
    face.backend.sync(&asker, &slug, &secret, items).await?;
    Ok(json(&Done {}))
}

async fn delete(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    id: Id,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let (body, _room) = read::<Delete>(&face, peer, request).await?;
    let slug = slug(id)?;
    let secret = body.secret()?;
    face.backend.delete(&asker, &slug, &secret).await?;
    Ok(json(&Done {}))
}

async fn ops(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    id: Id,
    request: Request,
) -> Result<Response, Refusal> {
    let asker = asker(peer, request.headers());
    let held = body::read(&face, peer.source(), OPS_TYPE, request).await?;
    let share = share_id(id)?;
    let _room = held.room;
    let answer = face.backend.ops(&asker, share, held.bytes.into()).await?;
    Ok(of_type(OPS_TYPE, answer))
}

async fn data(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    id: Id,
) -> Result<Response, Refusal> {
    let asker = asker(peer, &headers);
    let data = face.backend.data(&asker, &slug(id)?).await;
    match data.map_err(Refusal::of_reading)? {
        Data::Document(document) => {
            let items = Items::of(document, &face, peer.source())?;
            Ok(of_type(JSON_TYPE, Body::new(items)))
        }
        Data::Elsewhere(url) => elsewhere(&url),
    }
}

async fn show(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    id: Id,
) -> Response {
    let stretch = Stretch::of_query(query.as_deref());
    let page = page_of(&face, asker(peer, &headers), (peer, stretch), id).await;
    page.unwrap_or_else(|refusal| refusal.respond_as(page::TYPE, page::of_refusal(&refusal)))
}

async fn page_of(
    face: &Inner,
    asker: Asker,
    (peer, stretch): (Peer, Stretch),
    id: Id,
) -> Result<Response, Refusal> {
    let slug = slug(id)?;
    let data = face.backend.data(&asker, &slug).await;
    match data.map_err(Refusal::of_reading)? {
        Data::Document(document) => {
            let html = page::transcript(&document, &slug, &stretch);
            let mut room = face.budget.room(peer.source());
            room.grow(html.len())?;
            Ok(of_type(page::TYPE, room.keep(html.into())))
        }
        Data::Elsewhere(url) => elsewhere(&page::url_of_data(&url)),
    }
}

async fn health(State(face): Face) -> Response {
    match face.backend.ready().await {
        Ok(()) => json(&Health { status: "ready" }),
        Err(reason) => Refusal::from(BackendError::Overloaded { reason }).into_response(),
    }
}

async fn openapi() -> Response {
    of_type(JSON_TYPE, OPENAPI)
}

fn elsewhere(url: &str) -> Result<Response, Refusal> {
    let Ok(url) = HeaderValue::from_str(url) else {
        let reason = "the share's URL is none".to_owned();
        return Err(BackendError::Unknown { reason }.into());
    };
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, url);
    Ok(response)
}

async fn read<T: Shape>(face: &Inner, peer: Peer, request: Request) -> Result<(T, Room), Refusal> {
    let held = body::read(face, peer.source(), JSON_TYPE, request).await?;
    request::parse(&face.options.limits, held).await
}

fn asker(peer: Peer, headers: &HeaderMap) -> Asker {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let token = match (values.next(), values.next()) {
        (Some(value), None) => bearer(value),
        _ => None,
    };
    Asker {
        address: peer.address,
        token,
    }
}

/// What is no token of ours counts as none.
fn bearer(value: &HeaderValue) -> Option<HttpToken> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| HttpToken::from_text(token.trim()))?
}

/// What is no slug is the address of no share.
fn slug(id: Id) -> Result<Slug, Refusal> {
    let text = id.map_err(|_| Refusal::not_found())?;
    Slug::from_text(&text).ok_or_else(Refusal::not_found)
}

fn share_id(id: Id) -> Result<ShareId, Refusal> {
    let text = id.map_err(|_| Refusal::not_found())?;
    let is_plain = text.len() == 32;
    let share = text.parse().ok().filter(|_| is_plain);
    share.ok_or_else(Refusal::not_found)
}
