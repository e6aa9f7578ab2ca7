//! How many of something one connection may hold.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use share_model::seam::Clock;
use tokio::sync::Notify;

use crate::fault::Fault;

/// Counts what is held.
#[derive(Debug)]
pub(super) struct Quota {
    what: &'static str,
    max: usize,
    held: Cell<usize>,
    /// Told when the first is taken, and when the last is given back: every call counts, and few wait.
    turned: Notify,
}

/// One that is held, until this is dropped.
#[derive(Debug)]
pub(super) struct Held(Rc<Quota>);

impl Quota {
    pub(super) fn new(what: &'static str, max: usize) -> Rc<Self> {
        Rc::new(Self {
            what,
            max,
            held: Cell::new(0),
            turned: Notify::new(),
        })
    }

    /// Takes one more.
    pub(super) fn take(self: &Rc<Self>) -> Result<Held, Fault> {
        let held = self.held.get();
        if held >= self.max {
            return Err(Fault::TooMany {
                what: self.what,
                max: self.max,
            });
        }
        self.held.set(held + 1);
        if held == 0 {
            self.turned.notify_waiters();
        }
        Ok(Held(Rc::clone(self)))
    }

    /// Waits until none is held.
    pub(super) async fn none_held(&self) {
        while self.held.get() > 0 {
            self.turned.notified().await;
        }
    }

    /// Waits until none was held for so long. Cancel safe, and begins anew each time.
    pub(super) async fn none_held_for(&self, clock: &dyn Clock, span: Duration) {
        loop {
            self.none_held().await;
            tokio::select! {
                biased;
                () = self.turned.notified() => {}
                () = clock.sleep(span) => return,
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = self.0.held.get() - 1;
        self.0.held.set(held);
        if held == 0 {
            self.0.turned.notify_waiters();
        }
    }
}
