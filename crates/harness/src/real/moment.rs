//! When something was seen, so that what several processes of one machine saw can be put in order.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds by the machine's monotonic clock, which all its processes share and no jump of the
/// time of day moves.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub(super) struct Moment(u64);

impl Moment {
    /// Now.
    pub(super) fn now() -> Self {
        let time = clock_gettime(ClockId::Monotonic);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self(seconds * 1_000_000_000 + nanoseconds)
    }

    /// Whole milliseconds since the machine's clock began: tells names apart.
    pub(super) fn ms_since_boot(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Whole milliseconds since `earlier`; zero if it is later.
    pub(super) fn ms_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn milliseconds_between_two_moments_are_whole_and_never_negative() {
        let (early, late) = (Moment(5_000_000), Moment(7_999_999));
        assert_eq!(late.ms_since(early), 2);
        assert_eq!(early.ms_since(late), 0);
        assert!(Moment::now() <= Moment::now());
    }
}
