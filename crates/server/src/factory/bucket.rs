//! A token bucket: how many ops may be appended now.

use share_model::UnixMs;

/// Parts of a token: a rate per second refills so many a millisecond.
const PARTS: i64 = 1000;

/// Refills with time, up to what two seconds give.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bucket {
    per_second: i64,
    /// Below zero after more was taken at once than the bucket holds: that is made up for first.
    parts: i64,
    /// When it was refilled last.
    at: UnixMs,
}

impl Bucket {
    /// A full one; `per_second` is at least 1.
    pub(super) fn full(per_second: u32, now: UnixMs) -> Self {
        let per_second = i64::from(per_second.max(1));
        Self {
            per_second,
            parts: per_second * 2 * PARTS,
            at: now,
        }
    }

    /// Takes `tokens`, or says after how many milliseconds to try again. More than the bucket holds
    /// are given when it is full.
    pub(super) fn take(&mut self, tokens: u32, now: UnixMs) -> Result<(), u64> {
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
    fn a_clock_that_is_put_back_gives_nothing_and_stops_nothing() {
        let mut bucket = Bucket::full(10, at(5000));
        assert_eq!(bucket.take(20, at(5000)), Ok(()));
        assert!(bucket.take(1, at(0)).is_err());
        assert_eq!(bucket.take(1, at(100)), Ok(()));
    }
}
