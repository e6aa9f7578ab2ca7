//! Whether a connection's peer has proven an authority.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
pub struct Standing {
    party: watch::Sender<Option<Party>>,
    tries: Arc<AtomicUsize>,
}

/// The peer tries to prove an authority, until this is dropped.
#[derive(Debug)]
pub struct Trying(Arc<AtomicUsize>);

impl Default for Standing {
    /// Nothing proven yet.
    fn default() -> Self {
        Self {
            party: watch::Sender::new(None),
            tries: Arc::default(),
        }
    }
}

impl Standing {
    /// The peer has proven an authority, of the party without a name. Repeating it changes nothing.
    pub fn prove(&self) {
        self.prove_as(Party::default());
    }

    /// The peer has proven an authority of this party. The first one stays.
    pub fn prove_as(&self, party: Party) {
        self.party.send_if_modified(|proven| {
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
        *self.party.borrow()
    }

    /// Waits until the peer has proven an authority; for ever if it never does. Cancel safe.
    pub async fn wait_proven(&self) {
        // The sender is held here, so that waiting does not fail.
        let mut party = self.party.subscribe();
        let _ = party.wait_for(Option::is_some).await;
    }

    /// The peer begins to prove an authority: it redeems a ref. It may do so several times at once.
    pub fn trying(&self) -> Trying {
        self.tries.fetch_add(1, Ordering::Relaxed);
        Trying(Arc::clone(&self.tries))
    }

    /// Whether the peer tries to prove an authority right now.
    pub fn is_trying(&self) -> bool {
        self.tries.load(Ordering::Relaxed) > 0
    }
}

impl Drop for Trying {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

    #[test]
    fn a_peer_tries_until_the_last_of_its_tries_has_ended() {
        let standing = Standing::default();
        let other = standing.clone();
        assert!(!standing.is_trying());
        let tries = [other.trying(), standing.trying()];
        assert!(standing.is_trying());
        let [one, another] = tries;
        drop(one);
        assert!(other.is_trying());
        drop(another);
        assert!(!standing.is_trying() && !other.is_trying());
    }
}
