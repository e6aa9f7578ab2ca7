//! For how long a connection is served whose peer has proven nothing.

use std::time::Duration;

use share_model::seam::Clock;
use share_network::Standing;
use tokio_util::sync::CancellationToken;

use super::quota::Quota;
use crate::server::Source;

/// Why a connection ends that neither its peer ended nor the server's drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unwanted {
    /// Another connection has its place.
    #[error("it has proven nothing and gives way to another")]
    GivesWay,
    /// Its peer has proven nothing, and does not try to.
    #[error("it has proven nothing and asks for nothing")]
    Idle,
}

/// What is known of a connection's peer.
#[derive(Debug, Clone)]
pub(crate) struct Trust {
    /// Where it is; `None`: it does not count.
    pub(crate) source: Option<Source>,
    /// What it has proven.
    pub(crate) standing: Standing,
    /// Cancelled when the connection has to end for another one.
    pub(crate) gives_way: CancellationToken,
}

impl Trust {
    /// Waits until the connection has to end: for another one, or because its peer has proven nothing
    /// and none of its `calls` was under way for `idle`. Cancel safe.
    pub(super) async fn is_over(
        &self,
        calls: &Quota,
        clock: &dyn Clock,
        idle: Duration,
    ) -> Unwanted {
        let idle = async {
            tokio::select! {
                biased;
                () = self.standing.wait_proven() => std::future::pending().await,
                () = calls.none_held_for(clock, idle) => {}
            }
        };
        tokio::select! {
            biased;
            () = self.gives_way.cancelled() => Unwanted::GivesWay,
            () = idle => Unwanted::Idle,
        }
    }
}
