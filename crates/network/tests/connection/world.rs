//! A server, and the pipe to it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use capnp_rpc::rpc_twoparty_capnp::Side;
use capnp_rpc::{Disconnector, RpcSystem};
use share_network::{
    Budget, BudgetLimits, Ended, NetworkError, NetworkLimits, Standing, VatNetwork,
};
use tokio::sync::watch;
use tokio::task::{JoinHandle, LocalSet};

use super::peer::{Came, Peer, bootstrap};
use super::service::{Service, Untyped};

/// A connection to a server.
pub(super) struct World {
    pub(super) peer: Peer,
    pub(super) service: Rc<Service>,
    pub(super) budget: Arc<Budget>,
    pub(super) disconnector: Option<Disconnector<Side>>,
    ended: Ended,
    system: JoinHandle<capnp::Result<()>>,
}

/// Runs a test under paused time.
pub(super) fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

impl World {
    /// A server of these limits and a peer that was given its service.
    pub(super) async fn new(limits: NetworkLimits) -> Self {
        Self::silent(limits, 1 << 20).greeted().await
    }

    /// A server that shares its budget with others, and a peer that has proven an authority.
    pub(super) async fn within(limits: NetworkLimits, budget: &Arc<Budget>) -> Self {
        let world = Self::sharing(limits, Arc::clone(budget), 1 << 20);
        let world = world.greeted().await;
        world.service.standing.prove();
        world
    }

    async fn greeted(mut self) -> Self {
        self.peer.send(&bootstrap()).await;
        let Some(Came::Return(0, _)) = self.peer.next().await else {
            panic!("the service was not given");
        };
        self
    }

    /// The same with a peer that has proven an authority.
    pub(super) async fn proven(limits: NetworkLimits) -> Self {
        let world = Self::new(limits).await;
        world.service.standing.prove();
        world
    }

    /// The same with a peer that has sent nothing, over a pipe of so many bytes.
    pub(super) fn silent(limits: NetworkLimits, pipe_bytes: usize) -> Self {
        let budget = Arc::new(Budget::new(&BudgetLimits::server()));
        Self::sharing(limits, budget, pipe_bytes)
    }

    fn sharing(limits: NetworkLimits, budget: Arc<Budget>, pipe_bytes: usize) -> Self {
        let (near, far) = tokio::io::duplex(pipe_bytes);
        let standing = Standing::default();
        let shared = Arc::clone(&budget);
        let network = VatNetwork::new(near, Side::Server, limits, shared, standing.clone());
        let service = Rc::new(Service {
            standing,
            answers: RefCell::new(Some(network.answers())),
            lets: watch::Sender::new(0),
            calls: Cell::new(0),
        });
        let ended = network.ended();
        let client: Untyped = capnp_rpc::new_client_from_rc(Rc::clone(&service));
        let system = RpcSystem::new(Box::new(network), Some(client.0));
        Self {
            peer: Peer::new(far),
            service,
            budget,
            disconnector: Some(system.get_disconnector()),
            ended,
            system: tokio::task::spawn_local(system),
        }
    }

    /// Lets everything run that can without more from the peer.
    pub(super) async fn settle(&self) {
        // Paused time only goes on when nothing else can.
        let _ = tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
    }

    /// Why the connection ended, if it has.
    pub(super) fn reason(&self) -> Option<NetworkError> {
        self.ended.reason()
    }

    /// Waits for the connection's end, which is not by a panic.
    pub(super) async fn end(self) -> Option<NetworkError> {
        let Self {
            system,
            ended,
            peer,
            service,
            ..
        } = self;
        drop(peer);
        drop(service);
        let _ = system.await.expect("no panic");
        ended.reason()
    }

    /// What answers came until nothing more does.
    pub(super) async fn answers(&mut self) -> Vec<u32> {
        let mut answers = Vec::new();
        let wait = Duration::from_millis(1);
        while let Ok(Some(came)) = tokio::time::timeout(wait, self.peer.next()).await {
            if let Came::Return(question, _) = came {
                answers.push(question);
            }
        }
        answers
    }
}
