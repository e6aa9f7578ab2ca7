//! How long ago something was, for a person.

use share_model::UnixMs;
use share_model::seam::{Clock, SystemClock};

/// Now.
pub(crate) fn now() -> UnixMs {
    SystemClock.now()
}

/// From `then` to `now`, in the largest unit that fits.
pub(crate) fn between(then: UnixMs, now: UnixMs) -> String {
    in_largest_unit(now.get().saturating_sub(then.get()) / 1000)
}

/// What is left at `now` until `end`: as `between`, but of a second that has begun nothing is gone, so
/// that an hour that was just given is an hour.
pub(crate) fn left(now: UnixMs, end: UnixMs) -> String {
    in_largest_unit(end.get().saturating_sub(now.get()).div_ceil(1000))
}

fn in_largest_unit(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..60 => (seconds, "second"),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        let told = [
            (0, "0 seconds"),
            (59_999, "59 seconds"),
            (60_000, "1 minute"),
            (3_599_999, "59 minutes"),
            (3_600_000, "1 hour"),
            (86_399_999, "23 hours"),
            (86_400_000, "1 day"),
            (864_000_000, "10 days"),
        ];
        for (ms, text) in told {
            assert_eq!(between(UnixMs::new(5), UnixMs::new(5 + ms)), text);
        }
        let left_of = |ms: u64| left(UnixMs::new(5), UnixMs::new(5 + ms));
        assert_eq!(left_of(3_599_001), "1 hour");
        assert_eq!(left_of(3_599_000), "59 minutes");
        assert_eq!(left(UnixMs::new(5), UnixMs::ZERO), "0 seconds");
        // A clock that was set back.
        assert_eq!(between(UnixMs::new(5), UnixMs::ZERO), "0 seconds");
    }
}
