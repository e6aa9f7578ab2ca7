//! The tasks that show shares: they end with their owner.

use std::sync::{Mutex, PoisonError};

use tokio::task::JoinSet;
use tracing::error;

/// Tasks that run until they end by themselves, or this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Tasks(Mutex<JoinSet<()>>);

impl Tasks {
    /// Runs one more. Needs a tokio runtime.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(ended) = tasks.try_join_next() {
            if let Err(error) = ended {
                error!(%error, "showing a share ended unexpectedly: this is a bug");
            }
        }
        tasks.spawn(task);
    }
}
