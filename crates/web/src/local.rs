//! The local endpoint: what a plugin inside the agent tells a bridge on the same machine, beside the
//! routes that unmodified opencode knows.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::rejection::PathRejection;
use axum::extract::{Extension, Path, Request, State};
use axum::response::Response;
use axum::routing::post;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Uri};
use serde::Serialize;
use serde_json::Value;
use share_model::{Secret, Slug};

use crate::answer::{Refusal, json};
use crate::backend::BackendError;
use crate::face::{Inner, Peer};
use crate::request::{Events, Nothing, read};
use crate::routes;

/// How long `drained` waits if it is not told.
const DEADLINE: Duration = Duration::from_secs(5);

/// Keeps what a plugin tells of an agent session. What it answers is durable before it answers.
///
/// Dropping the future of a call leaves open whether the call took effect.
#[async_trait]
pub trait Local: Debug + Send + Sync + 'static {
    /// Brings the share to say what the events say, in order. What was taken already is not taken
    /// again.
    ///
    /// # Errors
    ///
    /// If the plugin does not prove itself, the session has no such share, or it can't be stored.
    async fn events(&self, of: PluginCall, events: Vec<LocalEvent>) -> Result<Taken, BackendError>;

    /// Waits until all that was told of the session is durable and, if `is_acked`, until its server
    /// has answered for it; for so long at most.
    ///
    /// # Errors
    ///
    /// As [`Local::events`].
    async fn drained(
        &self,
        of: PluginCall,
        is_acked: bool,
        deadline: Duration,
    ) -> Result<Drained, BackendError>;
}

/// Who calls, and of which share.
#[derive(Debug, Clone)]
pub struct PluginCall {
    /// What the request brings as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// The agent session.
    pub session: String,
    /// The share that the agent has of it: it may have had others.
    pub share: Slug,
}

/// An event of the agent.
#[derive(Debug, Clone, PartialEq)]
pub struct LocalEvent {
    /// `INSTANCE/SEQ`: the plugin's instance, a UUID, and its own count.
    pub id: String,
    /// What opencode calls `type`.
    pub kind: String,
    /// What opencode calls `properties`.
    pub properties: Value,
}

/// What came of events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Taken {
    /// Parts of which the whole is wanted: a delta did not fit what is known of them.
    pub wanted: Vec<WantedPart>,
    /// Events that have no place in a share. They were left out, the others taken.
    pub refused: Vec<RefusedEvent>,
}

/// A part that is wanted whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct WantedPart {
    /// The id of its message.
    #[serde(rename = "messageID")]
    pub message: String,
    /// Its id.
    #[serde(rename = "partID")]
    pub part: String,
}

/// An event that has no place in a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RefusedEvent {
    /// Which of the request's events, from 0.
    pub index: usize,
    /// Why.
    pub error: String,
}

/// How far a share is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Drained {
    /// Whether all is there that was to be waited for.
    pub drained: bool,
    /// Ops that the share's server has not answered for.
    pub pending: u64,
}

/// What stands in the query of a call.
struct Asked {
    share: Slug,
    is_acked: bool,
    deadline: Duration,
}

type Face = State<Arc<Inner>>;
type Session = Result<Path<String>, PathRejection>;

/// The routes, for a face that has a local endpoint.
pub(crate) fn router() -> Router<Arc<Inner>> {
    Router::new()
        .route("/local/sessions/{session}/events", post(events))
        .route("/local/sessions/{session}/drained", post(drained))
}

async fn events(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    session: Session,
    request: Request,
) -> Result<Response, Refusal> {
    let (token, asked) = (token(request.headers()), asked(request.uri()));
    let (body, _room) = read::<Events>(&face, peer, request).await?;
    let of = call(token, session, asked?.share)?;
    Ok(json(&local(&face)?.events(of, body.events()).await?))
}

async fn drained(
    State(face): Face,
    Extension(peer): Extension<Peer>,
    session: Session,
    request: Request,
) -> Result<Response, Refusal> {
    let (token, asked) = (token(request.headers()), asked(request.uri()));
    // Its room is of no use while it waits.
    drop(read::<Nothing>(&face, peer, request).await?);
    let Asked {
        share,
        is_acked,
        deadline,
    } = asked?;
    let of = call(token, session, share)?;
    let drained = local(&face)?.drained(of, is_acked, deadline).await?;
    Ok(json(&drained))
}

fn local(face: &Inner) -> Result<&dyn Local, Refusal> {
    // Without one there are no routes to it.
    face.local.as_deref().ok_or_else(Refusal::not_found)
}

fn call(token: Option<Secret>, session: Session, share: Slug) -> Result<PluginCall, Refusal> {
    let Path(session) = session.map_err(|_| Refusal::not_found())?;
    Ok(PluginCall {
        token,
        session,
        share,
    })
}

/// Reads a query. Names that mean nothing here are passed over, and of several the last one counts.
fn asked(uri: &Uri) -> Result<Asked, Refusal> {
    let (mut share, mut is_acked, mut deadline) = (None, false, DEADLINE);
    let query = uri.query().unwrap_or_default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "share" => share = Some(Slug::from_text(&value).ok_or_else(Refusal::not_found)?),
            "acked" => is_acked = value.parse().map_err(|_| wrong_query())?,
            "deadline_ms" => {
                deadline = Duration::from_millis(value.parse().map_err(|_| wrong_query())?);
            }
            _ => {}
        }
    }
    Ok(Asked {
        share: share.ok_or_else(wrong_query)?,
        is_acked,
        deadline,
    })
}

fn token(headers: &HeaderMap) -> Option<Secret> {
    let value = routes::only(headers, &AUTHORIZATION)?;
    Secret::from_text(routes::bearer(value)?)
}

fn wrong_query() -> Refusal {
    Refusal::invalid(
        "the query is not what is expected",
        "`share=ID`, and for `drained` also `acked=BOOL` and `deadline_ms=NUMBER`",
    )
}
