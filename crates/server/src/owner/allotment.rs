//! What one subtree of grants may use of a share: so that who floods a share by one grant, on however
//! many connections, leaves room for the others.

use std::collections::BTreeMap;
use std::sync::Arc;

use share_model::GrantId;
use share_model::seam::Clock;
use tokio::sync::OwnedSemaphorePermit;

use super::OwnerLimits;
use super::handle::Budget;
use crate::fault::Fault;
use crate::rate::Rate;

/// How much of a share's queue one subtree has at most, in quarters.
const QUARTERS: usize = 3;

/// What one subtree of grants may use, as ledgers count them; the owner's own grant is one more.
#[derive(Debug)]
pub(crate) struct Allotment {
    /// Ops and bytes that are appended per second.
    appends: Rate,
    append_bytes: Rate,
    /// Calls in the share's queue, and their bytes.
    calls: Budget,
    calls_max: usize,
    bytes: Budget,
}

/// What a call takes of an allotment, while it waits.
pub(crate) type Taken = [OwnedSemaphorePermit; 2];

impl Allotment {
    /// Waits until a batch may be appended, one caller after the other. Dropped while it waits, it has
    /// at most taken its ops.
    pub(crate) async fn take_append(&self, ops: u32, bytes: u32) {
        self.appends.take(ops).await;
        self.append_bytes.take(bytes).await;
    }

    /// Room for a call in the share's queue.
    pub(super) fn take_room(&self, bytes: usize) -> Result<Taken, Fault> {
        Ok([
            self.calls.take_one(self.calls_max)?,
            self.bytes.take(bytes)?,
        ])
    }

    fn is_as_new(&self) -> bool {
        self.appends.is_as_new() && self.append_bytes.is_as_new()
    }
}

/// The allotments of a share.
#[derive(Debug)]
pub(super) struct Allotments {
    limits: Arc<OwnerLimits>,
    clock: Arc<dyn Clock>,
    given: BTreeMap<Option<GrantId>, Arc<Allotment>>,
}

impl Allotments {
    pub(super) fn new(limits: &Arc<OwnerLimits>, clock: &Arc<dyn Clock>) -> Self {
        Self {
            limits: Arc::clone(limits),
            clock: Arc::clone(clock),
            given: BTreeMap::new(),
        }
    }

    /// The allotment of a subtree; `None`: of the owner's own grant.
    pub(super) fn of(&mut self, subtree: Option<GrantId>) -> Arc<Allotment> {
        if let Some(allotment) = self.given.get(&subtree) {
            return Arc::clone(allotment);
        }
        // Nobody can tell a new one from one that nobody has and that is full.
        self.given
            .retain(|_, given| Arc::strong_count(given) > 1 || !given.is_as_new());
        let limits = &*self.limits;
        let rate = |per_second| Rate::new(per_second, Arc::clone(&self.clock));
        let most = |of: usize| of.div_ceil(4).saturating_mul(QUARTERS);
        let calls_max = most(limits.queue_calls_max);
        let allotment = Arc::new(Allotment {
            appends: rate(limits.appends_per_second),
            append_bytes: rate(limits.append_bytes_per_second),
            calls: Budget::of_calls(calls_max),
            calls_max,
            bytes: Budget::of(most(limits.queue_bytes_max)),
        });
        self.given.insert(subtree, Arc::clone(&allotment));
        allotment
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use share_model::UnixMs;
    use share_model::seam::SimulatedClock;

    use super::*;

    fn allotments(clock: SimulatedClock) -> Allotments {
        let limits = OwnerLimits {
            appends_per_second: 10,
            append_bytes_per_second: 1000,
            queue_calls_max: 4,
            queue_bytes_max: 40 << 10,
            ..OwnerLimits::default()
        };
        let clock: Arc<dyn Clock> = Arc::new(clock);
        Allotments::new(&Arc::new(limits), &clock)
    }

    fn grant(number: u8) -> Option<GrantId> {
        Some(GrantId::from_bytes([number; 16]))
    }

    #[tokio::test(start_paused = true)]
    async fn a_subtree_has_one_rate_while_it_is_used_and_nothing_is_kept_of_one_that_is_not() {
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        let mut allotments = allotments(clock);
        let first = allotments.of(grant(1));
        first.take_append(20, 2000).await;
        assert_eq!(clock.now().get(), 0, "two seconds' worth is there at once");
        drop(first);
        // Given up and taken again, it is as it was.
        let again = allotments.of(grant(1));
        allotments.of(None).take_append(20, 2000).await;
        assert_eq!(clock.now().get(), 0, "of another subtree");
        again.take_append(1, 0).await;
        assert_eq!(clock.now().get(), 101);
        again.take_append(0, 1500).await;
        assert_eq!(clock.now().get(), 1501);
        drop(again);
        clock.sleep(Duration::from_secs(2)).await;
        allotments.of(grant(2));
        assert_eq!(allotments.given.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_subtree_has_three_quarters_of_the_queue_and_leaves_the_rest() {
        let mut allotments = allotments(SimulatedClock::starting_at(UnixMs::new(0)));
        let flooded = allotments.of(grant(1));
        let mut taken: Vec<_> = (0..3).map(|_| flooded.take_room(0).unwrap()).collect();
        let fault = flooded.take_room(0).unwrap_err();
        assert!(matches!(fault, Fault::QueueFull { calls: 3 }), "{fault}");
        assert!(allotments.of(grant(2)).take_room(0).is_ok());
        taken.clear();
        let thirty = flooded.take_room(30 << 10).unwrap();
        assert!(matches!(flooded.take_room(1), Err(Fault::BytesFull)));
        assert!(allotments.of(None).take_room(30 << 10).is_ok());
        drop(thirty);
        assert!(flooded.take_room(1).is_ok());
    }
}
