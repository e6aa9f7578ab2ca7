//! Opening a server's doors: who accepts, and who serves what was accepted.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::accept::{Accepted, Acceptor, unheard};
use super::connections::Connections;
use super::error::ServerError;
use super::http::HttpFace;
use super::listener::Listener;
use super::opening::{Opening, Speech};
use super::options::ServerLimits;
use super::place::{Part, Place, Placement};
use super::rpc::serve_connections;
use super::security::Protecting;
use crate::rpc::Door;

/// Connections that may wait for a thread that serves them.
const HANDOVER_MAX: usize = 64;

/// What doors are opened with.
pub(super) struct Doorway<'a> {
    pub(super) placement: Placement,
    pub(super) protecting: &'a Protecting,
    pub(super) door: &'a Door,
    pub(super) limits: &'a ServerLimits,
}

/// Doors that are open: whoever has them, joins them.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) accepting: Vec<JoinHandle<()>>,
    pub(super) places: Vec<Place>,
}

impl Open {
    pub(super) fn add(&mut self, other: Self) {
        self.accepting.extend(other.accepting);
        self.places.extend(other.places);
    }
}

impl Doorway<'_> {
    /// Serves RPC, and runs `owners`: both on one thread, which for few cores is the fastest; or the
    /// connections on so many threads of their own.
    pub(super) fn open_rpc(
        &self,
        listener: Box<dyn Listener>,
        threads: usize,
        owners: impl FnOnce() -> Part + Send + 'static,
    ) -> Result<(Place, Open), ServerError> {
        let (mut places, mut lines) = (Vec::new(), Vec::new());
        let owners = if threads <= 1 {
            let (line, serve) = self.serve_rpc();
            let (owners, place) = Place::start_together(
                self.placement,
                ("share-serve", owners),
                ("share-rpc", serve),
            )?;
            places.push(place);
            lines.push(line);
            owners
        } else {
            let owners = Place::start(self.placement, "share-owner", owners)?;
            for number in 1..=threads {
                let (line, serve) = self.serve_rpc();
                let name = format!("share-rpc-{number}");
                places.push(Place::start(self.placement, &name, serve)?);
                lines.push(line);
            }
            owners
        };
        let max = self.limits.connections_max;
        let connections = Connections::new(max, self.limits.connections_per_address_max);
        let accepting = vec![self.accept(listener, lines, connections)];
        Ok((owners, Open { accepting, places }))
    }

    /// What serves the connections that come by a line.
    fn serve_rpc(
        &self,
    ) -> (
        mpsc::Sender<Accepted>,
        impl FnOnce() -> Part + Send + 'static,
    ) {
        let (door, opening) = (self.door.clone(), self.opening(Speech::Rpc));
        let (line, incoming) = mpsc::channel(HANDOVER_MAX);
        let serve = move || Box::pin(serve_connections(door, opening, incoming)) as Part;
        (line, serve)
    }

    /// Serves HTTP. The face counts connections that have their TLS, as many as those that have not.
    pub(super) fn open_http(
        &self,
        listener: Box<dyn Listener>,
        face: HttpFace,
    ) -> Result<Open, ServerError> {
        let serving = face.serving(self.door.clone(), self.opening(Speech::Http), self.limits);
        let (line, incoming) = mpsc::channel(HANDOVER_MAX);
        let serve = move || Box::pin(serving.run(incoming)) as Part;
        let place = Place::start(self.placement, "share-http", serve)?;
        let web = &self.limits.web;
        let connections = Connections::new(web.connections_max, web.connections_per_address_max);
        let accepting = vec![self.accept(listener, vec![line], connections)];
        let places = vec![place];
        Ok(Open { accepting, places })
    }

    fn opening(&self, speech: Speech) -> Opening {
        Opening {
            protecting: self.protecting.clone(),
            speech,
            deadline: self.limits.tls_handshake,
        }
    }

    /// Accepts what comes by a listener, for those at the other ends of the lines.
    fn accept(
        &self,
        listener: Box<dyn Listener>,
        lines: Vec<mpsc::Sender<Accepted>>,
        connections: Connections,
    ) -> JoinHandle<()> {
        let acceptor = Acceptor {
            listener,
            lines,
            connections,
            unheard: unheard(),
            clock: Arc::clone(&self.door.seams.clock),
            drain: self.door.drain.clone(),
        };
        match self.placement {
            Placement::Threads => tokio::spawn(acceptor.run()),
            Placement::Caller => tokio::task::spawn_local(acceptor.run()),
        }
    }
}
