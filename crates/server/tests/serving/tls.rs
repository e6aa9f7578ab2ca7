//! Connections whose TLS does not come about, and what clients are told of it.

use std::sync::Arc;
use std::time::Duration;

use share_server::store::Store;
use share_server::{
    Doors, PipeConnector, Reach, RunningServer, Server, ServerOptions, TlsMode, pipes,
};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use super::client::Client;
use super::world::{data_in, factory_ref, open, options, simulated};

/// A server whose pipes come from the network; connects to its RPC.
async fn serve(
    folder: &TempDir,
    change: impl FnOnce(&mut ServerOptions),
) -> (PipeConnector, RunningServer) {
    let (connector, _, server) = serve_both(folder, change).await;
    (connector, server)
}

/// As [`serve`]; connects to its HTTP as well.
async fn serve_both(
    folder: &TempDir,
    change: impl FnOnce(&mut ServerOptions),
) -> (PipeConnector, PipeConnector, RunningServer) {
    let data = data_in(folder);
    let mut options = options(&data);
    change(&mut options);
    let store: Arc<dyn Store> = Arc::new(open(&data, &options.store));
    let (connector, listener) = pipes(64 << 10);
    let (http, http_listener) = pipes(64 << 10);
    let doors = Doors::from(listener.reached_from(Reach::Network))
        .with_http(http_listener.reached_from(Reach::Network));
    let server = Server::start_local(store, options, doors).await.unwrap();
    (connector, http, server)
}

#[test]
fn who_does_not_bring_the_handshake_to_its_end_is_closed_after_the_deadline() {
    simulated(async || {
        let folder = tempfile::tempdir().unwrap();
        let (connector, http, server) = serve_both(&folder, |_| {}).await;
        for connector in [connector, http] {
            // Nothing; half of what tells; the beginning of a ClientHello of 512 bytes.
            for sent in [&[][..], &[22], &[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3]] {
                let mut stream = connector.connect().await.unwrap();
                let begun = Instant::now();
                stream.write_all(sent).await.unwrap();
                let mut told = Vec::new();
                stream.read_to_end(&mut told).await.unwrap();
                assert_eq!((begun.elapsed(), told), (Duration::from_secs(10), vec![]));
            }
        }
        server.drain().await.unwrap();
    });
}

#[test]
fn a_drain_waits_for_no_handshake() {
    simulated(async || {
        let folder = tempfile::tempdir().unwrap();
        let (connector, http, server) = serve_both(&folder, |_| {}).await;
        let mut stream = connector.connect().await.unwrap();
        stream.write_all(&[22, 3, 1]).await.unwrap();
        let mut of_http = http.connect().await.unwrap();
        of_http.write_all(&[22, 3, 1]).await.unwrap();
        tokio::task::yield_now().await;
        let begun = Instant::now();
        server.drain().await.unwrap();
        assert_eq!(begun.elapsed(), Duration::ZERO);
    });
}

#[test]
fn a_client_without_tls_is_told_that_the_server_wants_it() {
    simulated(async || {
        let folder = tempfile::tempdir().unwrap();
        let (connector, server) = serve(&folder, |_| {}).await;
        let stream = connector.connect().await.unwrap();
        let client = Client::new(stream, factory_ref(&data_in(&folder)));
        let error = client
            .create(&super::client::creation(1))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("this server speaks TLS here"), "{error}");
        server.drain().await.unwrap();
    });
}

#[test]
fn who_asks_for_http_without_tls_is_told_so_by_http_and_nothing_is_made() {
    simulated(async || {
        let folder = tempfile::tempdir().unwrap();
        let (_, http, server) = serve_both(&folder, |_| {}).await;
        assert_eq!(server.http_urls(), ["https://pipe:1"]);
        let body = serde_json::json!({"sessionID": "ses_1"});
        let to = (http::Method::POST, "/api/share");
        let stream = http.connect().await.unwrap();
        let (status, said) = super::http::ask(stream, to, &[], Some(&body)).await;
        assert_eq!(status, 400);
        assert_eq!(
            said["error"],
            "this server speaks TLS here: ask by https://"
        );
        server.drain().await.unwrap();
    });
}

#[test]
fn a_server_that_was_told_to_do_without_tls_makes_no_certificate_and_says_so_in_its_refs() {
    simulated(async || {
        let folder = tempfile::tempdir().unwrap();
        let data = data_in(&folder);
        let (connector, server) = serve(&folder, |options| options.tls.mode = TlsMode::Never).await;
        assert_eq!(factory_ref(&data).security, share_model::Security::Plain);
        assert!(!data.join("tls.cert.pem").exists());
        let client = Client::new(connector.connect().await.unwrap(), factory_ref(&data));
        client.owner_ref(1).await;
        server.drain().await.unwrap();
    });
}
