//! Rates: how much of something there may be now, by a token bucket.

use std::sync::Arc;
use std::time::Duration;

use share_model::UnixMs;
use share_model::seam::Clock;
use tokio::sync::Mutex;

/// Parts of a token: a rate per second refills so many a millisecond.
const PARTS: i64 = 1000;

/// Refills with time, up to what two seconds give.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bucket {
    per_second: i64,
    /// Below zero after more was taken at once than the bucket holds: that is made up for first.
    parts: i64,
    /// When it was refilled last.
    at: UnixMs,
}

impl Bucket {
    /// A full one; `per_second` is at least 1.
    pub(crate) fn full(per_second: u32, now: UnixMs) -> Self {
        let per_second = i64::from(per_second.max(1));
        Self {
            per_second,
            parts: per_second * 2 * PARTS,
            at: now,
        }
    }

    /// Takes `tokens`, or says after how many milliseconds to try again. More than the bucket holds
    /// are given when it is full.
    pub(crate) fn take(&mut self, tokens: u32, now: UnixMs) -> Result<(), u64> {
        self.refill(now);
        let wanted = i64::from(tokens) * PARTS;
        let needed = wanted.min(self.full_parts());
        if self.parts >= needed {
            self.parts -= wanted;
            return Ok(());
        }
        let missing = needed - self.parts;
        Err(u64::try_from(missing.div_euclid(self.per_second) + 1).unwrap_or(u64::MAX))
    }

    /// When it was looked at last.
    pub(crate) fn taken_at(&self) -> UnixMs {
        self.at
    }

    /// Gives back what was taken for nothing.
    pub(crate) fn give_back(&mut self, tokens: u32) {
        let parts = self.parts.saturating_add(i64::from(tokens) * PARTS);
        self.parts = parts.min(self.full_parts());
    }

    /// Whether it holds by `now` all that it can: a new one would be the same.
    pub(crate) fn is_full(&self, now: UnixMs) -> bool {
        let mut refilled = *self;
        refilled.refill(now);
        refilled.parts == refilled.full_parts()
    }

    fn full_parts(&self) -> i64 {
        self.per_second * 2 * PARTS
    }

    fn refill(&mut self, now: UnixMs) {
        // A clock that was put back refills nothing, and does not stand still either.
        let passed = i64::try_from(now.get().saturating_sub(self.at.get())).unwrap_or(i64::MAX);
        let refilled = self
            .parts
            .saturating_add(passed.saturating_mul(self.per_second));
        self.parts = refilled.min(self.full_parts());
        self.at = now;
    }
}

/// A bucket for which callers wait in turn.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: u32,
    clock: Arc<dyn Clock>,
    /// Held while one caller after the other waits for its tokens; `None` until the first.
    bucket: Mutex<Option<Bucket>>,
}

impl Rate {
    /// So many a second; 0: as many as one wants.
    pub(crate) fn new(per_second: u32, clock: Arc<dyn Clock>) -> Self {
        Self {
            per_second,
            clock,
            bucket: Mutex::new(None),
        }
    }

    /// Waits until it has this many tokens, one caller after the other. Dropped while it waits, it has
    /// taken nothing.
    pub(crate) async fn take(&self, tokens: u32) {
        if self.per_second == 0 || tokens == 0 {
            return;
        }
        let mut bucket = self.bucket.lock().await;
        let full = || Bucket::full(self.per_second, self.clock.now());
        let bucket = bucket.get_or_insert_with(full);
        while let Err(wait_ms) = bucket.take(tokens, self.clock.now()) {
            self.clock.sleep(Duration::from_millis(wait_ms)).await;
        }
    }

    /// Whether nobody waits and a new one would be the same.
    pub(crate) fn is_as_new(&self) -> bool {
        let Ok(bucket) = self.bucket.try_lock() else {
            return false;
        };
        let now = self.clock.now();
        bucket.as_ref().is_none_or(|bucket| bucket.is_full(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> UnixMs {
        UnixMs::new(10_000 + ms)
    }

    #[test]
    fn twice_the_rate_is_there_at_once_and_one_more_has_to_wait() {
        let mut bucket = Bucket::full(10, at(0));
        assert_eq!(bucket.take(20, at(0)), Ok(()));
        // One token in a tenth of a second.
        assert_eq!(bucket.take(1, at(0)), Err(101));
        assert_eq!(bucket.take(1, at(99)), Err(2));
        assert_eq!(bucket.take(1, at(100)), Ok(()));
        assert!(bucket.take(1, at(100)).is_err());
    }

    #[test]
    fn it_never_holds_more_than_two_seconds_give() {
        let mut bucket = Bucket::full(10, at(0));
        assert_eq!(bucket.take(20, at(1_000_000)), Ok(()));
        assert!(bucket.take(1, at(1_000_000)).is_err());
    }

    #[test]
    fn what_is_more_than_it_holds_is_made_up_for_before_the_next() {
        let mut bucket = Bucket::full(10, at(0));
        assert_eq!(bucket.take(120, at(0)), Ok(()));
        // A hundred too many, at ten a second.
        assert!(bucket.take(1, at(10_099)).is_err());
        assert_eq!(bucket.take(1, at(10_100)), Ok(()));
    }

    #[test]
    fn what_is_given_back_is_there_again_and_never_more_than_it_holds() {
        let mut bucket = Bucket::full(10, at(0));
        assert_eq!(bucket.take(20, at(0)), Ok(()));
        bucket.give_back(1);
        assert_eq!(bucket.take(1, at(0)), Ok(()));
        assert!(!bucket.is_full(at(1999)) && bucket.is_full(at(2000)));
        bucket.give_back(5);
        assert_eq!(bucket.take(20, at(2000)), Ok(()));
        assert!(bucket.take(1, at(2000)).is_err());
    }

    #[test]
    fn a_clock_that_is_put_back_gives_nothing_and_stops_nothing() {
        let mut bucket = Bucket::full(10, at(5000));
        assert_eq!(bucket.take(20, at(5000)), Ok(()));
        assert!(bucket.take(1, at(0)).is_err());
        assert_eq!(bucket.take(1, at(100)), Ok(()));
    }
}
