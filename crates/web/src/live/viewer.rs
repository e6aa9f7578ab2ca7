//! One viewer: a place in a stage, and the stream that is made of it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream::unfold;
use share_model::LogPosition;
use share_model::seam::{Clock, Sleep};
use tokio::sync::watch;
use tracing::error;

use super::event;
use super::held::Held;
use super::limits::LiveLimits;
use super::stage::{Ended, Joined, Look, Place, Stage};
use crate::budget::Budget;
use crate::source::Source;

/// How long to wait before room for a whole page is asked for again.
const PAUSE: Duration = Duration::from_millis(20);

/// Takes the events of a stage, one at a time: it holds no more than that.
#[derive(Debug)]
pub(crate) struct Viewer {
    stage: Arc<Stage>,
    news: watch::Receiver<()>,
    place: Place,
    /// How many viewers it was told of.
    count: Option<usize>,
    heartbeat: Heartbeat,
    has_begun: bool,
    /// How long it has waited for room.
    waited: Duration,
    /// `None`: it was told that nothing more comes.
    joined: Option<Joined>,
    around: Around,
}

/// What a viewer has from its face and its connection.
#[derive(Debug)]
pub(crate) struct Around {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) limits: LiveLimits,
    /// Of which a whole page takes room.
    pub(crate) budget: Budget,
    pub(crate) source: Option<Source>,
    /// How long a whole page may wait for room.
    pub(crate) room_wait: Duration,
    pub(crate) drain: watch::Receiver<bool>,
    /// As long as the viewer views.
    pub(crate) _held: Held,
}

struct Heartbeat(Sleep);

impl std::fmt::Debug for Heartbeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Heartbeat")
    }
}

impl Viewer {
    /// A viewer that has seen everything up to `seen`; `None`: the stage has as many as it may have.
    pub(crate) fn join(
        stage: Arc<Stage>,
        seen: Option<LogPosition>,
        around: Around,
    ) -> Option<Self> {
        let joined = stage.join()?;
        let is_of_stage = |seen: &LogPosition| seen.history == Some(stage.history());
        let place = match seen.filter(is_of_stage) {
            Some(seen) => Place::At(seen.cursor),
            None => Place::Nowhere,
        };
        Some(Self {
            news: stage.news(),
            place,
            count: None,
            heartbeat: Heartbeat(around.clock.sleep(around.limits.heartbeat)),
            has_begun: false,
            waited: Duration::ZERO,
            joined: Some(joined),
            around,
            stage,
        })
    }

    /// Its stream.
    pub(crate) fn into_body(self) -> Body {
        Body::from_stream(unfold(self, |mut viewer| async move {
            let bytes = viewer.next().await?;
            Some((Ok::<_, Infallible>(bytes), viewer))
        }))
    }

    /// What is sent next; `None`: nothing more.
    async fn next(&mut self) -> Option<Bytes> {
        if !self.has_begun {
            self.has_begun = true;
            return Some(event::RETRY);
        }
        loop {
            self.joined.as_ref()?;
            self.news.mark_unchanged();
            let look = self.stage.look(self.place, self.count);
            let look = look.inspect_err(|error| error!(%error, "no page can be written: a bug"));
            match look.ok()? {
                Look::Event(text, place) => {
                    self.place = place;
                    return Some(self.sent(text));
                }
                Look::Whole(text, place) => {
                    if let Some(text) = self.with_room(text).await? {
                        self.place = place;
                        return Some(self.sent(text));
                    }
                }
                Look::Count(count) => {
                    self.count = Some(count);
                    return Some(self.sent(event::viewers(count)));
                }
                Look::Ended(Ended::Silent) => return None,
                Look::Ended(Ended::Told(text)) => {
                    self.joined = None;
                    return Some(text);
                }
                Look::Nothing => {
                    if let Some(beat) = self.wait().await? {
                        return Some(beat);
                    }
                }
            }
        }
    }

    /// Waits for news, or for the next heartbeat, which it gives; `None`: the face drains.
    async fn wait(&mut self) -> Option<Option<Bytes>> {
        let beats = tokio::select! {
            biased;
            // Fails if whoever drains has gone, which means the same.
            _ = self.around.drain.wait_for(|drain| *drain) => return None,
            // The stage has the sender.
            _ = self.news.changed() => false,
            () = self.heartbeat.0.as_mut() => true,
        };
        Some(beats.then(|| self.sent(event::HEARTBEAT)))
    }

    /// A text as large as a page, with room as long as it is held; `Some(None)`: there was none, and
    /// the stage may have gone on meanwhile. `None`: there is none for too long.
    async fn with_room(&mut self, text: Bytes) -> Option<Option<Bytes>> {
        let mut room = self.around.budget.room(self.around.source);
        if room.grow(text.len()).is_ok() {
            self.waited = Duration::ZERO;
            return Some(Some(room.keep(text)));
        }
        drop(text);
        if self.waited >= self.around.room_wait {
            return None;
        }
        self.waited += PAUSE;
        self.around.clock.sleep(PAUSE).await;
        Some(None)
    }

    /// Whatever is sent is a sign of life.
    fn sent(&mut self, text: Bytes) -> Bytes {
        let pause = self.around.limits.heartbeat;
        self.heartbeat = Heartbeat(self.around.clock.sleep(pause));
        text
    }
}
