//! What all connections together may hold.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes of a message that is read before room for it is taken: so that whoever begins one and does
/// not go on takes no room from others. They lie in the connection's own buffer.
pub(crate) const OWN_BYTES: usize = 8 << 10;
/// From so many bytes on, a message is large.
const LARGE_BYTES: usize = 16 << 10;

/// Bytes that all connections together may hold; who needs more waits for its turn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BudgetLimits {
    /// Of messages below 8 KiB of peers that have proven nothing.
    pub unproven_small_bytes: usize,
    /// Of their larger messages.
    pub unproven_large_bytes: usize,
    /// Of messages below 16 KiB of other peers.
    pub small_bytes: usize,
    /// Of their larger messages. No message may be larger than this.
    pub large_bytes: usize,
    /// That wait to be written. While there are more, whichever connection has more than 64 KiB of them
    /// is not read.
    pub queued_bytes: usize,
}

impl BudgetLimits {
    /// For a server with any number of connections.
    pub fn server() -> Self {
        Self {
            unproven_small_bytes: 16 << 20,
            unproven_large_bytes: 16 << 20,
            small_bytes: 32 << 20,
            large_bytes: 96 << 20,
            queued_bytes: 64 << 20,
        }
    }

    /// For one connection to a server that this side chose.
    pub fn client() -> Self {
        let bytes = 256 << 20;
        Self {
            unproven_small_bytes: bytes,
            unproven_large_bytes: bytes,
            small_bytes: bytes,
            large_bytes: bytes,
            queued_bytes: usize::MAX,
        }
    }
}

/// Room for the bytes of messages that are being read, or that calls still hold, shared by all
/// connections of a server. Room for a whole message is taken before it is read, in the order of
/// asking: half-read messages never wait for each other.
#[derive(Debug)]
pub struct Budget {
    unproven_small: Pool,
    unproven_large: Pool,
    small: Pool,
    large: Pool,
    queued: AtomicUsize,
    queued_max: usize,
}

impl Budget {
    /// A budget of which nothing is taken.
    pub fn new(limits: &BudgetLimits) -> Self {
        Self {
            unproven_small: Pool::new(limits.unproven_small_bytes),
            unproven_large: Pool::new(limits.unproven_large_bytes),
            small: Pool::new(limits.small_bytes),
            large: Pool::new(limits.large_bytes),
            queued: AtomicUsize::new(0),
            queued_max: limits.queued_bytes,
        }
    }

    /// Bytes of messages that are taken now.
    pub fn taken_bytes(&self) -> usize {
        let pools = [
            &self.unproven_small,
            &self.unproven_large,
            &self.small,
            &self.large,
        ];
        pools.into_iter().map(Pool::taken).sum()
    }

    /// Bytes that wait to be written now.
    pub fn queued_bytes(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// Room for a message, if there is some and nobody waits for it.
    pub(crate) fn try_take(&self, bytes: usize, is_proven: bool) -> Option<OwnedSemaphorePermit> {
        let pool = self.pool(bytes, is_proven);
        let room = Arc::clone(&pool.room);
        room.try_acquire_many_owned(pool.share(bytes)).ok()
    }

    /// Room for a message, when there is some. Cancel safe.
    pub(crate) async fn take(&self, bytes: usize, is_proven: bool) -> OwnedSemaphorePermit {
        let pool = self.pool(bytes, is_proven);
        let room = Arc::clone(&pool.room);
        let room = room.acquire_many_owned(pool.share(bytes)).await;
        room.expect("nobody closes it")
    }

    /// More, or fewer, bytes wait to be written.
    pub(crate) fn count_queued(&self, before: usize, after: usize) {
        if after >= before {
            self.queued.fetch_add(after - before, Ordering::Relaxed);
        } else {
            self.queued.fetch_sub(before - after, Ordering::Relaxed);
        }
    }

    /// Whether more bytes wait to be written than may.
    pub(crate) fn is_queue_full(&self) -> bool {
        self.queued_bytes() > self.queued_max
    }

    fn pool(&self, bytes: usize, is_proven: bool) -> &Pool {
        match (is_proven, bytes) {
            (false, ..=OWN_BYTES) => &self.unproven_small,
            (false, _) => &self.unproven_large,
            (true, ..LARGE_BYTES) => &self.small,
            (true, _) => &self.large,
        }
    }
}

/// Room of one kind.
#[derive(Debug)]
struct Pool {
    room: Arc<Semaphore>,
    bytes: usize,
}

impl Pool {
    fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        Self {
            room: Arc::new(Semaphore::new(bytes)),
            bytes,
        }
    }

    /// What to take for a message: all there is, if the message is larger.
    fn share(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX)
    }

    fn taken(&self) -> usize {
        self.bytes - self.room.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budget() -> Budget {
        Budget::new(&BudgetLimits {
            unproven_small_bytes: 100,
            unproven_large_bytes: 9000,
            small_bytes: 100,
            large_bytes: 20_000,
            queued_bytes: 10,
        })
    }

    #[tokio::test]
    async fn room_is_there_to_its_last_byte_and_waited_for_past_it() {
        let budget = budget();
        let all = budget.try_take(100, true).unwrap();
        assert!(budget.try_take(1, true).is_none());
        assert_eq!(budget.taken_bytes(), 100);
        drop(all);
        assert_eq!(budget.take(1, true).await.num_permits(), 1);
    }

    #[test]
    fn peers_that_have_proven_nothing_take_no_room_from_others_nor_large_ones_from_small_ones() {
        let budget = budget();
        let _all = budget.try_take(100, false).unwrap();
        assert!(budget.try_take(1, false).is_none());
        let _large = budget.try_take(9000, false).unwrap();
        assert!(budget.try_take(8193, false).is_none());
        let _small = budget.try_take(100, true).unwrap();
        assert!(budget.try_take(100, true).is_none());
        assert!(budget.try_take(16_384, true).is_some());
    }

    #[test]
    fn a_message_larger_than_all_room_takes_all_of_it() {
        let budget = budget();
        assert_eq!(
            budget.try_take(1 << 20, true).unwrap().num_permits(),
            20_000
        );
    }

    #[test]
    fn the_queues_are_full_one_past_their_bound() {
        let budget = budget();
        budget.count_queued(0, 10);
        assert!(!budget.is_queue_full());
        budget.count_queued(0, 1);
        assert!(budget.is_queue_full());
        budget.count_queued(1, 0);
        assert!(!budget.is_queue_full());
    }
}
