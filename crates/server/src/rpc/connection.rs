//! One connection: its message stream, and what its capabilities share.

use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::Arc;

use capnp_rpc::RpcSystem;
use capnp_rpc::rpc_twoparty_capnp::Side;
use share_network::{AnswerGate, Turn, VatNetwork};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tracing::{Instrument, info};

use share_proto::share_capnp::bootstrap;

use super::Door;
use super::bootstrap::Bootstrap;
use super::deadlines::Deadlines;
use super::patience::{Trust, Unwanted};
use super::quota::{Held, Quota};
use super::redeems::{Redeems, Try};
use super::turnstile::Turnstile;
use crate::fault::Fault;
use crate::server::Io;

/// What the capabilities of one connection share.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) door: Door,
    pub(super) calls: Rc<Quota>,
    /// Of appends and of what sessions are asked.
    pub(super) deadlines: Deadlines,
    pub(super) sessions: Rc<Quota>,
    pub(super) subscriptions: Rc<Quota>,
    pub(super) snapshots: Rc<Quota>,
    /// Where methods with large answers wait for each other.
    pub(super) answers: AnswerGate,
    /// Where the deliveries of the thread's connections let calls go first.
    pub(super) turnstile: Rc<Turnstile>,
    /// What the peer has proven.
    trust: Trust,
    redeems: Redeems,
    /// What redeems, claims and delivers. A delivery is aborted when its capability is dropped.
    tasks: TaskTracker,
    /// The connection is over: whatever still runs, stops.
    over: CancellationToken,
}

impl Connection {
    fn new(
        door: Door,
        (answers, turnstile): (AnswerGate, Rc<Turnstile>),
        trust: Trust,
    ) -> Rc<Self> {
        let limits = &door.limits;
        Rc::new(Self {
            calls: Quota::new("calls in flight of a connection", limits.calls_max),
            deadlines: Deadlines::new(limits.call_deadline),
            sessions: Quota::new("sessions of a connection", limits.sessions_max),
            subscriptions: Quota::new("subscriptions of a connection", limits.subscriptions_max),
            snapshots: Quota::new("snapshots of a connection", limits.snapshots_max),
            tasks: TaskTracker::new(),
            over: CancellationToken::new(),
            answers,
            turnstile,
            redeems: Redeems::new(&door.redeem_rates, limits.redeems_unproven_max),
            trust,
            door,
        })
    }

    /// Runs a task, until it ends, is aborted, or the connection is over.
    pub(super) fn run(&self, task: impl Future<Output = ()> + 'static) -> AbortHandle {
        let over = self.over.clone();
        let running = async move {
            // Whether it ran to its end makes no difference any more.
            let _ = over.run_until_cancelled(task).await;
        };
        self.tasks.spawn_local(running).abort_handle()
    }

    /// Waits until there is a reason to end it that is neither the peer's nor the drain.
    async fn unwanted(&self) -> Unwanted {
        let Door { seams, limits, .. } = &self.door;
        let (clock, idle) = (&*seams.clock, limits.unproven_idle);
        self.trust.is_over(&self.calls, clock, idle).await
    }

    /// Begins a call: none begins once the server drains.
    pub(super) fn begin_call(&self) -> Result<Held, Fault> {
        if *self.door.drain.borrow() {
            return Err(Fault::Draining);
        }
        self.turnstile.call_begins();
        self.calls.take()
    }

    /// The right to build a large answer, to be held until the method has returned: so that a client
    /// that asks for many and takes none does not have them all kept for it.
    pub(super) async fn turn(&self) -> Result<Turn, Fault> {
        let deadline = self.door.limits.call_deadline;
        let turn = tokio::time::timeout(deadline, self.answers.turn_for_page()).await;
        turn.map_err(|_| Fault::Deadline {
            ms: deadline.as_millis(),
        })
    }

    /// Begins to redeem a ref, within a call.
    pub(super) fn begin_redeem(&self) -> Result<Try<'_>, Fault> {
        self.redeems.begin(&self.trust)
    }
}

/// Why a connection is served no more.
enum Left {
    /// The peer left, or the messages could not be read.
    Itself(Result<(), capnp::Error>),
    Drain,
    Unwanted(Unwanted),
}

/// Serves a connection, one of those of `turnstile`'s thread, until the other side leaves, nothing is to be expected of it, or the server
/// drains.
pub(crate) async fn serve_connection(
    io: Box<dyn Io>,
    door: Door,
    turnstile: Rc<Turnstile>,
    trust: Trust,
) {
    let mut drain = door.drain.clone();
    let drain_deadline = door.limits.drain_deadline;
    let limits = door.limits.network.clone();
    let budget = Arc::clone(&door.budget);
    let network = VatNetwork::new(io, Side::Server, limits, budget, trust.standing.clone());
    let ended = network.ended();
    let connection = Connection::new(door, (network.answers(), turnstile), trust);
    let client: bootstrap::Client = capnp_rpc::new_client(Bootstrap::new(Rc::clone(&connection)));
    let system = RpcSystem::new(Box::new(network), Some(client.client));
    let disconnector = system.get_disconnector();
    // A task of its own: it is polled several times a call, the rest only when something may end the
    // connection.
    let system = tokio::task::spawn_local(system.in_current_span());
    let mut system = AbortOnDropHandle::new(system);
    info!("connected");
    let left = tokio::select! {
        biased;
        left = ended_by_itself(&mut system) => Left::Itself(left),
        // Fails if the server is gone: then this drains too.
        _ = drain.wait_for(|drain| *drain) => Left::Drain,
        why = connection.unwanted() => Left::Unwanted(why),
        never = connection.deadlines.run() => match never {},
    };
    match left {
        Left::Itself(_) if let Some(reason) = ended.reason() => info!(%reason, "disconnected"),
        Left::Itself(Ok(())) => info!("disconnected"),
        Left::Itself(Err(error)) => info!(%error, "disconnected"),
        Left::Unwanted(why) => info!(%why, "disconnected"),
        Left::Drain => {
            let finished = async {
                connection.tasks.close();
                connection.tasks.wait().await;
                connection.calls.none_held().await;
                disconnector.await
            };
            let finished = async {
                tokio::select! {
                    biased;
                    finished = finished => finished,
                    left = ended_by_itself(&mut system) => left,
                    never = connection.deadlines.run() => match never {},
                }
            };
            match tokio::time::timeout(drain_deadline, finished).await {
                Ok(Ok(())) => info!("disconnected, the server drains"),
                Ok(Err(error)) => info!(%error, "disconnected, the server drains"),
                Err(_) => info!("disconnected in the middle of a call, the server drains"),
            }
        }
    }
    if !system.is_finished() {
        system.abort();
        // It was told to: how it ended makes no difference.
        let _ = system.await;
    }
    connection.over.cancel();
    connection.tasks.close();
    connection.tasks.wait().await;
}

/// How the RPC system ended that runs in this task. A panic in one of its methods goes on here.
async fn ended_by_itself(
    system: &mut AbortOnDropHandle<Result<(), capnp::Error>>,
) -> Result<(), capnp::Error> {
    match system.await {
        Ok(left) => left,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // Only the end of the server's thread stops it from without.
            Err(_) => Ok(()),
        },
    }
}
