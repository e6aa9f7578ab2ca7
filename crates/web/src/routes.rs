//! The routes, and what each asks of the backend.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{AUTHORIZATION, CACHE_CONTROL, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use share_model::{ShareId, Slug};

use crate::answer::{self, Refusal, json, of_type};
use crate::backend::{Asker, BackendError, Data};
use crate::face::{Inner, Peer};
use crate::items::Items;
use crate::request::{Create, Delete, Sync, read};
use crate::token::HttpToken;
use crate::{body, gate, local, owner, private, public};

/// What client libraries send and are answered with.
const OPS_TYPE: &str = "application/vnd.share.ops";

const JSON_TYPE: &str = "application/json";

/// The description of the routes.
const OPENAPI: &str = include_str!("openapi.json");

type Face = State<Arc<Inner>>;
pub(crate) type Id = Result<Path<String>, PathRejection>;

/// All routes of the face.
pub(crate) fn router(face: Arc<Inner>) -> Router {
    let mut router = Router::new()
        .route("/healthz", get(health))
        .route("/api/openapi.json", get(openapi))
        .route("/api/doc", get(openapi))
        .route("/", get(owner::frame))
        .route("/owner/share", post(owner::share))
        .route("/owner/revoke", post(owner::revoke))
        .route("/private", get(private::frame))
        .route("/private/open", post(private::open))
        .route("/private/live", get(private::live))
        .route("/private/replay", get(private::replay))
        .route("/assets/{hash}/{name}", get(asset))
        .route("/share/{id}", get(public::show))
        .route("/share/{id}/live", get(public::live))
        .route("/share/{id}/replay", get(public::replay));
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
    if face.local.is_some() {
        router = router.merge(local::router());
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

async fn asset(
    State(face): Face,
    path: Result<Path<(String, String)>, PathRejection>,
) -> Result<Response, Refusal> {
    let Path((hash, name)) = path.map_err(|_| answer::nothing_there())?;
    let asset = face.assets.at(&hash, &name);
    let asset = asset.ok_or_else(answer::nothing_there)?;
    let mut response = of_type(asset.content_type, asset.text);
    let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(CACHE_CONTROL, kept);
    Ok(response)
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

pub(crate) fn elsewhere(url: &str) -> Result<Response, Refusal> {
    let Ok(url) = HeaderValue::from_str(url) else {
        let reason = "the share's URL is none".to_owned();
        return Err(BackendError::Unknown { reason }.into());
    };
    let mut response = StatusCode::TEMPORARY_REDIRECT.into_response();
    response.headers_mut().insert(LOCATION, url);
    Ok(response)
}

pub(crate) fn asker(peer: Peer, headers: &HeaderMap) -> Asker {
    let value = only(headers, &AUTHORIZATION);
    Asker {
        address: peer.address,
        // What is no token of ours counts as none.
        token: value.and_then(bearer).and_then(HttpToken::from_text),
    }
}

/// The value of a header that stands there once.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => value,
        _ => None,
    }
}

/// What stands behind `Bearer`.
pub(crate) fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then(|| token.trim())
}

/// What is no slug is the address of no share.
pub(crate) fn slug(id: Id) -> Result<Slug, Refusal> {
    let text = id.map_err(|_| Refusal::not_found())?;
    Slug::from_text(&text).ok_or_else(Refusal::not_found)
}

fn share_id(id: Id) -> Result<ShareId, Refusal> {
    let text = id.map_err(|_| Refusal::not_found())?;
    let is_plain = text.len() == 32;
    let share = text.parse().ok().filter(|_| is_plain);
    share.ok_or_else(Refusal::not_found)
}

/// Where the page is of the share whose data is at `url`.
pub(crate) fn page_of_data(url: &str) -> String {
    let of_data = url.strip_suffix("/data").and_then(|rest| {
        let (front, id) = rest.rsplit_once('/')?;
        let origin = front
            .strip_suffix("/api/share")
            .or_else(|| front.strip_suffix("/api/shares"))?;
        Some(format!("{origin}/share/{id}"))
    });
    of_data.unwrap_or_else(|| url.to_owned())
}
