//! Where deliveries of one thread wait for each other, so that calls get their turn.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Semaphore;

/// How many pass in one turn. Each push costs about as much as a call, so that a writer's call waits for
/// so many at most; fewer would have the thread look for calls more often than it is worth.
const PASSES: usize = 6;

/// Lets only so many through in one turn of its thread's event loop, first come, first served: between
/// two turns the thread looks at its connections. However many readers a share has, what their pushes
/// leave of the thread is the writers'; what is committed meanwhile goes in one push.
#[derive(Debug)]
pub(crate) struct Turnstile {
    passes: Semaphore,
    /// Passes are given out again when the turn is over.
    is_turning: Cell<bool>,
}

impl Turnstile {
    /// One for the deliveries of a thread.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            passes: Semaphore::new(PASSES),
            is_turning: Cell::new(false),
        })
    }

    /// Waits for a place in a turn; there is one at once where few want one. Within a `LocalSet`. Cancel
    /// safe.
    pub(super) async fn pass(self: &Rc<Self>) {
        let pass = self.passes.acquire().await.expect("nobody closes it");
        pass.forget();
        if !self.is_turning.replace(true) {
            tokio::task::spawn_local(Rc::clone(self).turn());
        }
    }

    /// Gives out what was used in a turn for the next, until nothing was.
    async fn turn(self: Rc<Self>) {
        loop {
            // Goes on when the event loop has looked at what came.
            tokio::task::yield_now().await;
            // What went to somebody who waits counts as used, whether that has run yet or not.
            let used = PASSES.saturating_sub(self.passes.available_permits());
            if used == 0 {
                break;
            }
            self.passes.add_permits(used);
        }
        self.is_turning.set(false);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures_util::FutureExt;
    use tokio::task::{LocalSet, spawn_local, yield_now};

    use super::*;

    #[tokio::test]
    async fn few_pass_at_once_and_one_more_waits_for_the_next_turn() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let turnstile = Turnstile::new();
                for _ in 0..PASSES {
                    assert!(turnstile.pass().now_or_never().is_some());
                }
                assert!(turnstile.pass().now_or_never().is_none());
                turnstile.pass().await;
            })
            .await;
    }

    #[tokio::test]
    async fn who_waits_passes_in_order_and_others_run_between_the_turns() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let (turnstile, passed) = (Turnstile::new(), Rc::new(RefCell::new(Vec::new())));
                for number in 0..5 * PASSES {
                    let (turnstile, passed) = (Rc::clone(&turnstile), Rc::clone(&passed));
                    spawn_local(async move {
                        turnstile.pass().await;
                        passed.borrow_mut().push(number);
                    });
                }
                let mut seen = 0;
                while seen < 5 * PASSES {
                    yield_now().await;
                    let now = passed.borrow().len();
                    assert!(now - seen <= PASSES, "{} at once", now - seen);
                    seen = now;
                }
                assert!(passed.borrow().is_sorted());
            })
            .await;
    }

    #[tokio::test]
    async fn who_goes_away_while_it_waits_takes_no_place() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let turnstile = Turnstile::new();
                for is_given_a_place in [false, true] {
                    for _ in 0..PASSES {
                        turnstile.pass().await;
                    }
                    let mut gone = Box::pin(turnstile.pass());
                    assert!(gone.as_mut().now_or_never().is_none());
                    if is_given_a_place {
                        yield_now().await;
                        yield_now().await;
                    }
                    drop(gone);
                    turnstile.pass().await;
                    while turnstile.is_turning.get() {
                        yield_now().await;
                    }
                }
                assert_eq!(turnstile.passes.available_permits(), PASSES);
            })
            .await;
    }
}
