//! Serving RPC: connections on their way to the thread that calls are made on.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tracing::{Instrument, info, info_span};

use super::accept::{Accepted, HEARING};
use super::listener::{Io, Reach, Transport};
use super::opening::Opening;
use super::report;
use crate::rpc::{Door, Trust, Turnstile, serve_connection};

/// Serves the connections of one RPC thread.
pub(super) async fn serve_connections(
    door: Door,
    opening: Opening,
    mut incoming: mpsc::Receiver<Accepted>,
) {
    let mut connections = JoinSet::new();
    let turnstile = Turnstile::new();
    loop {
        tokio::select! {
            biased;
            Some(ended) = connections.join_next() => report(ended),
            accepted = incoming.recv() => {
                let Some(accepted) = accepted else {
                    break;
                };
                let span = info_span!("conn", conn = accepted.number, peer = accepted.peer);
                let (door, opening) = (door.clone(), opening.clone());
                let serving = serve(accepted, opening, (door, Rc::clone(&turnstile)));
                connections.spawn_local(serving.instrument(span));
            }
        }
    }
    while let Some(ended) = connections.join_next().await {
        report(ended);
    }
}

/// Serves one connection to its end.
async fn serve(accepted: Accepted, opening: Opening, (door, turnstile): (Door, Rc<Turnstile>)) {
    let Accepted {
        transport,
        reach,
        seat,
        unheard,
        ..
    } = accepted;
    let clock = Arc::clone(&door.seams.clock);
    let hearing = async move {
        if let Some(unheard) = unheard {
            clock.sleep(HEARING).await;
            drop(unheard);
        }
        std::future::pending::<()>().await;
    };
    let trust = Trust {
        source: seat.source(),
        standing: seat.standing().clone(),
        gives_way: seat.gives_way().clone(),
    };
    let serving = async {
        let opened = tokio::select! {
            biased;
            () = trust.gives_way.cancelled() => {
                info!("connection not served, it gives way to another");
                return;
            }
            opened = opened(transport, reach, &opening, &door) => opened,
        };
        if let Some(io) = opened {
            serve_connection(io, door, turnstile, trust.clone()).await;
        }
    };
    tokio::select! {
        biased;
        () = serving => {}
        () = hearing => {}
    }
}

/// The connection, once it has its TLS; `None`: it is not served.
async fn opened(
    transport: Transport,
    reach: Reach,
    opening: &Opening,
    door: &Door,
) -> Option<Box<dyn Io>> {
    let mut drain = door.drain.clone();
    let opened = tokio::select! {
        biased;
        // Fails if the server is gone: then this drains too.
        _ = drain.wait_for(|drain| *drain) => return None,
        opened = opening.open(transport, reach) => opened,
    };
    match opened {
        Ok(io) => Some(io),
        Err(error) => {
            info!(%error, "connection not served");
            None
        }
    }
}
