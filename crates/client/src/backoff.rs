//! Back-off: exponential, with full jitter, capped.

use std::time::Duration;

use share_model::seam::Entropy;

/// How long to wait before trying again: a random time up to `base`, then up to twice that, and so
/// on up to `max`. The randomness keeps clients that lost one server from coming back at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The longest first wait.
    pub base: Duration,
    /// The longest wait.
    pub max: Duration,
}

impl Backoff {
    /// For connections: up to 100 ms at first, up to 30 s in the end.
    pub const TRANSPORT: Self = Self {
        base: Duration::from_millis(100),
        max: Duration::from_secs(30),
    };

    /// For what takes its time, as a frozen share: up to 5 s at first, up to 5 minutes in the end.
    pub const SLOW: Self = Self {
        base: Duration::from_secs(5),
        max: Duration::from_secs(300),
    };

    /// The wait after `failures` failures in a row, from 1.
    pub fn delay(&self, failures: u32, entropy: &dyn Entropy) -> Duration {
        let ceiling = self.ceiling(failures);
        let ceiling_us = u64::try_from(ceiling.as_micros()).unwrap_or(u64::MAX);
        Duration::from_micros(entropy.below(ceiling_us.saturating_add(1)))
    }

    fn ceiling(&self, failures: u32) -> Duration {
        let doublings = failures.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.base.saturating_mul(factor).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use share_model::seam::SeededEntropy;

    use super::*;

    #[test]
    fn the_ceiling_doubles_with_each_failure_up_to_the_longest() {
        let ceilings = [1, 2, 3, 9, 10, 1000].map(|n| Backoff::TRANSPORT.ceiling(n).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 25_600, 30_000, 30_000]);
    }

    #[test]
    fn jitter_is_full_from_nothing_up_to_the_ceiling() {
        let (entropy, max) = (SeededEntropy::new(1), Duration::from_millis(10));
        let backoff = Backoff { base: max, max };
        let delays: Vec<_> = (0..1000).map(|_| backoff.delay(1, &entropy)).collect();
        assert!(delays.iter().all(|delay| *delay <= max));
        assert!(
            delays.iter().any(|delay| *delay < max / 10),
            "no short wait"
        );
        assert!(
            delays.iter().any(|delay| *delay > max / 10 * 9),
            "no long wait"
        );
    }
}
