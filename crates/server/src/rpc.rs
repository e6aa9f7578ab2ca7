//! The Cap'n Proto face: capabilities of one connection, on the thread that serves it.
//!
//! Here a peer's messages become values of the model, once; everything is then asked of a share's
//! owner through its bounded queue. Authority is checked there, on every call. No method waits for a
//! capability of the client's, and each has a deadline.

mod abort;
mod appender;
mod arriving;
mod backup;
mod bootstrap;
mod connection;
mod deadlines;
mod exception;
mod factory;
mod floor;
mod page;
mod patience;
mod posted;
mod publishing;
mod pump;
mod quota;
mod reading;
mod redeems;
mod refused;
mod session;
mod snapshot;
mod subscription;
mod turnstile;

use std::sync::Arc;
use std::time::Duration;

use share_network::{Budget, NetworkLimits};
use tokio::sync::watch;

use crate::backup::Backups;
use crate::factory::Factory;
use crate::fault::Fault;
use crate::feed::TailLimits;
use crate::hub::Hub;
use crate::owner::Outcome;
use crate::seams::Seams;

pub(crate) use abort::abort_message;
pub(crate) use bootstrap::NO_SHARE;
pub(crate) use connection::serve_connection;
pub(crate) use exception::told;
pub(crate) use floor::level;
pub(crate) use patience::Trust;
pub(crate) use posted::{PostedError, answer_posted};
pub(crate) use publishing::publish;
pub(crate) use reading::Reading;
pub(crate) use redeems::{Asking, RedeemRates};
pub(crate) use turnstile::Turnstile;

/// Bounds of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcLimits {
    /// What its messages may cost.
    pub network: NetworkLimits,
    /// Calls of one connection that wait for their outcome.
    pub calls_max: usize,
    /// Live sessions of one connection.
    pub sessions_max: usize,
    /// Live subscriptions of one connection.
    pub subscriptions_max: usize,
    /// Live snapshots of one connection.
    pub snapshots_max: usize,
    /// How long a method may take.
    pub call_deadline: Duration,
    /// How long making a backup may take.
    pub backup_deadline: Duration,
    /// How long a backup is held for a reader that asks for nothing.
    pub backup_idle: Duration,
    /// How long a reader may take for one call of its sink.
    pub sink_deadline: Duration,
    /// Redeems in flight of a connection whose peer has proven no authority.
    pub redeems_unproven_max: usize,
    /// Redeems per second of one address that prove no authority, on all its connections together;
    /// twice as many at once.
    pub redeems_per_second: u32,
    /// How long a connection is kept whose peer has proven no authority and asks for nothing.
    pub unproven_idle: Duration,
    /// How long a connection has to finish when the server drains.
    pub drain_deadline: Duration,
    /// When a subscriber that is told of a drain may try again.
    pub retry_after: Duration,
    /// Bytes of document entries or ops in one call of a sink, about.
    pub chunk_bytes_max: u64,
    /// Ops in one call of a sink.
    pub chunk_ops_max: usize,
    /// Ops that the log may run ahead of a reader before the reader begins again.
    pub lag_ops_max: u64,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            network: NetworkLimits::server(),
            calls_max: 1024,
            sessions_max: 1024,
            subscriptions_max: 256,
            snapshots_max: 64,
            call_deadline: Duration::from_secs(30),
            backup_deadline: Duration::from_secs(3600),
            backup_idle: Duration::from_secs(60),
            sink_deadline: Duration::from_secs(30),
            redeems_unproven_max: 8,
            redeems_per_second: 500,
            unproven_idle: Duration::from_secs(30),
            drain_deadline: Duration::from_secs(5),
            retry_after: Duration::from_secs(1),
            chunk_bytes_max: 256 << 10,
            chunk_ops_max: 512,
            lag_ops_max: 65_536,
        }
    }
}

/// What every connection has from the server.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) hub: Hub,
    pub(crate) factory: Arc<Factory>,
    pub(crate) backups: Arc<Backups>,
    pub(crate) seams: Seams,
    pub(crate) limits: Arc<RpcLimits>,
    /// Room for messages, of all connections together.
    pub(crate) budget: Arc<Budget>,
    pub(crate) redeem_rates: Arc<RedeemRates>,
    /// Becomes true once: finish what is in flight, then disconnect.
    pub(crate) drain: watch::Receiver<bool>,
}

impl Door {
    /// The outcome, if it comes before the deadline. What was asked for goes on all the same.
    pub(crate) async fn within<T>(&self, outcome: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        in_time(self.limits.call_deadline, outcome).await
    }

    /// The bounds of a reader of a share's log.
    pub(crate) fn tail_limits(&self) -> TailLimits {
        TailLimits {
            chunk_ops_max: self.limits.chunk_ops_max,
            chunk_bytes_max: self.limits.chunk_bytes_max,
            lag_ops_max: self.limits.lag_ops_max,
        }
    }
}

/// What comes of it, if it does within the deadline.
async fn in_time<T>(
    deadline: Duration,
    coming: impl Future<Output = Result<T, Fault>>,
) -> Result<T, Fault> {
    let late = Fault::Deadline {
        ms: deadline.as_millis(),
    };
    let came = tokio::time::timeout(deadline, coming).await;
    came.unwrap_or(Err(late))
}
