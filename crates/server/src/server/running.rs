//! A server that runs, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use share_model::Security;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::doorway::Open;
use super::error::ServerError;
use super::place::Place;
use super::security::{Protecting, Reloaded};
use crate::hub::Hub;
use crate::journal::JournaledStore;
use crate::seams::Seams;

/// A server that runs. End it with [`RunningServer::drain`]; if it is dropped, it ends by itself, but
/// nobody knows when.
#[derive(Debug)]
pub struct RunningServer {
    pub(super) addresses: Vec<String>,
    pub(super) protecting: Protecting,
    pub(super) seams: Seams,
    pub(super) store: Arc<JournaledStore>,
    pub(super) hub: Hub,
    pub(super) drain_doors: watch::Sender<bool>,
    pub(super) drain_hub: watch::Sender<bool>,
    /// Under which URL people reach the HTTP face.
    pub(super) http_url: Option<String>,
    pub(super) http_urls: Vec<String>,
    pub(super) open: Open,
    pub(super) hub_place: Place,
    pub(super) deadline: Duration,
}

impl RunningServer {
    /// `HOST:PORT`, or `unix:/PATH`, on which it listens; the first of several.
    pub fn address(&self) -> &str {
        self.addresses.first().map_or("", String::as_str)
    }

    /// Each address on which it listens.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Where it listens for HTTP: `https?://HOST:PORT`, or `unix:/PATH`.
    pub fn http_urls(&self) -> &[String] {
        &self.http_urls
    }

    /// Under which URL people reach the HTTP face; `None`: there is none.
    pub fn http_url(&self) -> Option<&str> {
        self.http_url.as_deref()
    }

    /// How the refs that it hands out say that a connection is protected.
    pub fn security(&self) -> Security {
        self.protecting.advertised()
    }

    /// Reads the certificate anew where it is from files, for connections to come; live ones stay.
    ///
    /// # Errors
    ///
    /// If the files can't be served. The certificate from before serves on.
    pub fn reload_certificate(&self) -> Result<Reloaded, ServerError> {
        self.protecting.reload(&self.seams)
    }

    /// Waits until the server can't go on, which is when its store has stopped, and says why. Drain
    /// it then. Cancel safe.
    pub async fn failed(&self) -> ServerError {
        ServerError::from(self.hub.stopped().await)
    }

    /// Ends the server in order: accepts no more, tells subscribers, lets calls in flight finish,
    /// stores checkpoints, closes the store.
    ///
    /// # Errors
    ///
    /// If a part did not end in time, or not as it should. Whatever was acked is on disk all the
    /// same.
    pub async fn drain(self) -> Result<(), ServerError> {
        let Self {
            addresses,
            protecting: _,
            seams: _,
            store,
            hub,
            drain_doors,
            drain_hub,
            http_url: _,
            http_urls: _,
            open,
            hub_place,
            deadline,
        } = self;
        info!(?addresses, "server drains");
        // The hub goes last: calls in flight still need it.
        drain_doors.send_replace(true);
        let mut result = Ok(());
        for accepting in open.accepting {
            result = result.and(end_accepting(accepting, deadline).await);
        }
        for place in open.places {
            result = result.and(place.join(deadline).await);
        }
        drain_hub.send_replace(true);
        drop(hub);
        result = result.and(hub_place.join(deadline).await);
        if let Err(error) = store.mark().await {
            // What was acked is durable all the same; only a folder that is put back is noticed
            // less surely.
            warn!(%error, "the journal does not know how far the store has come");
        }
        drop(store);
        info!(?addresses, "server ended");
        result
    }
}

async fn end_accepting(accepting: JoinHandle<()>, deadline: Duration) -> Result<(), ServerError> {
    let name = "the acceptor".to_owned();
    match tokio::time::timeout(deadline, accepting).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(ServerError::Panicked { name }),
        Err(_) => Err(ServerError::Stuck {
            name,
            ms: deadline.as_millis(),
        }),
    }
}
