//! What asks over HTTP: an agent's share client, and whoever reads.

use std::collections::BTreeMap;

use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use share_model::{Epoch, GrantId, Limits, Secret, Security, ShareRef, Slug};
use share_opencode::Item;
use share_server::Io;

use super::super::client::Client;
use super::super::world::World;

/// Status and body of an answer; a body that is no JSON is a string.
pub(crate) type Answer = (u16, Value);

/// One request by a connection of its own.
pub(crate) async fn ask(
    stream: impl Io,
    (method, path): (Method, &str),
    headers: &[(&str, &str)],
    body: Option<&Value>,
) -> Answer {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let running = tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let body = match body {
        Some(body) => {
            request = request.header("content-type", "application/json");
            Full::new(Bytes::from(body.to_string()))
        }
        None => Full::default(),
    };
    let response = sender.send_request(request.body(body).unwrap()).await;
    let response = response.unwrap();
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    drop(sender);
    running.await.unwrap().unwrap();
    let text = || Value::String(String::from_utf8_lossy(&bytes).into_owned());
    let body = serde_json::from_slice(&bytes).unwrap_or_else(|_| text());
    (status, body)
}

/// A share as the agent was told of it.
#[derive(Debug, Clone)]
pub(crate) struct Shared {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) url: String,
}

impl Shared {
    pub(crate) fn slug(&self) -> Slug {
        Slug::from_text(&self.id).unwrap()
    }

    pub(crate) fn secret(&self) -> Secret {
        Secret::from_text(&self.secret).unwrap()
    }

    /// What opens the share by RPC: its secret is the owner's.
    pub(crate) async fn owner_ref(&self, client: &Client) -> ShareRef {
        let redeemed = client.redeem_slug(self.slug().expose()).1.await;
        let secret = self.secret();
        ShareRef {
            addresses: vec!["pipe:1".to_owned()],
            share: redeemed.unwrap().unwrap().share,
            grant: GrantId::derived(b"share-http-owner-1", &[&secret.hash().to_bytes()]),
            epoch: Epoch::new(1),
            security: Security::ByAddress,
            secret,
        }
    }

    pub(crate) fn from_answer((status, body): Answer) -> Self {
        assert_eq!(status, 200, "{body}");
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self {
            id: text("id"),
            secret: text("secret"),
            url: text("url"),
        }
    }
}

/// An item as it is sent.
pub(crate) fn item(kind: &str, data: Value) -> Value {
    json!({"type": kind, "data": data})
}

/// A part of message `m`, with some text.
pub(crate) fn text_part(id: &str, text: &str) -> Value {
    item(
        "part",
        json!({"id": id, "messageID": "m", "type": "text", "text": text}),
    )
}

/// A call of a tool.
pub(crate) fn tool_part(id: &str, status: &str) -> Value {
    let state = json!({"status": status});
    item(
        "part",
        json!({"id": id, "messageID": "m", "type": "tool", "state": state}),
    )
}

/// An item without rules of its own.
pub(crate) fn todo(id: &str, value: impl Into<Value>) -> Value {
    let value: Value = value.into();
    item("todo", json!({"id": id, "value": value}))
}

/// The body of a sync.
pub(crate) fn sync_body(secret: &str, items: &[Value]) -> Value {
    json!({"secret": secret, "data": items})
}

impl World {
    pub(crate) async fn ask(&self, to: (Method, &str), body: Option<&Value>) -> Answer {
        ask(self.http_stream().await, to, &[], body).await
    }

    /// Asks with a token.
    pub(crate) async fn ask_with(&self, token: &str, session: &str) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let body = json!({"sessionID": session});
        let to = (Method::POST, "/api/share");
        ask(self.http_stream().await, to, &headers, Some(&body)).await
    }

    pub(crate) async fn share_session(&self, session: &str) -> Shared {
        let body = json!({"sessionID": session});
        let answer = self.ask((Method::POST, "/api/share"), Some(&body)).await;
        Shared::from_answer(answer)
    }

    pub(crate) async fn sync(&self, share: &Shared, items: &[Value]) -> Answer {
        let path = format!("/api/share/{}/sync", share.id);
        let body = sync_body(&share.secret, items);
        self.ask((Method::POST, &path), Some(&body)).await
    }

    pub(crate) async fn synced(&self, share: &Shared, items: &[Value]) {
        let (status, body) = self.sync(share, items).await;
        assert_eq!(status, 200, "{body}");
    }

    pub(crate) async fn read(&self, id: &str) -> Answer {
        let path = format!("/api/share/{id}/data");
        self.ask((Method::GET, &path), None).await
    }

    pub(crate) async fn unshare(&self, share: &Shared) -> Answer {
        let path = format!("/api/share/{}", share.id);
        let body = json!({"secret": share.secret});
        self.ask((Method::DELETE, &path), Some(&body)).await
    }

    /// What the share says, by key.
    pub(crate) async fn entries(&self, share: &Shared) -> BTreeMap<String, Value> {
        let (status, items) = self.read(&share.id).await;
        assert_eq!(status, 200, "{items}");
        entries(&items)
    }
}

/// Items as `data` gives them, by key.
pub(crate) fn entries(items: &Value) -> BTreeMap<String, Value> {
    let items = items.as_array().unwrap().iter().cloned();
    let items = items.map(|mut item| Item {
        kind: item["type"].as_str().unwrap().to_owned(),
        data: item["data"].take(),
    });
    let entries = items.flat_map(|item| item.into_entries(&Limits::DEFAULT).unwrap());
    entries.collect()
}
