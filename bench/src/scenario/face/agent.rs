//! An agent that speaks HTTP as opencode does: one connection, one sync in flight.

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::error::BenchError;
use crate::report::Samples;

/// An agent session that is shared.
pub(super) struct Agent {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    share: Created,
    session: String,
    text_bytes: usize,
}

/// What the face hands out.
#[derive(Debug, Deserialize)]
struct Created {
    id: String,
    secret: String,
}

impl Agent {
    /// Shares a new session at `address`, `HOST:PORT`.
    pub(super) async fn share(
        address: &str,
        number: usize,
        text_bytes: usize,
    ) -> Result<Self, BenchError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.map_err(broken)?;
        tokio::task::spawn_local(async move {
            // The error of a connection shows in the requests that it breaks.
            let _ = connection.await;
        });
        let session = format!("ses_{number:026}");
        let asked = json!({ "sessionID": session });
        let answer = ask(&mut sender, (Method::POST, "/api/share", address), &asked).await?;
        let share = serde_json::from_slice(&answer);
        let share = share.map_err(|error| BenchError::Unexpected(error.to_string()))?;
        Ok(Self {
            sender,
            host: address.to_owned(),
            share,
            session,
            text_bytes,
        })
    }

    /// Syncs until `end`, each after the answer to the one before; what is sent before `begin` does
    /// not count.
    pub(super) async fn run(mut self, begin: Instant, end: Instant) -> Result<Samples, BenchError> {
        let path = format!("/api/share/{}/sync", self.share.id);
        let host = self.host.clone();
        let mut samples = Samples::default();
        for number in 0_u64.. {
            let before = Instant::now();
            if before >= end {
                break;
            }
            let sync = json!({ "secret": self.share.secret, "data": [self.part(number)] });
            let asked = Instant::now();
            ask(&mut self.sender, (Method::POST, &path, &host), &sync).await?;
            if before >= begin {
                samples.add(asked.elapsed(), 1);
            }
        }
        samples.end(begin.elapsed());
        Ok(samples)
    }

    /// A part that is as long as the one before, and says something else.
    fn part(&self, number: u64) -> Value {
        let text = format!("{number:020}").repeat(self.text_bytes / 20);
        json!({ "type": "part", "data": {
            "id": "prt_1", "messageID": "msg_1", "sessionID": self.session, "type": "text", "text": text,
        }})
    }
}

/// Makes a request and gives the body of its answer, which is a good one.
async fn ask(
    sender: &mut SendRequest<Full<Bytes>>,
    (method, path, host): (Method, &str, &str),
    body: &Value,
) -> Result<Bytes, BenchError> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", host)
        .header("content-type", "application/json")
        .body(Full::from(body.to_string()))
        .map_err(|error| BenchError::Unexpected(error.to_string()))?;
    let answer = sender.send_request(request).await.map_err(broken)?;
    let status = answer.status();
    let body = answer.into_body().collect().await.map_err(broken)?;
    let body = body.to_bytes();
    if !status.is_success() {
        let words = String::from_utf8_lossy(&body);
        return Err(BenchError::Unexpected(format!("{status}: {words}")));
    }
    Ok(body)
}

fn broken(error: hyper::Error) -> BenchError {
    BenchError::Unexpected(format!("the HTTP connection broke: {error}"))
}
