//! What all connections together may hold.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::futures::Notified;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::standing::Party;

/// Bytes of a message that is read before room for it is taken: so that whoever begins one and does
/// not go on takes no room from others. They lie in the connection's own buffer.
pub(crate) const OWN_BYTES: usize = 8 << 10;
/// From so many bytes on, a message is large.
const LARGE_BYTES: usize = 16 << 10;

/// Into so many parts what is shared is cut, of which one party has one.
const PARTS: usize = 3;

/// Bytes that all connections together may hold; who needs more waits for its turn. Of what peers
/// that have proven an authority share, one [`Party`] has a third at most.
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
    /// Of answers that peers have not finished: while there are more, no large answer is built. For a
    /// page, what waits to be written counts as well.
    pub kept_bytes: usize,
    /// Calls that wait for their answer: a number of calls, not bytes, each of which costs some 4 KiB.
    /// While there are more, whichever connection has more than 8 of them is not read.
    pub calls_max: usize,
    /// Large answers that are built at a time: a number of answers, not bytes. One party has a quarter
    /// at most.
    pub building_max: usize,
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
            kept_bytes: 64 << 20,
            calls_max: 3 << 10,
            building_max: 16,
        }
    }

    /// For one connection to a server that this side chose.
    pub fn client() -> Self {
        let bytes = 256 << 20;
        Self {
            unproven_small_bytes: bytes,
            unproven_large_bytes: bytes,
            small_bytes: 3 * bytes,
            large_bytes: 3 * bytes,
            queued_bytes: usize::MAX,
            kept_bytes: usize::MAX,
            calls_max: usize::MAX,
            building_max: 1024,
        }
    }
}

/// Room for the bytes of messages that are being read, or that calls still hold, and for answers,
/// shared by all connections of a server. Room for a whole message is taken before it is read, in the
/// order of asking: half-read messages never wait for each other.
#[derive(Debug)]
pub struct Budget {
    unproven_small: Pool,
    unproven_large: Pool,
    small: Pool,
    large: Pool,
    queued: AtomicUsize,
    queued_max: usize,
    kept: AtomicUsize,
    kept_max: usize,
    calls: AtomicUsize,
    calls_max: usize,
    building: Arc<Semaphore>,
    building_max: usize,
    /// Told when large answers may be built again.
    freed: Notify,
    /// Of parties that are connected. Held for a look or a change only.
    parties: Mutex<BTreeMap<Party, Weak<Share>>>,
}

/// What one party has of a budget.
#[derive(Debug)]
pub(crate) struct Share {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
    queued: AtomicUsize,
    kept: AtomicUsize,
    calls: AtomicUsize,
    building: Arc<Semaphore>,
}

/// Room that was taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    _of_party: Option<OwnedSemaphorePermit>,
    _of_all: OwnedSemaphorePermit,
}

