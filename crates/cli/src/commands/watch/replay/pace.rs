//! How fast a replay goes.

use share_model::UnixMs;

/// The speeds that keys go through.
const SPEEDS: [u32; 7] = [1, 2, 5, 10, 20, 30, SPEED_MAX];
/// The highest speed.
pub(in crate::commands::watch) const SPEED_MAX: u32 = 50;
/// What a replay waits at most for its next op, at its first speed: nobody watches an agent session sleep.
const IDLE_MAX_MS: u64 = 2_000;
/// What one look at the clock may bring, if it was long in coming.
const PASSED_MAX_MS: u64 = 1_000;

/// Time of the session that has passed and was not yet used.
#[derive(Debug)]
pub(in crate::commands::watch) struct Pace {
    speed: u32,
    is_paused: bool,
    left_ms: u64,
    looked_at: Option<UnixMs>,
}

impl Pace {
    pub(super) fn new(speed: u32) -> Self {
        Self {
            speed: speed.clamp(1, SPEED_MAX),
            is_paused: false,
            left_ms: 0,
            looked_at: None,
        }
    }

    pub(super) fn speed(&self) -> u32 {
        self.speed
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused
    }

    pub(in crate::commands::watch) fn pause(&mut self) {
        self.is_paused = !self.is_paused;
        self.wait();
    }

    pub(in crate::commands::watch) fn faster(&mut self) {
        let faster = SPEEDS.iter().find(|speed| **speed > self.speed);
        self.speed = faster.copied().unwrap_or(SPEED_MAX);
    }

    pub(in crate::commands::watch) fn slower(&mut self) {
        let slower = SPEEDS.iter().rfind(|speed| **speed < self.speed);
        self.speed = slower.copied().unwrap_or(1);
    }

    /// Looks at the clock.
    pub(super) fn pass(&mut self, now: UnixMs) {
        let before = self.looked_at.replace(now).unwrap_or(now);
        // Clocks go backwards too.
        let passed = now.get().saturating_sub(before.get()).min(PASSED_MAX_MS);
        if !self.is_paused {
            self.left_ms += passed * u64::from(self.speed);
        }
    }

    /// What has passed is not to be made up for.
    pub(super) fn wait(&mut self) {
        self.left_ms = 0;
        self.looked_at = None;
    }

    /// Whether it is time for an op, and takes that time.
    pub(super) fn is_due(&mut self, before: Option<UnixMs>, at: UnixMs) -> bool {
        if self.is_paused {
            return false;
        }
        let gap = before.map_or(0, |before| at.get().saturating_sub(before.get()));
        match self.left_ms.checked_sub(gap.min(IDLE_MAX_MS)) {
            Some(left) => {
                self.left_ms = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_is_due_when_its_time_has_passed_as_often_as_the_speed_says() {
        let at = UnixMs::new;
        let mut pace = Pace::new(10);
        pace.pass(at(1_000));
        assert!(!pace.is_due(Some(at(0)), at(500)));
        pace.pass(at(1_050));
        assert!(pace.is_due(Some(at(0)), at(500)));
        assert!(!pace.is_due(Some(at(500)), at(501)));
        // A day without an op is two seconds.
        pace.pass(at(1_250));
        assert!(pace.is_due(Some(at(501)), at(86_400_000)));
        pace.pause();
        pace.pass(at(9_000));
        assert!(!pace.is_due(None, at(0)));
    }

    #[test]
    fn speeds_go_from_1_to_50() {
        let mut pace = Pace::new(3);
        pace.faster();
        assert_eq!(pace.speed(), 5);
        for _ in 0..9 {
            pace.faster();
        }
        assert_eq!(pace.speed(), SPEED_MAX);
        for _ in 0..9 {
            pace.slower();
        }
        assert_eq!(pace.speed(), 1);
    }
}
