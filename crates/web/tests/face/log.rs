//! What the face logs, and what not.

use std::io;
use std::sync::{Arc, Mutex};

use share_model::Secret;
use tracing::Level;

use crate::scene::{JSON, Scene, path, proof, sync};

/// Keeps what is logged.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn nothing_that_is_sent_reaches_the_log() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let scene = Scene::new().await;
    let (slug, secret) = scene.backend.share(&[]);
    let token = Secret::from_bytes([9; 32]).to_text();
    let bearer = format!("Bearer afef6c89cb748db6af8ac9cf6143a966.{token}");
    let canary = "CANARY";
    let item = format!(r#"[{{"type":"session","data":"{canary}"}}]"#);
    let headers = [
        JSON,
        ("X-Canary", canary),
        ("Authorization", bearer.as_str()),
    ];
    for (line, body) in [
        (
            format!("POST {}?{canary}", path(&slug, "/sync")),
            sync(&secret, &item),
        ),
        (
            format!("POST {}", path(&slug, "/sync")),
            sync(&secret, canary),
        ),
        (format!("GET {}", path(&slug, "/data")), String::new()),
        (format!("GET /share/{}", slug.to_text()), String::new()),
        (format!("GET /{canary}"), String::new()),
        (format!("DELETE {}", path(&slug, "")), proof(&secret)),
    ] {
        scene.ask(&line, &headers, body).await;
    }
    let mut client = scene.client().await;
    client
        .send(format!("{canary} {canary}\r\n{canary}\r\n\r\n"))
        .await;
    client.end().await;
    scene.drain.send(true).unwrap();
    scene.serving.await.unwrap();

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("HTTP connection ended"), "{logged}");
    for secret in [canary, &token, &slug.to_text(), &secret.to_text()] {
        assert!(!logged.contains(secret), "{logged}");
    }
}
