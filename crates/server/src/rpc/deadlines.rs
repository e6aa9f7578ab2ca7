//! The deadlines of a connection's calls.
//!
//! All calls have equally long, so the one that began first is late first: one timer does for all of
//! them. With a timer of its own for each, every call would set one and take it back, and the first
//! after a pause would wake its own thread for it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::fault::Fault;
use crate::owner::Outcome;

/// Until when the calls of a connection have to have their outcomes.
#[derive(Debug)]
pub(super) struct Deadlines {
    span: Duration,
    calls: RefCell<Calls>,
    /// Told when there is a call after there was none.
    begun: Notify,
}

#[derive(Debug, Default)]
struct Calls {
    begun: u64,
    /// By their numbers, so that the first is late first. Who is late is taken away.
    waiting: BTreeMap<u64, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    deadline: Instant,
    waker: Waker,
}

/// A call that waits, until this is dropped.
struct Begun<'a>(&'a Deadlines, u64);

impl Deadlines {
    pub(super) fn new(span: Duration) -> Self {
        Self {
            span,
            calls: RefCell::default(),
            begun: Notify::new(),
        }
    }

    /// The outcome, if it comes before the deadline. What was asked for goes on all the same.
    pub(super) async fn within<T>(&self, outcome: impl Future<Output = Outcome<T>>) -> Outcome<T> {
        let mut outcome = pin!(outcome);
        let mut begun = None;
        poll_fn(|context| {
            if let Poll::Ready(outcome) = outcome.as_mut().poll(context) {
                return Poll::Ready(outcome);
            }
            let call = begun.get_or_insert_with(|| self.begin());
            if call.is_late(context) {
                return Poll::Ready(Err(Fault::Deadline {
                    ms: self.span.as_millis(),
                }));
            }
            Poll::Pending
        })
        .await
    }

    /// Wakes the calls that are late, as long as this is polled.
    pub(super) async fn run(&self) -> Infallible {
        loop {
            let first = self
                .calls
                .borrow()
                .waiting
                .values()
                .next()
                .map(|call| call.deadline);
            match first {
                Some(deadline) => {
                    // The call may have its outcome long before that: then the next one is looked at.
                    let late = tokio::time::timeout_at(deadline, pending::<()>());
                    // Nothing pending comes.
                    let _ = late.await;
                    self.wake_late();
                }
                None => self.begun.notified().await,
            }
        }
    }

    fn begin(&self) -> Begun<'_> {
        let mut calls = self.calls.borrow_mut();
        calls.begun += 1;
        let number = calls.begun;
        let call = Waiting {
            deadline: after(self.span),
            waker: Waker::noop().clone(),
        };
        let is_only = calls.waiting.is_empty();
        calls.waiting.insert(number, call);
        drop(calls);
        if is_only {
            self.begun.notify_waiters();
        }
        Begun(self, number)
    }

    fn wake_late(&self) {
        let now = Instant::now();
        loop {
            let late = self.calls.borrow_mut().take_late(now);
            match late {
                Some(call) => call.waker.wake(),
                None => return,
            }
        }
    }
}

impl Calls {
    fn take_late(&mut self, now: Instant) -> Option<Waiting> {
        let first = self.waiting.first_entry()?;
        (first.get().deadline <= now).then(|| first.remove())
    }
}

impl Begun<'_> {
    /// Whether its deadline has come; if not, the task is woken when it comes.
    fn is_late(&self, context: &Context<'_>) -> bool {
        match self.0.calls.borrow_mut().waiting.get_mut(&self.1) {
            Some(call) => {
                call.waker.clone_from(context.waker());
                false
            }
            None => true,
        }
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.calls.borrow_mut().waiting.remove(&self.1);
    }
}

/// In so long, or in a year.
fn after(span: Duration) -> Instant {
    const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);
    let now = Instant::now();
    now.checked_add(span).unwrap_or(now + YEAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(30);

    async fn pause(ms: u64) {
        let pause = tokio::time::timeout(Duration::from_millis(ms), pending::<()>());
        assert!(pause.await.is_err());
    }

    /// What comes of the calls while late ones are woken.
    async fn running<T>(deadlines: &Deadlines, calls: impl Future<Output = T>) -> T {
        tokio::select! {
            never = deadlines.run() => match never {},
            came = calls => came,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_call_is_late_at_its_own_time() {
        let deadlines = Deadlines::new(SPAN);
        let start = Instant::now();
        let late_after = async |wait_ms: u64| {
            pause(wait_ms).await;
            let outcome: Outcome<()> = deadlines.within(pending()).await;
            assert!(matches!(outcome, Err(Fault::Deadline { ms: 30_000 })));
            start.elapsed().as_millis()
        };
        let calls = async {
            tokio::join!(
                late_after(0),
                late_after(10_000),
                late_after(10_000),
                late_after(50_000)
            )
        };
        let late = running(&deadlines, calls).await;
        assert_eq!(late, (30_000, 40_000, 40_000, 80_000));
        assert!(deadlines.calls.borrow().waiting.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn of_calls_that_came_in_time_or_were_dropped_nothing_is_kept_and_the_next_is_late_in_time()
     {
        let deadlines = Deadlines::new(SPAN);
        let start = Instant::now();
        let calls = async {
            let in_time = async {
                pause(29_000).await;
                Ok(Ok(7))
            };
            let came = deadlines.within(in_time).await.unwrap().unwrap();
            let dropped = deadlines.within::<()>(pending());
            let dropped = tokio::time::timeout(Duration::from_millis(500), dropped).await;
            assert!(dropped.is_err() && deadlines.calls.borrow().waiting.is_empty());
            let late = deadlines.within::<()>(pending()).await;
            assert!(late.is_err());
            (came, start.elapsed().as_millis())
        };
        assert_eq!(running(&deadlines, calls).await, (7, 59_500));
    }

    #[tokio::test(start_paused = true)]
    async fn a_span_beyond_all_time_is_no_fault() {
        let deadlines = Deadlines::new(Duration::MAX);
        let in_time = async {
            pause(1).await;
            Ok(Ok(7))
        };
        let came = running(&deadlines, deadlines.within(in_time)).await;
        assert_eq!(came.unwrap().unwrap(), 7);
    }
}
