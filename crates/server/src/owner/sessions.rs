//! The live sessions of a share: to tell how many there are, and how many end with their authority.

use std::sync::{Arc, Weak};

use share_engine::Authority;

/// Sessions that are counted before those are forgotten that have gone.
const PRUNE_MIN: usize = 64;

/// Counts as one live session until it is dropped.
#[derive(Debug, Clone)]
pub(crate) struct SessionTicket {
    _live: Arc<()>,
}

/// The sessions whose tickets live. How many there may be is bounded by the connections.
#[derive(Debug)]
pub(super) struct Sessions {
    held: Vec<(Authority, Weak<()>)>,
    prune_at: usize,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            held: Vec::new(),
            prune_at: PRUNE_MIN,
        }
    }

    /// Counts a session as long as its ticket lives.
    pub(super) fn insert(&mut self, authority: Authority) -> SessionTicket {
        if self.held.len() >= self.prune_at {
            self.held.retain(|(_, ticket)| ticket.strong_count() > 0);
            // Twice as many: so that each insertion costs the same on average.
            self.prune_at = PRUNE_MIN.max(2 * self.held.len());
        }
        let live = Arc::new(());
        self.held.push((authority, Arc::downgrade(&live)));
        SessionTicket { _live: live }
    }

    /// Whose they are. Those that were cut are among them while their holders keep them.
    pub(super) fn live(&self) -> impl Iterator<Item = &Authority> {
        let held = self.held.iter();
        held.filter(|(_, ticket)| ticket.strong_count() > 0)
            .map(|(authority, _)| authority)
    }
}
