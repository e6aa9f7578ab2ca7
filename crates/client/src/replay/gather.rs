//! Gathering: while ops trickle in, a few are waited for before the next look at the outbox, so that a
//! stream of them costs a batch for every few and not for each.

use std::time::Duration;

use share_model::seam::{Clock, Sleep};
use tokio::sync::watch;

use super::traffic::Traffic;

/// How long ops gather after a look that was of use. The first op after a pause waits for nothing, and
/// nothing gathers while somebody waits for a flush.
const GATHER: Duration = Duration::from_millis(40);

/// When to look at what was enqueued.
#[derive(Default)]
pub(super) struct Gather {
    /// Runs since the last look that was of use.
    since: Option<Sleep>,
    /// Something was enqueued since the last look.
    is_news: bool,
}

impl Gather {
    /// The outbox is looked at: what is enqueued from now on, and not before, is news.
    pub(super) fn look(&mut self, changes: &mut watch::Receiver<u64>) {
        changes.mark_unchanged();
        self.is_news = false;
    }

    /// What comes from now on gathers for a while.
    pub(super) fn begin(&mut self, clock: &dyn Clock) {
        self.since = Some(clock.sleep(GATHER));
    }

    /// Ends when what has come, if anything, has gathered. Cancel safe.
    pub(super) async fn over(&mut self, traffic: &Traffic) {
        if let Some(since) = &mut self.since {
            tokio::select! {
                biased;
                () = since => {}
                () = traffic.waited_for() => {}
            }
            self.since = None;
        }
    }

    /// Ends when something has come and has gathered. Cancel safe.
    pub(super) async fn news(&mut self, changes: &mut watch::Receiver<u64>, traffic: &Traffic) {
        if !self.is_news {
            if changes.changed().await.is_err() {
                // The outbox is gone, and whoever waits here goes with it.
                return std::future::pending().await;
            }
            self.is_news = true;
        }
        self.over(traffic).await;
    }

    /// Whether something has come.
    pub(super) fn has_news(&self, changes: &watch::Receiver<u64>) -> bool {
        self.is_news || changes.has_changed().unwrap_or(false)
    }
}
