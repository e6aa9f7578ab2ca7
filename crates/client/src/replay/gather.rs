//! Gathering: while ops trickle in, a few are waited for before the next look at the outbox, so that a
//! stream of them costs a batch for every few and not for each.

use std::rc::Rc;
use std::time::Duration;

use share_model::UnixMs;
use share_model::seam::{Clock, Sleep};
use tokio::sync::watch;

use super::traffic::Traffic;
use crate::outbox::OutboxOptions;

/// How long ops gather after a look that was of use. The first op after a pause waits for nothing, and
/// nothing gathers while somebody waits for a flush.
const GATHER: Duration = Duration::from_millis(40);

/// Looks of use that follow each other within so many milliseconds are of a stream of ops.
const STREAM_MS: u64 = 200;
/// How long a step of the replay waits for an op of a stream, to become durable with it: then it costs
/// no commit of its own.
const PATIENCE: Duration = Duration::from_millis(10);

/// When to look at what was enqueued.
#[derive(Default)]
pub(super) struct Gather {
    /// When the last look was that was of use.
    last: Option<UnixMs>,
    /// Ops trickle in, and more are to be expected.
    is_stream: bool,
    /// Runs since the last look that was of use.
    since: Option<Sleep>,
    /// Something was enqueued since the last look.
    is_news: bool,
    /// That was told.
    is_told: bool,
}

impl Gather {
    /// The outbox is looked at: what is enqueued from now on, and not before, is news.
    pub(super) fn look(&mut self, changes: &mut watch::Receiver<u64>) {
        changes.mark_unchanged();
        (self.is_news, self.is_told) = (false, false);
    }

    /// A look was of use, and found all that there was, or a part: what comes from now on gathers for a
    /// while.
    pub(super) fn begin(&mut self, clock: &dyn Clock, is_part: bool) {
        self.since = Some(clock.sleep(GATHER));
        let now = clock.now();
        // A clock that was put back says nothing of how long ago that was.
        let ago = |last: UnixMs| now.get().checked_sub(last.get());
        let is_soon = self.last.and_then(ago).is_some_and(|ms| ms < STREAM_MS);
        self.is_stream = is_soon && !is_part;
        self.last = Some(now);
    }

    /// Ops trickle in, and more are to be expected.
    pub(super) fn is_stream(&self) -> bool {
        self.is_stream
    }

    /// Ends when a step of the replay is not to wait for the next op any longer: at once, unless ops
    /// trickle in and nobody waits for a flush.
    pub(super) fn patience(
        &self,
        clock: &dyn Clock,
        traffic: &Rc<Traffic>,
    ) -> impl Future<Output = ()> + use<> {
        self.patience_of(PATIENCE, clock, traffic)
    }

    /// The same for answers, and what is sent with them: they wait for what is being enqueued to become
    /// durable.
    pub(super) fn patience_of_answers(
        &self,
        options: &OutboxOptions,
        traffic: &Rc<Traffic>,
    ) -> impl Future<Output = ()> + use<> {
        let patience = options.commit_delay.saturating_add(PATIENCE);
        self.patience_of(patience, &*options.clock, traffic)
    }

    fn patience_of(
        &self,
        patience: Duration,
        clock: &dyn Clock,
        traffic: &Rc<Traffic>,
    ) -> impl Future<Output = ()> + use<> {
        let waiting = self
            .is_stream
            .then(|| (clock.sleep(patience), Rc::clone(traffic)));
        async move {
            if let Some((over, traffic)) = waiting {
                tokio::select! {
                    biased;
                    () = traffic.waited_for() => {}
                    () = over => {}
                }
            }
        }
    }

    /// Ends when what has come, if anything, has gathered. Cancel safe.
    pub(super) async fn over(&mut self, traffic: &Traffic) {
        if let Some(since) = &mut self.since {
            tokio::select! {
                biased;
                () = since => {}
                () = traffic.waited_for() => {}
            }
            self.since = None;
        }
    }

    /// Ends when something has come and has gathered: once before the next look, for who can't look yet
    /// learns nothing by being told again, and nothing else would run meanwhile. Cancel safe.
    pub(super) async fn news(&mut self, changes: &mut watch::Receiver<u64>, traffic: &Traffic) {
        if self.is_told {
            return std::future::pending().await;
        }
        if !self.is_news {
            if changes.changed().await.is_err() {
                // The outbox is gone, and whoever waits here goes with it.
                return std::future::pending().await;
            }
            self.is_news = true;
        }
        self.over(traffic).await;
        self.is_told = true;
    }

    /// Whether something has come.
    pub(super) fn has_news(&self, changes: &watch::Receiver<u64>) -> bool {
        self.is_news || changes.has_changed().unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use share_model::seam::SystemClock;

    use super::*;
    use crate::replay::progress::Progress;

    #[test]
    fn news_is_told_once_before_the_next_look() {
        let traffic = Traffic::new(watch::Sender::new(Progress::default()), 1);
        let (enqueued, mut changes) = watch::channel(0);
        let mut gather = Gather::default();
        let is_told = |gather: &mut Gather, changes: &mut watch::Receiver<u64>| {
            gather.news(changes, &traffic).now_or_never().is_some()
        };
        assert!(!is_told(&mut gather, &mut changes));
        enqueued.send_replace(1);
        assert!(is_told(&mut gather, &mut changes));
        enqueued.send_replace(2);
        assert!(!is_told(&mut gather, &mut changes), "before a look");
        assert!(gather.has_news(&changes));
        gather.look(&mut changes);
        assert!(!is_told(&mut gather, &mut changes), "it was looked at");
        enqueued.send_replace(3);
        assert!(is_told(&mut gather, &mut changes));
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_soon_after_a_look_of_use_gathers_and_a_flush_ends_that() {
        let traffic = Traffic::new(watch::Sender::new(Progress::default()), 1);
        let (enqueued, mut changes) = watch::channel(0);
        let mut gather = Gather::default();
        gather.begin(&SystemClock, false);
        enqueued.send_replace(1);
        assert!(gather.news(&mut changes, &traffic).now_or_never().is_none());
        traffic.set_waiters(1);
        assert!(gather.news(&mut changes, &traffic).now_or_never().is_some());
    }
}
