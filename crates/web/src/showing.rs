//! A share that was opened, on its page, as it grows, and played again; who may open it is asked
//! before.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_SECURITY_POLICY, HeaderMap};
use http::{HeaderName, HeaderValue};
use share_model::LogPosition;

use crate::answer::{Refusal, of_type};
use crate::backend::BackendError;
use crate::face::{Inner, Line, Peer};
use crate::live::{Around, At, Held, Viewer};
use crate::reader::Readable;
use crate::tokens::InUse;
use crate::view::{Frame, Stretch, View, ViewLimits};
use crate::{gate, view};

/// What an event stream is.
const EVENTS_TYPE: &str = "text/event-stream";

/// What a replay is: lines of JSON.
const LINES_TYPE: &str = "application/x-ndjson";

/// Tells what stands between not to hold a stream back until it has enough of it.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// From where a request comes, and what its streams end with.
#[derive(Debug)]
pub(crate) struct From {
    pub(crate) peer: Peer,
    pub(crate) line: Line,
    /// What opened the stream, if that runs out.
    pub(crate) token: Option<InUse>,
}

impl From {
    /// From whoever has a public address.
    pub(crate) fn public(peer: Peer, line: Line) -> Self {
        Self {
            peer,
            line,
            token: None,
        }
    }
}

/// Where the streams of a page are, and all that the share says; and what it shows of that.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) live: String,
    pub(crate) replay: String,
    pub(crate) data: Option<String>,
    /// Which messages are shown.
    pub(crate) stretch: Stretch,
}

/// The page of a share, as text.
pub(crate) async fn page(
    face: &Inner,
    share: &Arc<dyn Readable>,
    place: &Place,
) -> Result<String, Refusal> {
    let head = face.assets.head("page.css", Some("page.js"));
    let write = |view: &View, at: At| {
        view.page(&Frame {
            kind: "session",
            head: &head,
            history: &at.history.to_string(),
            cursor: at.cursor.get(),
            live: Some(&place.live),
            replay: Some(&place.replay),
            data: place.data.as_deref(),
            first_at: at.first_at,
            last_at: at.last_at,
        })
    };
    if let Stretch::Newest = place.stretch {
        match face.stages.of(share, None).await {
            Ok(stage) => {
                if let Some(html) = stage.page(write) {
                    return Ok(html);
                }
            }
            // What can't be followed now can be read.
            Err(BackendError::Overloaded { .. }) => {}
            Err(error) => return Err(Refusal::of_reading(error)),
        }
    }
    let standing = share.standing().await.map_err(Refusal::of_reading)?;
    let at = At {
        history: standing.history,
        cursor: standing.cursor,
        first_at: standing.first_at,
        last_at: standing.last_at,
    };
    let view = View::of_page(&standing.document, ViewLimits::DEFAULT, &place.stretch);
    Ok(write(&view, at))
}

/// The share as it grows.
pub(crate) async fn live(
    face: &Inner,
    share: &Arc<dyn Readable>,
    seen: Option<LogPosition>,
    from: From,
) -> Result<Response, Refusal> {
    let source = from.peer.source();
    let seat = face.viewers.take(source).ok_or_else(|| full("viewers"))?;
    let stage = face.stages.of(share, seen).await;
    let stage = stage.map_err(Refusal::of_reading)?;
    let limits = &face.options.limits;
    let around = Around {
        clock: Arc::clone(&face.options.clock),
        limits: limits.live,
        budget: face.budget.clone(),
        source,
        // By then who takes nothing of an answer has given its room back.
        room_wait: limits.write_stall * 2,
        drain: from.line.drain,
        _held: Held::new(seat, &from.line.hangup, from.token),
    };
    let viewer = Viewer::join(stage, seen, around);
    let viewer = viewer.ok_or_else(|| full("viewers of this share"))?;
    Ok(streamed(EVENTS_TYPE, viewer.into_body()))
}

/// The share's log from its start.
pub(crate) async fn replay(
    face: &Inner,
    share: &Arc<dyn Readable>,
    from: From,
) -> Result<Response, Refusal> {
    let seat = face.replays.seats.take(from.peer.source());
    let seat = seat.ok_or_else(|| full("replays"))?;
    let replayed = share.replay().await.map_err(Refusal::of_reading)?;
    let held = Held::new(seat, &from.line.hangup, from.token);
    let body = face.replays.body(replayed, held, from.line.drain);
    Ok(streamed(LINES_TYPE, body))
}

/// A page of ours.
pub(crate) fn html(body: impl Into<Body>) -> Response {
    as_page(of_type(view::TYPE, body))
}

/// A page that its script fills, with words for who runs none.
pub(crate) fn frame(
    face: &Inner,
    kind: &'static str,
    script: &str,
    words: &'static str,
) -> Response {
    let head = face.assets.head("page.css", Some(script));
    html(format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"robots\" content=\"noindex, nofollow\">\n<title>Shared sessions</title>\n\
         {head}</head>\n<body data-kind=\"{kind}\">\n<noscript><p>{words}</p></noscript>\n\
         </body>\n</html>\n"
    ))
}

/// The page that tells of a refusal.
pub(crate) fn notice(face: &Inner, refusal: &Refusal) -> Response {
    let head = face.assets.head("page.css", None);
    let words = [refusal.error(), refusal.hint()];
    let page = view::notice(&head, "No such page", words);
    as_page(refusal.respond_as(view::TYPE, page))
}

/// An answer that is a page of ours: it may load what is ours.
fn as_page(mut response: Response) -> Response {
    let policy = HeaderValue::from_static(gate::PAGE_POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

fn streamed(content_type: &'static str, body: Body) -> Response {
    let mut response = of_type(content_type, body);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    response
}

fn full(what: &str) -> Refusal {
    let reason = format!("there are as many {what} as may be");
    BackendError::Overloaded { reason }.into()
}
