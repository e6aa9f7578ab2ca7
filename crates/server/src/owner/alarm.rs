//! When an owner has to do something without a call.

use std::time::Duration;

use share_model::UnixMs;
use share_model::seam::{Clock, Sleep};

/// Rings at a time. It is set at each of the owner's steps, mostly to the time to which it was set
/// before, and only another one costs a timer.
#[derive(Default)]
pub(super) struct Alarm {
    at: Option<UnixMs>,
    /// `None`: it has rung, or there is nothing to wait for.
    sleep: Option<Sleep>,
}

impl Alarm {
    /// Rings at this time from now on, or never. A time that has come by the clock as it is now, which
    /// may have been put forward, rings at once.
    pub(super) fn set(&mut self, at: Option<UnixMs>, clock: &dyn Clock) {
        let left = at.map(|at| at.get().saturating_sub(clock.now().get()));
        let is_set = self.at == at && self.sleep.is_some() == at.is_some();
        if is_set && left != Some(0) {
            return;
        }
        self.at = at;
        self.sleep = left.map(|left| clock.sleep(Duration::from_millis(left)));
    }

    /// Waits until it rings. Cancel safe.
    pub(super) async fn rings(&mut self) {
        match &mut self.sleep {
            Some(sleep) => sleep.await,
            None => std::future::pending().await,
        }
        self.sleep = None;
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use share_model::seam::SimulatedClock;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_rings_when_it_was_set_to_and_not_before_or_again() {
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        let mut alarm = Alarm::default();
        alarm.set(None, &clock);
        assert_eq!(alarm.rings().now_or_never(), None);
        alarm.set(Some(UnixMs::new(50)), &clock);
        clock.sleep(Duration::from_millis(20)).await;
        alarm.set(Some(UnixMs::new(50)), &clock);
        assert_eq!(alarm.rings().now_or_never(), None);
        alarm.rings().await;
        assert_eq!(clock.now().get(), 50);
        assert_eq!(alarm.rings().now_or_never(), None);
        alarm.set(Some(UnixMs::new(40)), &clock);
        alarm.rings().await;
        assert_eq!(clock.now().get(), 50, "what is due rings at once");
    }
}
