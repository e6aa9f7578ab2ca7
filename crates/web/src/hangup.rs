//! Noticing that a peer has hung up to whom nothing is to be sent just now.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Whether a connection is watched for its peer's end: while an answer is streamed that may have
/// nothing to say for long. Other answers are made and sent although the peer has ended its side, as an
/// agent does behind its last request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hangup(Arc<AtomicUsize>);

/// Watches, until this is dropped.
#[derive(Debug)]
pub(crate) struct Watching(Hangup);

impl Hangup {
    /// Watches the connection from now on.
    pub(crate) fn watch(&self) -> Watching {
        self.0.fetch_add(1, Ordering::AcqRel);
        Watching(self.clone())
    }

    pub(crate) fn is_watched(&self) -> bool {
        self.0.load(Ordering::Acquire) > 0
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
