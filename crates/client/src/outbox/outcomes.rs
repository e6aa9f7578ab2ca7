//! The stream of outcomes.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::outcome::OutcomeEvent;

/// Events that wait for a slow listener; beyond it the oldest are skipped, and that is said.
pub(super) const EVENTS_MAX: usize = 4096;

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// An op has ended.
    Outcome(OutcomeEvent),
    /// So many events were skipped because they were not taken in time. The outcomes are in the
    /// outbox all the same.
    Lagged(u64),
}

/// Outcomes as this process's flusher records them, from the moment of [`Outbox::outcomes`].
///
/// [`Outbox::outcomes`]: crate::Outbox::outcomes
#[derive(Debug)]
pub struct Outcomes(pub(super) broadcast::Receiver<OutcomeEvent>);

impl Outcomes {
    /// The next one; `None` when the outbox is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, nothing is lost.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(event) => Some(Heard::Outcome(event)),
            Err(RecvError::Lagged(skipped)) => Some(Heard::Lagged(skipped)),
            Err(RecvError::Closed) => None,
        }
    }
}
