//! What a caller may choose about the replay.

use std::sync::Arc;
use std::time::Duration;

use share_model::{OwnerKey, ShareId, UnixMs};

use crate::backoff::Backoff;
use crate::connection::{Connector, HttpServer, TcpConnector, Transport};

/// How the outbox is drained. The default is right for an agent.
#[derive(Debug, Clone)]
pub struct FlusherOptions {
    /// How connections are made.
    pub connector: Arc<dyn Connector>,
    /// What is spoken with servers. Not looked at where the caller brings a link of its own.
    pub transport: Transport,
    /// Where HTTP is spoken besides the addresses of refs: the server of every share that is replayed.
    /// Likewise.
    pub http: Option<HttpServer>,
    /// Opens refs that are sealed to its owner; `None`: only those that are not sealed. Not looked at
    /// where the caller brings a link of its own.
    pub owner: Option<OwnerKey>,
    /// Batches of one share that are sent without waiting for the answers of earlier ones.
    pub in_flight: usize,
    /// Shares that are replayed at the same time.
    pub shares_at_once: usize,
    /// The waits between failed connections. Failures never count against an op.
    pub backoff: Backoff,
    /// The waits where something must change first, as with a frozen share.
    pub slow_backoff: Backoff,
    /// How long a server may be silent while an answer is due, before the connection is left.
    pub answer_timeout: Duration,
    /// How long a connection is kept when there is nothing to send.
    pub idle_timeout: Duration,
    /// How often the file is looked at for ops that another process enqueued, and for shares that
    /// another flusher has let go of.
    pub poll_interval: Duration,
    /// How often the server of a share with nothing to send is looked at: if it was restored from a
    /// backup, what it lost is sent again. Also once when the flusher begins. `None`: never.
    pub check_interval: Option<Duration>,
}

impl Default for FlusherOptions {
    fn default() -> Self {
        Self {
            connector: Arc::new(TcpConnector::default()),
            transport: Transport::Auto,
            http: None,
            owner: None,
            in_flight: 8,
            shares_at_once: 16,
            backoff: Backoff::TRANSPORT,
            slow_backoff: Backoff::SLOW,
            answer_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(10),
            poll_interval: Duration::from_secs(1),
            check_interval: Some(Duration::from_secs(300)),
        }
    }
}

impl FlusherOptions {
    /// Whether a server that was looked at at `last` is to be looked at again.
    pub(super) fn check_is_due(&self, last: Option<UnixMs>, now: UnixMs) -> bool {
        let Some(interval) = self.check_interval else {
            return false;
        };
        last.is_none_or(|last| {
            // A clock that was set back says nothing of how long ago that was.
            let since = now.get().checked_sub(last.get());
            since.is_none_or(|since| u128::from(since) >= interval.as_millis())
        })
    }
}

/// What a flush does about shares that another flusher, of this process or another, replays.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HeldShares {
    /// Wait until their ops have ended, whoever sends them.
    #[default]
    Wait,
    /// Leave them to it, and report them as blocked.
    Report,
}

/// What a flush waits for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FlushOptions {
    /// Only this share; `None`: each.
    pub share: Option<ShareId>,
    /// Give up when nothing that is left has moved for so long, since the server can't be reached or
    /// asks to wait, or whoever else replays it gets nowhere; `None`: never.
    pub give_up_after: Option<Duration>,
    /// What to do about shares that another flusher replays.
    pub held: HeldShares,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_looked_at_again_after_the_interval_or_when_the_clock_was_set_back() {
        let options = FlusherOptions {
            check_interval: Some(Duration::from_secs(10)),
            ..FlusherOptions::default()
        };
        let last = Some(UnixMs::new(100_000));
        let is_due = |now| options.check_is_due(last, UnixMs::new(now));
        assert!(!is_due(100_000) && !is_due(109_999));
        assert!(is_due(110_000));
        assert!(is_due(99_999));
        assert!(options.check_is_due(None, UnixMs::new(0)));
    }
}
