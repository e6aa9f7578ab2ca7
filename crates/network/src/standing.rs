//! Whether a connection's peer has proven an authority.

use tokio::sync::watch;

/// Whether the peer of one connection has proven an authority: it redeemed a ref. Once proven, it stays so to
/// the connection's end. Clones speak of the same connection, from any thread.
///
/// A peer that has proven nothing costs whom it connects to little: it gets smaller messages, less patience, and
/// gives way when connections run short.
#[derive(Debug, Clone)]
pub struct Standing(watch::Sender<bool>);

impl Default for Standing {
    /// Nothing proven yet.
    fn default() -> Self {
        Self(watch::Sender::new(false))
    }
}

impl Standing {
    /// The peer has proven an authority. Repeating it changes nothing.
    pub fn prove(&self) {
        self.0
            .send_if_modified(|is_proven| !std::mem::replace(is_proven, true));
    }

    /// Whether the peer has proven an authority.
    pub fn is_proven(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until the peer has proven an authority; for ever if it never does. Cancel safe.
    pub async fn wait_proven(&self) {
        // The sender is held here, so that waiting does not fail.
        let _ = self.0.subscribe().wait_for(|is_proven| *is_proven).await;
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