impl Room {
    /// How many bytes were taken.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self._of_all.num_permits()
    }
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
            kept: AtomicUsize::new(0),
            kept_max: limits.kept_bytes,
            calls: AtomicUsize::new(0),
            calls_max: limits.calls_max,
            building: Arc::new(Semaphore::new(limits.building_max)),
            building_max: limits.building_max,
            freed: Notify::new(),
            parties: Mutex::default(),
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

    /// Bytes of answers that peers have not finished.
    pub fn kept_bytes(&self) -> usize {
        self.kept.load(Ordering::Relaxed)
    }

    /// What a party has.
    pub(crate) fn share_of(&self, party: Party) -> Arc<Share> {
        let mut parties = self.parties.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(share) = parties.get(&party).and_then(Weak::upgrade) {
            return share;
        }
        parties.retain(|_, share| share.strong_count() > 0);
        let share = Arc::new(Share {
            small: Arc::new(Semaphore::new(self.small.of_party())),
            large: Arc::new(Semaphore::new(self.large.of_party())),
            queued: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            calls: AtomicUsize::new(0),
            building: Arc::new(Semaphore::new(self.building_max.div_ceil(4))),
        });
        parties.insert(party, Arc::downgrade(&share));
        share
    }

    /// Room for a message of a party, or of a peer that has proven nothing, if there is some and nobody
    /// waits for it.
    pub(crate) fn try_take(&self, bytes: usize, share: Option<&Share>) -> Option<Room> {
        let (pool, of_party) = self.pool(bytes, share);
        let of_party = match of_party {
            Some(room) => {
                let bytes = pool.share_of_party(bytes);
                Some(Arc::clone(room).try_acquire_many_owned(bytes).ok()?)
            }
            None => None,
        };
        let room = Arc::clone(&pool.room);
        Some(Room {
            _of_party: of_party,
            _of_all: room.try_acquire_many_owned(pool.share(bytes)).ok()?,
        })
    }

    /// Room for a message, when there is some. Cancel safe.
    pub(crate) async fn take(&self, bytes: usize, share: Option<&Share>) -> Room {
        let (pool, of_party) = self.pool(bytes, share);
        // First among its own: so a party waits with one message at a time among the others.
        let of_party = match of_party {
            Some(room) => {
                let room = Arc::clone(room).acquire_many_owned(pool.share_of_party(bytes));
                Some(room.await.expect("nobody closes it"))
            }
            None => None,
        };
        let room = Arc::clone(&pool.room).acquire_many_owned(pool.share(bytes));
        Room {
            _of_party: of_party,
            _of_all: room.await.expect("nobody closes it"),
        }
    }

    /// The right to build a large answer, when one may be built. Cancel safe.
    pub(crate) async fn build(&self, share: Option<&Share>) -> [Option<OwnedSemaphorePermit>; 2] {
        let of_party = match share {
            Some(share) => {
                let right = Arc::clone(&share.building).acquire_owned().await;
                Some(right.expect("nobody closes it"))
            }
            None => None,
        };
        let of_all = Arc::clone(&self.building).acquire_owned().await;
        [of_party, Some(of_all.expect("nobody closes it"))]
    }

    /// More, or fewer, bytes of a connection wait to be written.
    pub(crate) fn count_queued(&self, before: usize, after: usize, share: Option<&Share>) {
        self.count_answers(after < before, share, || {
            count(&self.queued, before, after);
            if let Some(share) = share {
                count(&share.queued, before, after);
            }
        });
    }

    /// Whether more bytes wait to be written than may.
    pub(crate) fn is_queue_full(&self) -> bool {
        self.queued_bytes() > self.queued_max
    }

    /// More, or fewer, bytes of answers are kept by a connection.
    pub(crate) fn count_kept(&self, before: usize, after: usize, share: Option<&Share>) {
        self.count_answers(after < before, share, || {
            count(&self.kept, before, after);
            if let Some(share) = share {
                count(&share.kept, before, after);
            }
        });
    }

    /// Changes what there is of answers; whoever waits for fewer is told when there are.
    fn count_answers(&self, is_less: bool, share: Option<&Share>, change: impl FnOnce()) {
        let were_full = is_less && self.are_answers_full(share);
        let was_full = is_less && self.is_kept_full(share);
        change();
        if (were_full && !self.are_answers_full(share)) || (was_full && !self.is_kept_full(share)) {
            self.freed.notify_waiters();
        }
    }

    /// More, or fewer, calls of a connection wait for their answer.
    pub(crate) fn count_calls(&self, before: usize, after: usize, share: Option<&Share>) {
        count(&self.calls, before, after);
        if let Some(share) = share {
            count(&share.calls, before, after);
        }
    }

    /// Whether as many calls wait for their answer as may.
    pub(crate) fn is_calls_full(&self, share: Option<&Share>) -> bool {
        let of_party = share.map_or(0, |share| share.calls.load(Ordering::Relaxed));
        self.calls.load(Ordering::Relaxed) >= self.calls_max || of_party >= self.calls_max / PARTS
    }

    /// Whether more bytes of answers are kept, or wait to be written, than may for one more page.
    pub(crate) fn are_answers_full(&self, share: Option<&Share>) -> bool {
        let of_party = share.map_or(0, |share| {
            let kept = share.kept.load(Ordering::Relaxed);
            kept.saturating_add(share.queued.load(Ordering::Relaxed))
        });
        let of_all = self.kept_bytes().saturating_add(self.queued_bytes());
        of_all > self.kept_max || of_party > self.kept_max / PARTS
    }

    /// A peer has proven an authority; so many of its bytes wait to be written, it keeps so many of
    /// answers, and so many of its calls wait for one.
    pub(crate) fn join(&self, (queued, kept, calls): (usize, usize, usize), share: &Share) {
        count(&share.queued, 0, queued);
        count(&share.kept, 0, kept);
        count(&share.calls, 0, calls);
    }

    /// Whether more bytes of answers are kept than may.
    pub(crate) fn is_kept_full(&self, share: Option<&Share>) -> bool {
        let of_party = share.map_or(0, |share| share.kept.load(Ordering::Relaxed));
        self.kept_bytes() > self.kept_max || of_party > self.kept_max / PARTS
    }

    /// Told when answers that were kept are no longer too many.
    pub(crate) fn freed(&self) -> Notified<'_> {
        self.freed.notified()
    }

    fn pool<'a>(
        &'a self,
        bytes: usize,
        share: Option<&'a Share>,
    ) -> (&'a Pool, Option<&'a Arc<Semaphore>>) {
        match (share, bytes) {
            (None, ..=OWN_BYTES) => (&self.unproven_small, None),
            (None, _) => (&self.unproven_large, None),
            (Some(share), ..LARGE_BYTES) => (&self.small, Some(&share.small)),
            (Some(share), _) => (&self.large, Some(&share.large)),
        }
    }
}

