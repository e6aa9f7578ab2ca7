//! A face over a backend in memory, on a port of its own.

use std::net::SocketAddr;
use std::sync::Arc;

use share_model::{Secret, Slug};
use share_web::{Face, FaceOptions, Hosts, WebLimits};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::client::{Answer, Client};
use crate::double::Memory;

pub(crate) const JSON: (&str, &str) = ("Content-Type", "application/json");

#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) address: SocketAddr,
    pub(crate) backend: Arc<Memory>,
    pub(crate) drain: watch::Sender<bool>,
    pub(crate) serving: JoinHandle<()>,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With other limits.
    pub(crate) async fn with(change: impl FnOnce(&mut WebLimits)) -> Self {
        Self::of(change, |backend, options| Face::new(backend as _, options)).await
    }

    /// With a local endpoint.
    pub(crate) async fn with_local() -> Self {
        Self::of(|_| {}, Face::with_local).await
    }

    async fn of(
        change: impl FnOnce(&mut WebLimits),
        face: impl FnOnce(Arc<Memory>, FaceOptions) -> Face,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = Hosts::new().listening(address);
        let mut options = FaceOptions::new(hosts.public("https://share.example").unwrap());
        change(&mut options.limits);
        let backend = Arc::new(Memory::default());
        let face = face(Arc::clone(&backend), options);
        let (drain, drained) = watch::channel(false);
        let serving = tokio::spawn(async move { face.serve_tcp(listener, drained).await });
        Self {
            address,
            backend,
            drain,
            serving,
        }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// A request as bytes; `headers` besides `Host` and, with a body, its length.
    pub(crate) fn request(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Vec<u8> {
        let body = body.as_ref();
        let mut text = format!("{line} HTTP/1.1\r\nHost: {}\r\n", self.address);
        for (name, value) in headers {
            text += &format!("{name}: {value}\r\n");
        }
        if !body.is_empty() {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        [text.as_bytes(), b"\r\n", body].concat()
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(
        &self,
        line: &str,
        headers: &[(&str, &str)],
        body: impl AsRef<[u8]>,
    ) -> Answer {
        self.ask_raw(self.request(line, headers, body)).await
    }

    pub(crate) async fn ask_raw(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.client().await;
        client.send(bytes).await;
        client.answer().await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[], "").await
    }

    pub(crate) async fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask(&format!("POST {path}"), &[JSON], body).await
    }

    pub(crate) async fn delete(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.ask(&format!("DELETE {path}"), &[JSON], body).await
    }

    /// The items that a share says.
    pub(crate) async fn data(&self, slug: &Slug) -> serde_json::Value {
        let answer = self.get(&path(slug, "/data")).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }
}

/// A path of the share, of the routes that change it.
pub(crate) fn path(slug: &Slug, rest: &str) -> String {
    format!("/api/share/{}{rest}", slug.to_text())
}

/// The body of a sync.
pub(crate) fn sync(secret: &Secret, data: &str) -> String {
    format!(r#"{{"secret":"{}","data":{data}}}"#, secret.to_text())
}

/// The body of a deletion.
pub(crate) fn proof(secret: &Secret) -> String {
    format!(r#"{{"secret":"{}"}}"#, secret.to_text())
}
