//! Whether a connection's peer has proven an authority.

use tokio::sync::watch;

/// Whose authority a peer has proven: connections of one party share what one party may take. Whoever
/// names a party decides what it is; all that are not named are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Party(u128);

impl Party {
    /// The party of this name.
    pub fn new(name: u128) -> Self {
        Self(name)
    }
}

/// Whether the peer of one connection has proven an authority: it redeemed a ref. Once proven, it stays so to
/// the connection's end. Clones speak of the same connection, from any thread.
///
/// A peer that has proven nothing costs whom it connects to little: it gets smaller messages, less patience, and
/// gives way when connections run short.
#[derive(Debug, Clone)]
pub struct Standing(watch::Sender<Option<Party>>);

impl Default for Standing {
    /// Nothing proven yet.
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Standing {
    /// The peer has proven an authority, of the party without a name. Repeating it changes nothing.
    pub fn prove(&self) {
        self.prove_as(Party::default());
    }

    /// The peer has proven an authority of this party. The first one stays.
    pub fn prove_as(&self, party: Party) {
        self.0.send_if_modified(|proven| {
            let is_first = proven.is_none();
            proven.get_or_insert(party);
            is_first
        });
    }

    /// Whether the peer has proven an authority.
    pub fn is_proven(&self) -> bool {
        self.party().is_some()
    }

    /// Whose authority the peer has proven first; `None`: none.
    pub fn party(&self) -> Option<Party> {
        *self.0.borrow()
    }

    /// Waits until the peer has proven an authority; for ever if it never does. Cancel safe.
    pub async fn wait_proven(&self) {
        // The sender is held here, so that waiting does not fail.
        let _ = self.0.subscribe().wait_for(Option::is_some).await;
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn what_one_clone_proves_every_clone_knows_and_waiters_wake() {
        let standing = Standing::default();
        let other = standing.clone();
        let mut waiting = pin!(other.wait_proven());
        let mut context = Context::from_waker(Waker::noop());
        assert!(!other.is_proven());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Pending);

        standing.prove();
        standing.prove();

        assert!(other.is_proven());
        assert_eq!(waiting.as_mut().poll(&mut context), Poll::Ready(()));
        let mut late = pin!(standing.wait_proven());
        assert_eq!(late.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
