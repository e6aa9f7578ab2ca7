//! What a capability stands for while it is still being made.
//!
//! Capabilities are given out at once, so that calls pipelined on them come to one object from the
//! first on. Were they given out only when they are ready, calls that had queued for them would be
//! overtaken by calls that come just then: the library forwards the queued ones by a longer way.

use std::rc::Rc;

use tokio::sync::watch;

use super::connection::Connection;
use crate::fault::Fault;
use crate::owner::Outcome;

/// Something that comes once.
#[derive(Debug)]
pub(super) struct Arriving<T>(watch::Receiver<Option<Outcome<T>>>);

impl<T> Clone for Arriving<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone + 'static> Arriving<T> {
    /// Begins to make it. That goes on while the connection lasts: a client may drop the call that
    /// asked for it and still use what it has pipelined.
    pub(super) fn begin(
        connection: &Rc<Connection>,
        making: impl Future<Output = Outcome<T>> + 'static,
    ) -> Self {
        let (sender, receiver) = watch::channel(None);
        connection.run(async move {
            sender.send_replace(Some(making.await));
        });
        Self(receiver)
    }

    /// Waits for it. Cancel safe.
    pub(super) async fn get(&self) -> Outcome<T> {
        // Most often it has come before.
        if let Some(outcome) = &*self.0.borrow() {
            return outcome.clone();
        }
        let mut receiver = self.0.clone();
        match receiver.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The connection is over.
            Ok(None) | Err(_) => Err(Fault::Unloaded),
        }
    }
}
