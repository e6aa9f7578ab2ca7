//! What an attack did.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// What an attack did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// What the attack is made of; [`crate::Attack::deed`] says what that is.
    pub deeds: u64,
    /// Connections made.
    pub connections: u64,
    /// Attempts to connect that failed.
    pub refused: u64,
    /// Connections that have ended again, whoever ended them.
    pub ended: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Bytes received.
    pub received_bytes: u64,
}

/// Counts as the attack goes on. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Tally(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    deeds: watch::Sender<u64>,
    connections: AtomicU64,
    refused: AtomicU64,
    ended: AtomicU64,
    sent_bytes: AtomicU64,
    received_bytes: AtomicU64,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner {
            deeds: watch::Sender::new(0),
            connections: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            sent_bytes: AtomicU64::new(0),
            received_bytes: AtomicU64::new(0),
        }))
    }

    pub(crate) fn deeds(&self, more: u64) {
        self.0.deeds.send_modify(|deeds| *deeds += more);
    }

    pub(crate) fn connected(&self) {
        add(&self.0.connections, 1);
    }

    pub(crate) fn refused(&self) {
        add(&self.0.refused, 1);
    }

    pub(crate) fn ended(&self) {
        add(&self.0.ended, 1);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.0.sent_bytes, bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.0.received_bytes, bytes as u64);
    }

    /// Waits until there are `least` deeds.
    pub(crate) async fn reached(&self, least: u64) {
        let mut deeds = self.0.deeds.subscribe();
        // The sender lives as long as `self`.
        let _ = deeds.wait_for(|deeds| *deeds >= least).await;
    }

    pub(crate) fn counts(&self) -> Counts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            deeds: *self.0.deeds.borrow(),
            connections: read(&self.0.connections),
            refused: read(&self.0.refused),
            ended: read(&self.0.ended),
            sent_bytes: read(&self.0.sent_bytes),
            received_bytes: read(&self.0.received_bytes),
        }
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}