fn count(counter: &AtomicUsize, before: usize, after: usize) {
    if after >= before {
        counter.fetch_add(after - before, Ordering::Relaxed);
    } else {
        counter.fetch_sub(before - after, Ordering::Relaxed);
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

    /// What one party has of it.
    fn of_party(&self) -> usize {
        self.bytes.div_ceil(PARTS)
    }

    /// What to take of what a party has.
    fn share_of_party(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.min(self.of_party())).unwrap_or(u32::MAX)
    }

    fn taken(&self) -> usize {
        self.bytes - self.room.available_permits()
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Waker};

    use super::*;

    fn waits(future: &mut Pin<Box<impl Future>>) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        future.as_mut().poll(&mut context).is_pending()
    }

    fn budget() -> Budget {
        Budget::new(&BudgetLimits {
            unproven_small_bytes: 100,
            unproven_large_bytes: 9000,
            small_bytes: 300,
            large_bytes: 60_000,
            queued_bytes: 10,
            kept_bytes: 30,
            calls_max: 30,
            building_max: 4,
        })
    }

    fn parties(budget: &Budget) -> [Arc<Share>; 4] {
        [1, 2, 3, 4].map(|name| budget.share_of(Party::new(name)))
    }

    #[tokio::test]
    async fn room_is_there_to_its_last_byte_and_waited_for_past_it() {
        let budget = budget();
        let [one, two, three, four] = parties(&budget);
        let mut taken: Vec<Room> = [&one, &two, &three]
            .map(|share| budget.try_take(100, Some(share)).unwrap())
            .into();
        assert!(budget.try_take(1, Some(&four)).is_none());
        assert_eq!(budget.taken_bytes(), 300);
        taken.pop();
        assert_eq!(budget.take(1, Some(&four)).await.bytes(), 1);
    }

    #[tokio::test]
    async fn a_party_has_a_third_on_however_many_connections_and_leaves_the_rest() {
        let budget = budget();
        let [one, other, ..] = parties(&budget);
        let again = budget.share_of(Party::new(1));
        let taken = budget.try_take(100, Some(&one)).unwrap();
        assert!(budget.try_take(1, Some(&again)).is_none());
        assert!(budget.try_take(100, Some(&other)).is_some());
        // Those of a party that wait have no place before others.
        let mut waiting = Box::pin(budget.take(100, Some(&again)));
        assert!(waits(&mut waiting));
        assert!(budget.try_take(100, Some(&other)).is_some());
        drop(taken);
        assert_eq!(waiting.await.bytes(), 100);
    }

    #[test]
    fn peers_that_have_proven_nothing_take_no_room_from_others_nor_large_ones_from_small_ones() {
        let budget = budget();
        let [one, ..] = parties(&budget);
        let _all = budget.try_take(100, None).unwrap();
        assert!(budget.try_take(1, None).is_none());
        let _large = budget.try_take(9000, None).unwrap();
        assert!(budget.try_take(8193, None).is_none());
        let _small = budget.try_take(100, Some(&one)).unwrap();
        assert!(budget.try_take(100, Some(&one)).is_none());
        assert!(budget.try_take(16_384, Some(&one)).is_some());
    }

    #[test]
    fn a_message_larger_than_all_room_takes_all_of_it() {
        let budget = budget();
        let [one, ..] = parties(&budget);
        let taken = budget.try_take(1 << 20, Some(&one)).unwrap();
        assert_eq!(taken.bytes(), 60_000);
    }

    #[test]
    fn the_queues_are_full_one_past_their_bound() {
        let budget = budget();
        budget.count_queued(0, 10, None);
        assert!(!budget.is_queue_full());
        budget.count_queued(0, 1, None);
        assert!(budget.is_queue_full());
        budget.count_queued(1, 0, None);
        assert!(!budget.is_queue_full());
    }

    #[tokio::test]
    async fn answers_that_are_kept_are_bounded_in_all_and_for_each_party() {
        let budget = budget();
        let [one, other, ..] = parties(&budget);
        budget.count_kept(0, 10, Some(&one));
        assert!(!budget.is_kept_full(Some(&one)));
        budget.count_kept(10, 11, Some(&one));
        assert!(budget.is_kept_full(Some(&one)) && !budget.is_kept_full(Some(&other)));
        budget.count_kept(0, 19, None);
        assert!(!budget.is_kept_full(None));
        budget.count_kept(19, 20, None);
        assert!(budget.is_kept_full(None) && budget.is_kept_full(Some(&other)));
        let mut freed = Box::pin(budget.freed());
        assert!(waits(&mut freed));
        budget.count_kept(20, 19, None);
        freed.await;
    }

    #[test]
    fn for_a_page_what_waits_to_be_written_counts_in_all_and_for_each_party() {
        let budget = budget();
        let [one, other, ..] = parties(&budget);
        budget.count_kept(0, 4, Some(&one));
        budget.count_queued(0, 6, Some(&one));
        assert!(!budget.are_answers_full(Some(&one)));
        budget.count_queued(6, 7, Some(&one));
        assert!(budget.are_answers_full(Some(&one)) && !budget.is_kept_full(Some(&one)));
        assert!(!budget.are_answers_full(Some(&other)));
        budget.count_queued(0, 19, None);
        assert!(!budget.are_answers_full(Some(&other)));
        budget.count_queued(19, 20, None);
        assert!(budget.are_answers_full(Some(&other)));
    }

    #[test]
    fn calls_that_wait_are_bounded_in_all_and_for_each_party() {
        let budget = budget();
        let [one, other, ..] = parties(&budget);
        budget.count_calls(0, 9, Some(&one));
        assert!(!budget.is_calls_full(Some(&one)));
        budget.count_calls(9, 10, Some(&one));
        assert!(budget.is_calls_full(Some(&one)) && !budget.is_calls_full(Some(&other)));
        budget.count_calls(0, 19, None);
        assert!(!budget.is_calls_full(None));
        budget.count_calls(19, 20, None);
        assert!(budget.is_calls_full(None) && budget.is_calls_full(Some(&other)));
        budget.count_calls(20, 19, None);
        assert!(!budget.is_calls_full(None));
    }

    #[tokio::test]
    async fn so_many_large_answers_are_built_at_a_time_and_a_quarter_of_them_for_a_party() {
        let budget = budget();
        let [one, two, three, four] = parties(&budget);
        let first = budget.build(Some(&one)).await;
        let mut again = Box::pin(budget.build(Some(&one)));
        assert!(waits(&mut again));
        let _two = budget.build(Some(&two)).await;
        let _three = budget.build(Some(&three)).await;
        let _four = budget.build(None).await;
        let mut fifth = Box::pin(budget.build(Some(&four)));
        assert!(waits(&mut fifth));
        drop(first);
        fifth.await;
    }

    #[test]
    fn nothing_is_kept_of_parties_that_have_left() {
        let budget = budget();
        drop(parties(&budget));
        let _one = budget.share_of(Party::new(9));
        assert_eq!(budget.parties.lock().unwrap().len(), 1);
    }
}
