//! What subscribers get, and how long after it was sent.

use std::cell::RefCell;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::lane::Span;
use crate::report::Samples;

/// What all subscribers of one writer got. Sender and subscribers have one clock: this process's.
#[derive(Debug)]
pub(crate) struct Arrivals {
    span: Span,
    live: watch::Sender<usize>,
    inner: RefCell<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// When each op was sent, from the one with `first` on.
    sent: Vec<Instant>,
    first: u64,
    samples: Samples,
}

impl Arrivals {
    /// Of ops that are sent from seq `first` on, counted within `span`.
    pub(crate) fn new(first: u64, span: Span) -> Self {
        Self {
            span,
            live: watch::channel(0).0,
            inner: RefCell::new(Inner {
                first,
                ..Inner::default()
            }),
        }
    }

    /// The next op is sent; told before it is, whatever becomes of its ack.
    pub(crate) fn sent(&self, at: Instant) {
        self.inner.borrow_mut().sent.push(at);
    }

    /// These ops came to one subscriber.
    pub(crate) fn came(&self, seqs: impl Iterator<Item = u64>) {
        let now = Instant::now();
        if now < self.span.begin || now > self.span.end {
            return;
        }
        let mut inner = self.inner.borrow_mut();
        let Inner {
            sent,
            first,
            samples,
        } = &mut *inner;
        for seq in seqs {
            let index = seq
                .checked_sub(*first)
                .and_then(|index| usize::try_from(index).ok());
            if let Some(sent) = index.and_then(|index| sent.get(index)) {
                samples.add(now.saturating_duration_since(*sent), 1);
            }
        }
    }

    /// One more subscriber gets what is sent from now on.
    pub(crate) fn is_live(&self) {
        self.live.send_modify(|live| *live += 1);
    }

    /// Waits until so many are live; false if they are not in time.
    pub(crate) async fn wait_live(&self, count: usize, patience: Duration) -> bool {
        let mut live = self.live.subscribe();
        let waited = tokio::time::timeout(patience, live.wait_for(|live| *live >= count)).await;
        waited.is_ok_and(|waited| waited.is_ok())
    }

    /// What came, and how late.
    pub(crate) fn samples(&self) -> Samples {
        let mut samples = std::mem::take(&mut self.inner.borrow_mut().samples);
        samples.end(self.span.end - self.span.begin);
        samples
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_op_counts_once_for_each_subscriber_and_from_when_it_was_sent() {
        let begin = Instant::now().checked_sub(Duration::from_secs(1)).unwrap();
        let end = begin + Duration::from_secs(100);
        let arrivals = Arrivals::new(7, Span { begin, end });
        arrivals.sent(begin);
        for _ in 0..3 {
            arrivals.came([6, 7, 8].into_iter());
        }
        let samples = arrivals.samples();
        assert_eq!(
            samples.calls(),
            3,
            "op 6 was sent before, op 8 was not sent"
        );
        assert!(samples.times_ms().iter().all(|ms| *ms >= 1000.0));
    }
}
