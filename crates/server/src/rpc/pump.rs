//! Delivering a share's log to one sink.
//!
//! A pump keeps nothing for its reader but a cursor: it takes what follows from the feed, sends it,
//! and goes on when the reader's flow control lets it. It ends when its authority does, when the
//! server drains, or when the reader does not answer in time.

use std::rc::Rc;
use std::time::Duration;

use capnp::Error;
use share_model::{LogPosition, Refusal, RefusalCode};
use share_network::{AnswerGate, Turn};
use share_proto::share_capnp::sink;
use share_proto::wire;
use tracing::{debug, info};

use super::Door;
use super::page::Page;
use super::reading::Reading;
use super::turnstile::Turnstile;
use crate::fault::{Fault, Reaction};
use crate::feed::{Step, Tail};
use crate::owner::{Outcome, Progress, Registration, Start, Subscribed};

/// Where a pump waits for others before it makes something to be sent.
pub(super) struct Around {
    /// Of its connection.
    pub(super) answers: AnswerGate,
    /// Of its thread.
    pub(super) turnstile: Rc<Turnstile>,
}

/// Delivers to a sink.
pub(super) struct Pump {
    door: Door,
    around: Around,
    reading: Reading,
    sink: sink::Client,
    tail: Tail,
    start: Start,
    registration: Registration,
}

/// Why a delivery ended.
enum End {
    /// The sink did not take it, or not in time: nobody is there to be told.
    Sink(Error),
    /// The reader may not read any more.
    Refused(Refusal),
    /// Reading is not possible now.
    Fault(Fault),
}

impl From<Fault> for End {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl Pump {
    pub(super) fn new(
        (door, around): (Door, Around),
        reading: Reading,
        sink: sink::Client,
        subscribed: Subscribed,
    ) -> Self {
        let at = match subscribed.start {
            Start::Tail(cursor) => cursor,
            Start::Document => subscribed.position.cursor,
        };
        let (feed, store) = (reading.handle.feed().clone(), door.hub.store().clone());
        Self {
            tail: Tail::new(feed, store, at, door.tail_limits()),
            start: subscribed.start,
            registration: subscribed.registration,
            door,
            around,
            reading,
            sink,
        }
    }

    /// Delivers until something ends it, and tells the sink what.
    pub(super) async fn run(self) {
        let Self {
            door,
            around,
            reading,
            sink,
            tail,
            start,
            mut registration,
        } = self;
        let progress = registration.progress();
        let mut drain = door.drain.clone();
        let mut delivery = Delivery {
            door: &door,
            around: &around,
            reading: &reading,
            sink: &sink,
            tail,
            progress,
        };
        let end = tokio::select! {
            biased;
            ended = registration.ended() => ended.map_or_else(End::Fault, End::Refused),
            // Fails if the server is gone.
            _ = drain.wait_for(|drain| *drain) => End::Fault(Fault::Draining),
            end = delivery.run(start) => end,
        };
        // From here on nothing is read: whoever ended the authority may say so.
        drop(registration);
        let share = reading.handle.share();
        let refusal = match end {
            End::Sink(error) => {
                info!(%share, %error, "subscriber does not answer");
                return;
            }
            End::Refused(refusal) => refusal,
            End::Fault(fault) => unavailable(&fault, door.limits.retry_after),
        };
        debug!(%share, %refusal, "subscription ends");
        let mut request = sink.ended_request();
        wire::write_refusal(&refusal, request.get().init_refusal());
        let told = within(door.limits.sink_deadline, request.send().promise).await;
        if let Err(error) = told {
            debug!(%share, %error, "subscriber was not told of the end");
        }
    }
}

/// A delivery that runs.
struct Delivery<'a> {
    door: &'a Door,
    around: &'a Around,
    reading: &'a Reading,
    sink: &'a sink::Client,
    tail: Tail,
    /// Told before anything is sent: whoever is cut in the middle has been served that.
    progress: Progress,
}

