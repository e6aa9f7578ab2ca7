//! What waits for company on its way to the storage thread: enqueues of a stream, and steps of the
//! replay. All of it goes with whatever goes next, in one transaction.

use std::time::Duration;

use share_model::UnixMs;

/// Enqueues of a stream that wait for company; with one more they have enough of it, and go.
pub(super) const STREAMED_MAX: usize = 128;

/// Jobs that wait for others.
#[derive(Debug)]
pub(super) struct Waiting<J> {
    /// They go first, so that a step of the replay sees what becomes durable with it, and neighbours
    /// stay neighbours.
    enqueues: Vec<J>,
    steps: Vec<J>,
    /// Counts up whenever all that waits goes.
    round: u64,
    /// When the last enqueue of a stream came.
    last: Option<UnixMs>,
}

impl<J> Waiting<J> {
    pub(super) fn new() -> Self {
        Self {
            enqueues: Vec::new(),
            steps: Vec::new(),
            round: 0,
            last: None,
        }
    }

    /// Whether an enqueue of a stream that comes now is to wait for up to `delay`: only if the one
    /// before it came so short a while ago. Then another one is likely to come within it.
    pub(super) fn is_steady(&mut self, now: UnixMs, delay: Duration) -> bool {
        let last = self.last.replace(now);
        // A clock that was put back says nothing of how long ago that was.
        let ago = last.and_then(|last| now.get().checked_sub(last.get()));
        ago.is_some_and(|ms| u128::from(ms) < delay.as_millis())
    }

    /// An enqueue waits, for the round that is told; whether there is room for more.
    #[must_use]
    pub(super) fn add_enqueue(&mut self, job: J) -> (u64, bool) {
        self.enqueues.push(job);
        (self.round, self.enqueues.len() <= STREAMED_MAX)
    }

    /// A step of the replay waits, for the round that is told.
    #[must_use]
    pub(super) fn add_step(&mut self, job: J) -> u64 {
        self.steps.push(job);
        self.round
    }

    /// Whether what waited for this round has not gone yet.
    pub(super) fn is_waiting(&self, round: u64) -> bool {
        self.round == round
    }

    /// All that waits, in the order in which it is to be done.
    pub(super) fn take(&mut self) -> Vec<J> {
        self.round += 1;
        let mut jobs = std::mem::take(&mut self.enqueues);
        jobs.append(&mut self.steps);
        jobs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enqueues_go_before_steps_and_each_kind_in_its_order() {
        let mut waiting = Waiting::new();
        let round = waiting.add_step(1);
        assert_eq!(waiting.add_enqueue(2), (round, true));
        assert_eq!(waiting.add_step(3), round);
        assert_eq!(waiting.add_enqueue(4), (round, true));
        assert!(waiting.is_waiting(round));
        assert_eq!(waiting.take(), [2, 4, 1, 3]);
        assert!(!waiting.is_waiting(round));
        assert_eq!(waiting.take(), [0; 0]);
    }

    #[test]
    fn so_many_enqueues_wait_and_with_one_more_they_go() {
        let mut waiting = Waiting::new();
        assert!((0..STREAMED_MAX).all(|job| waiting.add_enqueue(job).1));
        assert!(!waiting.add_enqueue(STREAMED_MAX).1);
    }

    #[test]
    fn only_what_follows_another_within_the_delay_waits() {
        let mut waiting: Waiting<()> = Waiting::new();
        let delay = Duration::from_millis(40);
        let mut is_steady = |now| waiting.is_steady(UnixMs::new(now), delay);
        assert!(!is_steady(1000), "nothing came before");
        assert!(is_steady(1039));
        assert!(!is_steady(1079), "a pause");
        assert!(is_steady(1080));
        assert!(!is_steady(500), "a clock that was put back");
        assert!(is_steady(501));
        assert!(!waiting.is_steady(UnixMs::new(502), Duration::ZERO));
    }
}
