//! Waking one task when something has changed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};

/// One task waits here for a change.
#[derive(Debug, Default)]
pub(crate) struct Bell(RefCell<Option<Waker>>);

impl Bell {
    /// Something has changed: whoever waits looks again.
    pub(crate) fn ring(&self) {
        let waiting = self.0.take();
        if let Some(waker) = waiting {
            waker.wake();
        }
    }

    /// Has the task woken at the next ring, in place of whoever waited.
    pub(crate) fn listen(&self, context: &Context<'_>) {
        let mut waiting = self.0.borrow_mut();
        match &mut *waiting {
            Some(waker) => waker.clone_from(context.waker()),
            None => *waiting = Some(context.waker().clone()),
        }
    }

    /// Waits until there is an answer, which is asked for after each ring. Cancel safe.
    pub(crate) async fn until<T>(&self, mut answer: impl FnMut() -> Option<T>) -> T {
        poll_fn(|context| match answer() {
            Some(answer) => Poll::Ready(answer),
            None => {
                self.listen(context);
                Poll::Pending
            }
        })
        .await
    }
}