impl Delivery<'_> {
    /// Runs until it can't go on.
    async fn run(&mut self, start: Start) -> End {
        match self.deliver(start).await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    async fn deliver(&mut self, start: Start) -> Result<std::convert::Infallible, End> {
        if start == Start::Document {
            self.reset(false).await?;
        }
        let mut is_live = false;
        loop {
            if self.tail.has_more() {
                self.around.turnstile.pass().await;
            }
            let turn = self.turn().await?;
            match self.tail.step().await? {
                Step::Ops(ops) => {
                    let mut request = self.sink.ops_request();
                    let count = u32::try_from(ops.len()).expect("a step has few ops");
                    let mut list = request.get().init_ops(count);
                    for (at, op) in (0..).zip(&ops) {
                        wire::write_logged_op(op, list.reborrow().get(at));
                    }
                    if let Some(last) = ops.last() {
                        self.progress.served(last.cursor);
                    }
                    drop(ops);
                    let sent = request.send();
                    drop(turn);
                    self.sent(sent).await?;
                }
                Step::CaughtUp => {
                    drop(turn);
                    if !is_live {
                        is_live = true;
                        self.live().await?;
                    }
                    self.tail.more().await;
                }
                Step::Lagged => {
                    drop(turn);
                    self.reset(true).await?;
                }
            }
        }
    }

    /// Sends the document, then goes on behind it.
    async fn reset(&mut self, lagged: bool) -> Result<(), End> {
        let document = match self.document().await? {
            Ok(document) => document,
            Err(refusal) => return Err(End::Refused(refusal)),
        };
        self.progress.served(document.at.position.cursor);
        let mut request = self.sink.reset_request();
        request.get().set_lagged(lagged);
        wire::write_snapshot_at(&document.at, request.get().init_at());
        self.sent(request.send()).await?;
        let mut after = String::new();
        loop {
            let turn = self.turn().await?;
            let bytes_max = self.door.limits.chunk_bytes_max;
            let page = Page::of(&document.document, &after, bytes_max);
            let mut request = self.sink.entries_request();
            request.get().set_done(page.done);
            page.write(request.get().init_entries(page.len()));
            let sent = request.send();
            drop(turn);
            self.sent(sent).await?;
            if page.done {
                break;
            }
            if let Some(last) = page.entries.into_iter().next_back() {
                after = last.key;
            }
        }
        self.tail.restart(document.at.position.cursor);
        Ok(())
    }

    async fn document(&self) -> Outcome<crate::owner::DocumentAt> {
        self.door.within(self.reading.document()).await
    }

    /// What is sent is kept until the reader takes it: its connection has one such piece made at a
    /// time, and none while much waits.
    async fn turn(&self) -> Result<Turn, End> {
        self.sent(async { Ok(self.around.answers.turn().await) })
            .await
    }

    async fn live(&self) -> Result<(), End> {
        let mut request = self.sink.live_request();
        let position = LogPosition {
            history: Some(self.door.hub.history()),
            cursor: self.tail.at(),
        };
        wire::write_log_position(&position, request.get().init_position());
        self.sent(request.send().promise).await.map(drop)
    }

    async fn sent<T>(&self, sent: impl Future<Output = Result<T, Error>>) -> Result<T, End> {
        let deadline = self.door.limits.sink_deadline;
        within(deadline, sent).await.map_err(End::Sink)
    }
}

async fn within<T>(
    deadline: Duration,
    sent: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    let late = || Error::overloaded("no answer in time".to_owned());
    tokio::time::timeout(deadline, sent)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// What a reader is told when the server can't go on: the code whose reaction is to wait, and when
/// to subscribe again.
fn unavailable(fault: &Fault, retry_after: Duration) -> Refusal {
    let again = match fault.reaction() {
        Reaction::Later | Reaction::Reconnect => retry_after,
        // A person has to look first; it does no good to be asked every second.
        Reaction::Report => retry_after * 60,
    };
    Refusal {
        retry_after_ms: Some(u32::try_from(again.as_millis()).unwrap_or(u32::MAX)),
        ..Refusal::new(RefusalCode::Frozen, fault.to_string())
    }
}
