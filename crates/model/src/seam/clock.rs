//! The clock, and how to sleep by it.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::ids::UnixMs;

/// A sleep that has begun.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What time it is, and how to wait.
pub trait Clock: Debug + Send + Sync {
    /// The time of day. May go backwards, as clocks of machines do.
    fn now(&self) -> UnixMs;

    /// Ends after `duration`. Needs a tokio runtime with time.
    fn sleep(&self, duration: Duration) -> Sleep;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        #[expect(clippy::disallowed_methods, reason = "this is the seam")]
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        UnixMs::new(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        #[expect(clippy::disallowed_methods, reason = "this is the seam")]
        let sleep = tokio::time::sleep(duration);
        Box::pin(sleep)
    }
}

/// A clock that goes with tokio's virtual time.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedClock {
    epoch: UnixMs,
    origin: tokio::time::Instant,
}

impl SimulatedClock {
    /// A clock that shows `epoch` now. Needs a tokio runtime with time.
    pub fn starting_at(epoch: UnixMs) -> Self {
        Self {
            epoch,
            origin: tokio::time::Instant::now(),
        }
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> UnixMs {
        let since = self.origin.elapsed().as_millis();
        self.epoch.plus_ms(u64::try_from(since).unwrap_or(u64::MAX))
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        SystemClock.sleep(duration)
    }
}
