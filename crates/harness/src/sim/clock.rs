//! The clock of a simulated machine: the run's time, and what the machine's clock is off by.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use share_model::UnixMs;
use share_model::seam::{Clock, Sleep, SystemClock};

/// When every run begins: 2026-01-01.
const BEGIN_MS: u64 = 1_767_225_600_000;

/// A machine's clock.
#[derive(Debug, Default)]
pub(crate) struct SimClock {
    off_ms: AtomicI64,
    /// What was last known, for whoever asks between two hosts' turns.
    elapsed_ms: AtomicU64,
}

impl SimClock {
    /// The clock jumps by so many milliseconds.
    pub(crate) fn jump(&self, by_ms: i64) {
        self.off_ms.fetch_add(by_ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn now(&self) -> UnixMs {
        if let Some(elapsed) = turmoil::sim_elapsed() {
            let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            self.elapsed_ms.store(ms, Ordering::Relaxed);
        }
        let elapsed = BEGIN_MS.saturating_add(self.elapsed_ms.load(Ordering::Relaxed));
        UnixMs::new(elapsed.saturating_add_signed(self.off_ms.load(Ordering::Relaxed)))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}
