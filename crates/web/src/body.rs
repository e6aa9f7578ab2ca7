//! Reading a request's body within its bounds.

use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt as _;

use crate::answer::Refusal;
use crate::budget::{Full, Room};
use crate::face::Inner;
use crate::limits::WebLimits;
use crate::source::Source;

/// Room is taken in steps of at least so many bytes.
const STEP_BYTES: usize = 8 << 10;

/// A body that has come whole, with the room that it takes.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) bytes: Vec<u8>,
    pub(crate) room: Room,
}

impl From<Full> for Refusal {
    fn from(full: Full) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            full.to_string(),
            "nothing was changed; send the same again later",
        )
    }
}

/// Reads the body to its end, if it is of the type that is wanted; what came of one that does not come
/// whole is forgotten.
pub(crate) async fn read(
    face: &Inner,
    source: Option<Source>,
    wanted: &str,
    request: Request,
) -> Result<Held, Refusal> {
    let limits = &face.options.limits;
    let reading = async {
        check_type(request.headers(), wanted)?;
        let body = request.into_body();
        if body.size_hint().lower() > limits.body_bytes_max as u64 {
            return Err(too_large(limits));
        }
        collect(limits, face.budget.room(source), body).await
    };
    match tokio::time::timeout(limits.body_deadline, reading).await {
        Ok(held) => held.map_err(Refusal::unread),
        Err(_) => Err(too_slow().unread()),
    }
}

/// Whether the body is what its route takes, by the headers.
fn check_type(headers: &HeaderMap, wanted: &str) -> Result<(), Refusal> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(given), None) = (types.next(), types.next()) else {
        return Err(wrong_type(wanted));
    };
    let mut parts = given.to_str().unwrap_or_default().split(';').map(str::trim);
    let is_wanted = parts
        .next()
        .is_some_and(|name| name.eq_ignore_ascii_case(wanted));
    let is_utf8 = |parameter: &str| {
        parameter.eq_ignore_ascii_case("charset=utf-8")
            || parameter.eq_ignore_ascii_case("charset=\"utf-8\"")
    };
    match is_wanted && parts.all(is_utf8) && !headers.contains_key(CONTENT_ENCODING) {
        true => Ok(()),
        false => Err(wrong_type(wanted)),
    }
}

fn wrong_type(wanted: &str) -> Refusal {
    Refusal::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        format!("the body has to be `{wanted}`, as such and in UTF-8"),
        "set the header `Content-Type`, and no `Content-Encoding`",
    )
}

async fn collect(limits: &WebLimits, mut room: Room, mut body: Body) -> Result<Held, Refusal> {
    let mut bytes = Vec::new();
    loop {
        let frame = match tokio::time::timeout(limits.body_stall, body.frame()).await {
            Ok(None) => return Ok(Held { bytes, room }),
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(_))) => {
                let hint = "send as many bytes as the request announces";
                return Err(Refusal::invalid("the body did not come whole", hint));
            }
            Err(_) => return Err(too_slow()),
        };
        // Trailers say nothing here.
        let chunk = frame.into_data().unwrap_or_else(|_| Bytes::new());
        let length = bytes.len() + chunk.len();
        if length > limits.body_bytes_max {
            return Err(too_large(limits));
        }
        if length > bytes.capacity() {
            let wanted = length.max(bytes.capacity() * 2).max(STEP_BYTES);
            let capacity = wanted.min(limits.body_bytes_max);
            room.grow(capacity - bytes.capacity())?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
}

fn too_large(limits: &WebLimits) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!(
            "the body is too large, limit is {} bytes",
            limits.body_bytes_max
        ),
        "nothing was stored; send the items in several requests",
    )
}

fn too_slow() -> Refusal {
    Refusal::new(
        StatusCode::REQUEST_TIMEOUT,
        "the body did not come in time",
        "nothing was stored; send the same again",
    )
}
