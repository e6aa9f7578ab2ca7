//! What goes back: JSON, and errors as JSON with their status.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use share_opencode::ItemError;

use crate::backend::BackendError;

/// An error as the face tells it. Its words hold nothing of what was sent.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    error: String,
    hint: &'static str,
    /// The request's body was not read to its end, so that the connection is of no more use.
    is_unread: bool,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    error: &'a str,
    hint: &'a str,
}

impl Refusal {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>, hint: &'static str) -> Self {
        Self {
            status,
            error: error.into(),
            hint,
            is_unread: false,
        }
    }

    /// Of a request whose body was not read: the peer is told that the connection ends. It might send
    /// its next request there else, and never know what became of it.
    pub(crate) fn unread(mut self) -> Self {
        self.is_unread = true;
        self
    }

    pub(crate) fn invalid(error: impl Into<String>, hint: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error, hint)
    }

    /// There is no such share, the id is none, or the secret is not the right one.
    pub(crate) fn not_found() -> Self {
        BackendError::NotFound.into()
    }

    /// As [`Refusal::from`], for who reads by a share's public address: what is gone is not there.
    pub(crate) fn of_reading(error: BackendError) -> Self {
        let is_gone = matches!(error, BackendError::Gone { .. });
        let refusal = Self::from(error);
        match is_gone {
            true => Self {
                status: StatusCode::NOT_FOUND,
                ..refusal
            },
            false => refusal,
        }
    }

    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    pub(crate) fn hint(&self) -> &'static str {
        self.hint
    }

    /// The headers that the status wants.
    fn headers(&self, response: &mut Response) {
        let headers = response.headers_mut();
        if self.is_unread {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        match self.status {
            StatusCode::UNAUTHORIZED => {
                headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
    }

    /// This refusal in another shape.
    pub(crate) fn respond_as(&self, content_type: &'static str, body: String) -> Response {
        let mut response = of_type(content_type, body);
        *response.status_mut() = self.status;
        self.headers(&mut response);
        response
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = ErrorBody {
            error: &self.error,
            hint: self.hint,
        };
        let mut response = json(&body);
        *response.status_mut() = self.status;
        self.headers(&mut response);
        response
    }
}

impl From<BackendError> for Refusal {
    fn from(error: BackendError) -> Self {
        let (status, hint) = match &error {
            BackendError::NotFound => (
                StatusCode::NOT_FOUND,
                "check the share's id and secret; sharing the session again makes a new share",
            ),
            BackendError::Gone { .. } => (
                StatusCode::GONE,
                "share the session again to make a new share",
            ),
            BackendError::TokenNeeded { .. } => (
                StatusCode::UNAUTHORIZED,
                "send the token as `Authorization: Bearer TOKEN`",
            ),
            BackendError::PluginTokenNeeded => (
                StatusCode::UNAUTHORIZED,
                "send as `Authorization: Bearer TOKEN` what the bridge's file `plugin.token` holds",
            ),
            BackendError::Refused { .. } => (
                StatusCode::FORBIDDEN,
                "ask the owner of the share or of the server",
            ),
            BackendError::Item { .. } => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "nothing of the request was stored; mend the item or leave it out",
            ),
            BackendError::Invalid { .. } => (
                StatusCode::BAD_REQUEST,
                "nothing of the request was stored; `/api/openapi.json` says what is expected",
            ),
            BackendError::Overloaded { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "nothing was changed; send the same again later",
            ),
            BackendError::Unknown { .. } => (
                StatusCode::SERVICE_UNAVAILABLE,
                "it may have been done; send the same again, a repeat does no harm",
            ),
            BackendError::Unsupported { .. } => (
                StatusCode::NOT_IMPLEMENTED,
                "ask the server that keeps the share",
            ),
        };
        let words = match &error {
            BackendError::Item { index, source } => format!("item {index}: {}", rule(source)),
            other => other.to_string(),
        };
        Self::new(status, words, hint)
    }
}

/// What is wrong with an item, without what the item says.
fn rule(error: &ItemError) -> String {
    match error {
        ItemError::ValueTooLarge { bytes, max, .. } => {
            format!("valueTooLarge: the value has {bytes} bytes, limit is {max}")
        }
        ItemError::ReservedName { .. } => {
            "a member has a name that JSON readers keep for themselves".into()
        }
        ItemError::TooDeep { levels, max, .. } => {
            format!("tooDeep: the value has {levels} levels, limit is {max}")
        }
        ItemError::TypeEmpty
        | ItemError::Identity { .. }
        | ItemError::ModelNotAList
        | ItemError::KeyTooLong { .. } => error.to_string(),
    }
}

/// A 200 with `value` as JSON.
pub(crate) fn json(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(text) => of_type("application/json", text),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A 200 of that type.
pub(crate) fn of_type(content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut response = Response::new(body.into());
    let value = HeaderValue::from_static(content_type);
    response.headers_mut().insert(CONTENT_TYPE, value);
    response
}

/// No route leads there.
pub(crate) async fn no_route() -> Refusal {
    nothing_there()
}

/// There is nothing at the path.
pub(crate) fn nothing_there() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "there is nothing at this path",
        "`/api/openapi.json` lists the routes",
    )
}

/// A route leads there, by other methods: those that [`ALLOW`] then names.
pub(crate) async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "this path does not take that method",
        "the header `Allow` names the methods",
    )
}

/// The answer to who asks what is allowed.
pub(crate) async fn options() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let methods = HeaderValue::from_static("GET,HEAD,OPTIONS");
    response.headers_mut().insert(ALLOW, methods);
    response
}
