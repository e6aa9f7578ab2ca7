//! What every request passes, and what every answer says: a browser is on the side of whatever page it
//! shows, so the face tells it by headers what not to do, and takes no request that a page made.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL,
    CONTENT_SECURITY_POLICY, HOST, HeaderName, ORIGIN, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use crate::answer::Refusal;
use crate::face::Inner;

const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const ROBOTS: HeaderName = HeaderName::from_static("x-robots-tag");

/// Nothing is loaded, run, framed or sent by what is no page.
const CONTENT_POLICY: &str =
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A page loads and asks what is ours alone: it runs no script and has no style but from files of
/// ours, and nothing that it shows comes from elsewhere.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer says.
const HEADERS: [(HeaderName, &str); 7] = [
    (ROBOTS, "noindex, nofollow"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    (CONTENT_SECURITY_POLICY, CONTENT_POLICY),
    (CACHE_CONTROL, "private, no-store"),
    (RESOURCE_POLICY, "same-origin"),
    (X_FRAME_OPTIONS, "DENY"),
];

/// Lets a request on to its route, or refuses it.
pub(crate) async fn gate(State(face): State<Arc<Inner>>, request: Request, next: Next) -> Response {
    let refusal = match check_host(&face, request.uri(), request.headers()) {
        Ok(()) => made_by_a_page(&face, &request),
        Err(refusal) => Some(refusal),
    };
    let mut response = match refusal {
        Some(refusal) => refusal.unread().into_response(),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        let value = HeaderValue::from_static(value);
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Lets pages elsewhere read what the route gives.
pub(crate) async fn readable_anywhere(request: Request, next: Next) -> Response {
    let is_read = matches!(
        *request.method(),
        Method::GET | Method::HEAD | Method::OPTIONS
    );
    let mut response = next.run(request).await;
    if is_read {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        let methods = HeaderValue::from_static("GET, HEAD, OPTIONS");
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
        headers.insert(RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    }
    response
}

fn check_host(face: &Inner, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        let hint = "send one header `Host`, with the name by which the server is reached";
        return Err(Refusal::invalid("the request has not one `Host`", hint));
    };
    let is_ours = |host: &str| face.options.hosts.has(host);
    let is_host_ours = host.to_str().is_ok_and(is_ours);
    let is_target_ours = uri.authority().is_none_or(|host| is_ours(host.as_str()));
    match is_host_ours && is_target_ours {
        true => Ok(()),
        false => Err(Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the `Host` of the request is none of this server's names",
            "ask by the server's own address, or let it be started with its public URL",
        )),
    }
}

/// What pages of ours may post: it names in its body what proves that it may.
const POSTED_BY_PAGES: [&str; 3] = ["/private/open", "/owner/share", "/owner/revoke"];

/// Why a request that may change something is refused; `None`: no page made it, or one of ours that
/// may. Browsers send an `Origin` with it, also to the page's own; agents and tools do not.
fn made_by_a_page(face: &Inner, request: &Request) -> Option<Refusal> {
    let (method, headers) = (request.method(), request.headers());
    let is_read = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    if is_read || !headers.contains_key(ORIGIN) {
        return None;
    }
    let is_taken = *method == Method::POST && POSTED_BY_PAGES.contains(&request.uri().path());
    (!is_taken || !is_same_origin(face, headers)).then(|| {
        Refusal::new(
            StatusCode::FORBIDDEN,
            "pages may only read here",
            "leave the header `Origin` out, unless a browser set it",
        )
    })
}

/// Whether the page that made the request is one of the very host that it asks.
fn is_same_origin(face: &Inner, headers: &HeaderMap) -> bool {
    let only = |name: HeaderName| {
        let mut all = headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    };
    let is_said = match headers.contains_key(FETCH_SITE) {
        true => only(FETCH_SITE) == Some("same-origin"),
        // Of a browser that does not say.
        false => true,
    };
    let (Some(origin), Some(host)) = (only(ORIGIN), only(HOST)) else {
        return false;
    };
    is_said && face.options.hosts.is_origin_of(origin, host)
}
