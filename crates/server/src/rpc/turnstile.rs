//! Where deliveries of one thread wait for each other, so that calls get their turn.

use std::cell::Cell;
use std::rc::Rc;

use tokio::sync::Semaphore;

/// How many pass in one turn while there are calls. Each push costs about as much as a call, so that a
/// writer's call waits for so many at most; fewer would have the thread look for calls more often than it
/// is worth.
const PASSES: usize = 10;

/// How many pass while nobody calls.
const PASSES_ALONE: usize = 32;

/// Lets only so many through in one turn of its thread's event loop, first come, first served: between
/// two turns the thread looks at its connections. However many readers a share has, what their pushes
/// leave of the thread is the writers'; what is committed meanwhile goes in one push.
#[derive(Debug)]
pub(crate) struct Turnstile {
    passes: Semaphore,
    /// How many were given out for this turn.
    given: Cell<usize>,
    /// Passes are given out again when the turn is over.
    is_turning: Cell<bool>,
    /// A call began since then.
    is_called: Cell<bool>,
}

impl Turnstile {
    /// One for the connections of a thread.
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Self {
            passes: Semaphore::new(PASSES),
            given: Cell::new(PASSES),
            is_turning: Cell::new(false),
            is_called: Cell::new(false),
        })
    }

    /// A call begins on the thread: others may follow, and are not to wait for long.
    pub(super) fn call_begins(&self) {
        self.is_called.set(true);
    }

    /// Waits for a place in a turn; there is one at once where few want one. Within a `LocalSet`. Cancel
    /// safe.
    pub(super) async fn pass(self: &Rc<Self>) {
        let pass = self.passes.acquire().await.expect("nobody closes it");
        pass.forget();
        if !self.is_turning.replace(true) {
            // Not the call whose op is on its way to readers.
            self.is_called.set(false);
            tokio::task::spawn_local(Rc::clone(self).turn());
        }
    }

    /// Gives passes out for turn after turn, until nobody takes any.
    async fn turn(self: Rc<Self>) {
        loop {
            // Goes on when the event loop has looked at what came.
            tokio::task::yield_now().await;
            // What went to somebody who waits is taken, whether that has run yet or not.
            if self.passes.available_permits() == self.given.get() {
                break;
            }
            self.give(match self.is_called.get() {
                true => PASSES,
                false => PASSES_ALONE,
            });
        }
        self.give(PASSES);
        self.is_turning.set(false);
    }

    fn give(&self, passes: usize) {
        let left = self.passes.available_permits();
        self.passes.forget_permits(left.saturating_sub(passes));
        self.passes.add_permits(passes.saturating_sub(left));
        self.given.set(passes);
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
                turnstile.pass().await;
                turnstile.call_begins();
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
    async fn more_pass_in_a_turn_until_somebody_calls() {
        let local = LocalSet::new();
        local
            .run_until(async {
                let (turnstile, passed) = (Turnstile::new(), Rc::new(Cell::new(0)));
                // What brought the op about is no call of others. The loop runs 61 tasks at a time.
                turnstile.call_begins();
                for _ in 0..100 * PASSES_ALONE {
                    let (turnstile, passed) = (Rc::clone(&turnstile), Rc::clone(&passed));
                    spawn_local(async move {
                        turnstile.pass().await;
                        passed.set(passed.get() + 1);
                    });
                }
                let mut most = [0; 2];
                for (calls, most) in most.iter_mut().enumerate() {
                    if calls > 0 {
                        turnstile.call_begins();
                        yield_now().await;
                    }
                    for _ in 0..70 {
                        let before = passed.get();
                        yield_now().await;
                        *most = (passed.get() - before).max(*most);
                    }
                }
                assert_eq!(most, [PASSES_ALONE, PASSES]);
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
