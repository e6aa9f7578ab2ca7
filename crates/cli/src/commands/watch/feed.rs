//! A follower on its own: it comes back after lost connections, whatever else happens.

use share_client::{ClientError, FollowEvent, Follower};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_local};

/// Events that wait. While they do the follower waits too, and flow control holds the server back.
const EVENTS_MAX: usize = 1;

/// What a follower tells, from a task that ends with this.
#[derive(Debug)]
pub(super) struct Feed {
    events: mpsc::Receiver<Result<FollowEvent, ClientError>>,
    task: JoinHandle<()>,
}

impl Feed {
    /// Follows when `begin` has ended. Needs a [`tokio::task::LocalSet`].
    pub(super) fn spawn(mut follower: Follower, begin: impl Future<Output = ()> + 'static) -> Self {
        let (sender, events) = mpsc::channel(EVENTS_MAX);
        let task = spawn_local(async move {
            begin.await;
            loop {
                let event = follower.next().await;
                let is_last = event.is_err();
                if sender.send(event).await.is_err() || is_last {
                    return;
                }
            }
        });
        Self { events, task }
    }

    /// The next event; an error is the last one.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing is lost.
    pub(super) async fn next(&mut self) -> Option<Result<FollowEvent, ClientError>> {
        self.events.recv().await
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}
