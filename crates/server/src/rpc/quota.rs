//! How many of something one connection may hold.

use std::rc::Rc;
use std::time::Duration;

use share_model::seam::Clock;
use tokio::sync::watch;

use crate::fault::Fault;

/// Counts what is held.
#[derive(Debug)]
pub(super) struct Quota {
    what: &'static str,
    max: usize,
    held: watch::Sender<usize>,
}

/// One that is held, until this is dropped.
#[derive(Debug)]
pub(super) struct Held(Rc<Quota>);

impl Quota {
    pub(super) fn new(what: &'static str, max: usize) -> Rc<Self> {
        let held = watch::Sender::new(0);
        Rc::new(Self { what, max, held })
    }

    /// Takes one more.
    pub(super) fn take(self: &Rc<Self>) -> Result<Held, Fault> {
        let is_taken = self.held.send_if_modified(|held| {
            let has_room = *held < self.max;
            *held += usize::from(has_room);
            has_room
        });
        if is_taken {
            Ok(Held(Rc::clone(self)))
        } else {
            Err(Fault::TooMany {
                what: self.what,
                max: self.max,
            })
        }
    }

    /// Waits until none is held.
    pub(super) async fn none_held(&self) {
        let mut held = self.held.subscribe();
        // The sender lives as long as `self`.
        let _ = held.wait_for(|held| *held == 0).await;
    }

    /// Waits until none was held for so long. Cancel safe, and begins anew each time.
    pub(super) async fn none_held_for(&self, clock: &dyn Clock, span: Duration) {
        let mut held = self.held.subscribe();
        loop {
            // As above.
            let _ = held.wait_for(|held| *held == 0).await;
            tokio::select! {
                biased;
                _ = held.changed() => {}
                () = clock.sleep(span) => return,
            }
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.held.send_modify(|held| *held -= 1);
    }
}
