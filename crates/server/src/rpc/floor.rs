//! How long a refused redeem takes: always a multiple of one span of time.
//!
//! What a refusal costs differs a little with what exists, and whoever measures often enough would
//! see it (`docs/decisions/0007-a-refused-redeem-takes-a-fixed-time.md`).

use std::time::Duration;

use share_model::seam::Clock;
use share_model::{Refusal, RefusalCode};

use crate::owner::Outcome;

/// The span. Far more than a refusal takes, and less than a person notices.
const SPAN: Duration = Duration::from_millis(10);

/// The outcome of a redeem; that of one that proved nothing comes at the end of the span in which it
/// was found, counted from here. Others come at once.
pub(crate) async fn level<T>(
    clock: &dyn Clock,
    redeeming: impl Future<Output = Outcome<T>>,
) -> Outcome<T> {
    let mut redeeming = std::pin::pin!(redeeming);
    let mut span = clock.sleep(SPAN);
    let outcome = loop {
        tokio::select! {
            biased;
            outcome = &mut redeeming => break outcome,
            () = &mut span => span = clock.sleep(SPAN),
        }
    };
    if let Ok(Err(Refusal {
        code: RefusalCode::NotAuthorized,
        ..
    })) = outcome
    {
        span.await;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use share_model::seam::SimulatedClock;
    use share_model::{Refusal, UnixMs};

    use super::*;

    /// Milliseconds that a redeem takes whose work takes `work`, of which `outcome` comes.
    async fn taken(work: u64, outcome: Outcome<()>) -> u64 {
        let clock = SimulatedClock::starting_at(UnixMs::new(0));
        let redeeming = async {
            if work > 0 {
                clock.sleep(Duration::from_millis(work)).await;
            }
            outcome
        };
        // The outcome is compared by the time that it took.
        let _ = level(&clock, redeeming).await;
        clock.now().get()
    }

    #[tokio::test(start_paused = true)]
    async fn a_redeem_that_proves_nothing_is_refused_at_the_end_of_a_span_whatever_it_cost() {
        for (work, expected) in [(0, 10), (1, 10), (9, 10), (11, 20), (25, 30)] {
            let refused = Ok(Err(Refusal::not_authorized()));
            assert_eq!(taken(work, refused).await, expected, "work {work}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_proven_a_grant_does_not_wait() {
        let gone = Refusal::new(RefusalCode::Gone, "deleted");
        for outcome in [Ok(Ok(())), Ok(Err(gone))] {
            assert_eq!(taken(1, outcome).await, 1);
        }
    }
}
