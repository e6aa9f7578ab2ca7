//! Plays opencode's requests to an HTTP face, as recordings hold them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use share_model::seam::{Clock, SystemClock};
use share_opencode::Item;
use tokio::net::TcpStream;

/// Between two tries of a request that had no answer.
const PAUSE: Duration = Duration::from_millis(20);

/// Sends requests to a face, each on a connection of its own: what is killed takes one request along
/// at most.
#[derive(Debug, Clone, Copy)]
pub struct OpencodePlayer {
    face: SocketAddr,
    /// How long a request that has no answer is sent again; `None`: it is sent once, as opencode
    /// does.
    patience: Option<Duration>,
}

/// A share as opencode remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlayedShare {
    /// The id in its paths.
    pub id: String,
    /// What writes and deletes it.
    pub secret: String,
    /// Its page.
    pub url: String,
}

/// An answer, whole.
#[derive(Debug, Clone)]
pub struct Played {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Played {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }
}

impl OpencodePlayer {
    /// Sends each request once, as opencode does.
    #[must_use]
    pub fn new(face: SocketAddr) -> Self {
        Self {
            face,
            patience: None,
        }
    }

    /// Sends a request again until it has an answer other than 503, for so long: what an agent would
    /// do that loses nothing.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        let patience = Some(patience);
        Self { patience, ..self }
    }

    /// Shares an agent session.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    ///
    /// # Panics
    ///
    /// If the answer is not one that opencode takes.
    pub async fn create(&self, session: &str) -> io::Result<PlayedShare> {
        let body = json!({"sessionID": session});
        let played = self.send(Method::POST, "/api/share", &body).await?;
        assert!(played.status.is_success(), "create: {played:?}");
        let answer = played.json();
        let text = |name: &str| answer[name].as_str().expect("a string").to_owned();
        Ok(PlayedShare {
            id: text("id"),
            secret: text("secret"),
            url: text("url"),
        })
    }

    /// Sends items.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn sync(&self, share: &PlayedShare, items: &[Item]) -> io::Result<Played> {
        let data = items
            .iter()
            .map(|item| json!({"type": item.kind, "data": item.data}));
        let body = json!({"secret": share.secret, "data": data.collect::<Vec<_>>()});
        let path = format!("/api/share/{}/sync", share.id);
        self.send(Method::POST, &path, &body).await
    }

    /// Unshares.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn delete(&self, share: &PlayedShare) -> io::Result<Played> {
        let body = json!({"secret": share.secret});
        let path = format!("/api/share/{}", share.id);
        self.send(Method::DELETE, &path, &body).await
    }

    /// Asks for everything that a share says.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub async fn data(&self, id: &str) -> io::Result<Played> {
        let path = format!("/api/share/{id}/data");
        self.send(Method::GET, &path, &Value::Null).await
    }

    /// Sends a request; no body if it is null.
    ///
    /// # Errors
    ///
    /// If there is no answer, in time.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> io::Result<Played> {
        let Some(patience) = self.patience else {
            return self.send_once(method, path, body).await;
        };
        let answered = async {
            loop {
                match self.send_once(method.clone(), path, body).await {
                    Ok(played) if played.status != StatusCode::SERVICE_UNAVAILABLE => {
                        return played;
                    }
                    Ok(_) | Err(_) => SystemClock.sleep(PAUSE).await,
                }
            }
        };
        let in_time = tokio::time::timeout(patience, answered).await;
        in_time.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))
    }

    async fn send_once(&self, method: Method, path: &str, body: &Value) -> io::Result<Played> {
        let stream = TcpStream::connect(self.face).await?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let bytes = match body {
            Value::Null => Bytes::new(),
            body => body.to_string().into(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, self.face.to_string())
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(bytes))
            .map_err(io::Error::other)?;
        let asking = async {
            let response = sender.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Played {
                status: head.status,
                headers: head.headers,
                body,
            })
        };
        tokio::pin!(asking);
        // Either side may end first; the connection's end is the answer's only if there is none.
        tokio::select! {
            biased;
            played = &mut asking => played.map_err(io::Error::other),
            ended = connection => {
                ended.map_err(io::Error::other)?;
                asking.await.map_err(io::Error::other)
            }
        }
    }
}
