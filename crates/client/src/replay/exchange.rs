//! Batches and their answers on one claimed connection.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::rc::Rc;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use share_model::seam::Sleep;
use share_model::{Ack, Envelope, Epoch, Seq, UnixMs};
use tokio::sync::watch;

use super::gather::Gather;
use super::lane::{LaneReplay, Tries};
use super::reaction::{Asked, Next, next};
use crate::connection::ClientError;
use crate::link::{Answer, LaneAppender};
use crate::outbox::{Fresh, OutboxError, RecordedAnswer, Rest, Taken};

/// A batch whose answer is due.
struct Flight {
    batch: i64,
    entries: usize,
    fresh: Option<Vec<Fresh>>,
    answer: Answer<Ack>,
    /// Runs from when it is the first whose answer is due.
    late: Option<Sleep>,
    /// The answer, once it has come or is late.
    answered: Option<Result<Ack, ClientError>>,
}

/// The answer to a batch.
struct Landed {
    batch: i64,
    fresh: Option<Vec<Fresh>>,
    answer: Result<Ack, ClientError>,
}

impl Landed {
    /// An ack, to be recorded; anything else comes with the batch that it is about.
    fn acked(self) -> Result<RecordedAnswer, (i64, ClientError)> {
        let ack = self.answer.map_err(|error| (self.batch, error))?;
        Ok(RecordedAnswer {
            batch: self.batch,
            outcomes: ack.outcomes,
            fresh: self.fresh,
        })
    }
}

/// What goes to and fro on one connection.
pub(super) struct Exchange<'a> {
    replay: &'a LaneReplay,
    appender: Box<dyn LaneAppender>,
    /// In the order in which they were sent; answers are taken in that order.
    flights: VecDeque<Flight>,
    /// When the next rejected op is due.
    wake_at: Option<UnixMs>,
    /// Nothing moves before another outbox sends what it has.
    waits_for_others: bool,
    /// That was said, and nothing has ended since: a repeated rejection moves nothing.
    is_held_up: bool,
    /// There was more to send than there was room for.
    is_part: bool,
    /// What was told as settled last.
    told: Seq,
    /// The answer to a word on what is settled that was sent by itself.
    settling: Option<LocalBoxFuture<'a, Result<Ack, ClientError>>>,
}

impl<'a> Exchange<'a> {
    pub(super) fn new(
        replay: &'a LaneReplay,
        appender: Box<dyn LaneAppender>,
        wake_at: Option<UnixMs>,
    ) -> Self {
        Self {
            replay,
            appender,
            flights: VecDeque::new(),
            wake_at,
            waits_for_others: false,
            is_held_up: false,
            is_part: true,
            told: Seq::ZERO,
            settling: None,
        }
    }

    /// Sends what was taken; the answers are waited for later.
    pub(super) fn send(&mut self, taken: Taken, capability_epoch: Epoch) {
        self.wake_at = taken.wake_at;
        self.waits_for_others = taken.waits_for_others;
        self.is_part = taken.is_part;
        if !taken.outgoing.is_empty() {
            self.told = taken.settled_through;
        }
        let envelope = Envelope {
            capability_epoch,
            settled_through: taken.settled_through,
        };
        for outgoing in taken.outgoing {
            let entries = outgoing.batch.entries.len();
            let answer = self.appender.append(&outgoing.batch, envelope);
            self.replay.traffic.sent(entries, outgoing.resent);
            self.flights.push_back(Flight {
                batch: outgoing.number,
                entries,
                fresh: outgoing.fresh,
                answer,
                late: None,
                answered: None,
            });
        }
    }

    /// Records answers and sends what there is, until there is nothing for a while (`None`) or
    /// something else than an ack comes.
    pub(super) async fn run(
        mut self,
        (epoch, floor): (Epoch, Seq),
        tries: &mut Tries,
    ) -> Result<Option<Next>, OutboxError> {
        // What the server has as settled need not be told.
        self.told = self.told.max(floor);
        // Seen from before the first look, so that no enqueue falls between look and wait.
        let mut changes = self.replay.outbox.changes();
        let mut gather = Gather::default();
        // The claim's answer may have brought more than could go out behind the claim.
        let mut is_due = self.flights.is_empty();
        loop {
            if is_due && self.room() > 0 {
                gather.look(&mut changes);
                if self.fill(epoch, &gather).await? > 0 {
                    gather.begin(&*self.replay.outbox.options().clock, self.is_part);
                }
            }
            if self.flights.is_empty() {
                if !self.rest(epoch, &mut changes, &mut gather).await? {
                    return Ok(None);
                }
                is_due = true;
                continue;
            }
            // What is enqueued while answers are due need not wait for them.
            let has_room = self.room() > 0;
            let traffic = Rc::clone(&self.replay.traffic);
            let has_landed = tokio::select! {
                biased;
                () = self.first_answered() => true,
                () = gather.news(&mut changes, &traffic), if has_room => false,
            };
            is_due = !has_landed;
            if has_landed {
                if gather.is_stream() {
                    // What comes next is taken with what is recorded then.
                    gather.over(&traffic).await;
                }
                gather.look(&mut changes);
                match self.land(tries, (epoch, &mut gather)).await? {
                    ControlFlow::Break(next) => return Ok(Some(next)),
                    ControlFlow::Continue(is_again) => is_due = is_again,
                }
            }
        }
    }

    /// Nothing is under way: when nothing comes for a while, says what is settled and waits for what is
    /// next; whether the connection is still of use then.
    async fn rest(
        &mut self,
        epoch: Epoch,
        changes: &mut watch::Receiver<u64>,
        gather: &mut Gather,
    ) -> Result<bool, OutboxError> {
        let replay = self.replay;
        gather.over(&replay.traffic).await;
        if gather.has_news(changes) {
            return Ok(true);
        }
        let is_more = self.settle(epoch).await?;
        if self.settling.is_none() {
            self.wait_for_others();
            replay.traffic.turned.notify_one();
        }
        if is_more && self.settling.is_none() {
            // A few at a time, so that what is enqueued meanwhile need not wait for all of them; and not
            // before the word is heard, for which a flush may wait.
            return Ok(true);
        }
        let mut settling = self.settling.take();
        let is_of_use = tokio::select! {
            biased;
            is_told = told(&mut settling) => is_told,
            () = gather.news(changes, &replay.traffic) => true,
            () = self.due() => true,
            () = self.idle() => false,
        };
        self.settling = settling;
        Ok(is_of_use)
    }

    /// Sends what there is, as far as there is room for it; how many batches that are.
    async fn fill(&mut self, epoch: Epoch, gather: &Gather) -> Result<usize, OutboxError> {
        let (outbox, turn) = (&self.replay.outbox, self.replay.turn);
        let patience = gather.patience(&*outbox.options().clock, &self.replay.traffic);
        let wanted = (self.in_flight(), self.room());
        let taken = outbox.take(turn, wanted, patience).await?;
        let batches = taken.outgoing.len();
        self.send(taken, epoch);
        Ok(batches)
    }

    /// Says so to who waits for a flush: this may take as long as another outbox is away.
    fn wait_for_others(&mut self) {
        if self.waits_for_others {
            self.is_held_up = true;
            let reason =
                "the server was restored, and ops that it had applied wait for what another \
                          outbox has"
                    .to_owned();
            let (share, now) = (self.replay.share, self.replay.outbox.options().clock.now());
            let error = ClientError::Failed { reason };
            self.replay.traffic.block(share, error, now);
        }
    }

    /// Nothing is left to send: tells what is settled, so that the server may let the writer go. The
    /// answer is not waited for here; what is lost is told with the next batch. Whether more settled
    /// rows may be dropped.
    async fn settle(&mut self, epoch: Epoch) -> Result<bool, OutboxError> {
        let Rest {
            settled_through,
            batch,
            is_more,
        } = self
            .replay
            .outbox
            .rest(self.replay.turn, std::future::ready(()))
            .await?;
        if settled_through > self.told {
            self.told = settled_through;
            let envelope = Envelope {
                capability_epoch: epoch,
                settled_through,
            };
            let answer = self.appender.append(&batch, envelope);
            self.settling = Some(self.replay.in_time(answer).boxed_local());
        }
        Ok(is_more)
    }

    /// Waits for the next answer, takes those that are there with it, and records them together with
    /// taking and sending what there is room for; whether there is more to look at than that.
    async fn land(
        &mut self,
        tries: &mut Tries,
        (epoch, gather): (Epoch, &mut Gather),
    ) -> Result<ControlFlow<Next, bool>, OutboxError> {
        let mut landed = vec![self.next_landed().await];
        while let Some(more) = self.ready_landed() {
            landed.push(more);
        }
        let mut answers = Vec::new();
        let mut other = None;
        for landed in landed {
            match landed.acked() {
                Ok(answer) => answers.push(answer),
                // What comes behind it on this connection has no meaning of its own.
                Err(error) => {
                    other = Some(error);
                    break;
                }
            }
        }
        if !answers.is_empty() {
            *tries = Tries::default();
            // Nothing goes behind an answer that may mean the end of the connection.
            let room = if other.is_none() { self.room() } else { 0 };
            self.record(answers, room, (epoch, gather)).await?;
        }
        match other {
            None => Ok(ControlFlow::Continue(false)),
            Some((_, error @ ClientError::Overloaded { .. })) => {
                self.overloaded(error, tries).await
            }
            Some((batch, error)) => Ok(ControlFlow::Break(next(Asked::Append(batch), error))),
        }
    }

    /// Records answers together, takes up to `room` batches in the same step, and sends those.
    async fn record(
        &mut self,
        answers: Vec<RecordedAnswer>,
        room: usize,
        (epoch, gather): (Epoch, &mut Gather),
    ) -> Result<(), OutboxError> {
        let LaneReplay {
            outbox,
            traffic,
            share,
            turn,
            ..
        } = self.replay;
        let wanted = (room > 0).then(|| (self.in_flight(), room));
        let patience = gather.patience_of_answers(outbox.options(), traffic);
        let (recorded, taken) = outbox
            .record(*turn, (answers, self.is_part), wanted, patience)
            .await?;
        traffic.ended(&recorded.ended);
        self.is_held_up &= recorded.ended.is_empty();
        if !self.is_held_up {
            traffic.unblock(*share);
        }
        let Some(taken) = taken else { return Ok(()) };
        let is_of_use = !taken.outgoing.is_empty();
        self.send(taken, epoch);
        if is_of_use {
            gather.begin(&*outbox.options().clock, self.is_part);
        }
        Ok(())
    }

    /// The batches whose answers are due.
    fn in_flight(&self) -> Vec<i64> {
        self.flights.iter().map(|flight| flight.batch).collect()
    }

    /// The server has too much to do: waits on the same connection. What was pipelined behind may
    /// have been refused for the gap; then the lane must be claimed again.
    async fn overloaded(
        &mut self,
        error: ClientError,
        tries: &mut Tries,
    ) -> Result<ControlFlow<Next, bool>, OutboxError> {
        while !self.flights.is_empty() {
            match self.next_landed().await.acked() {
                Ok(answer) => {
                    let (outbox, turn) = (&self.replay.outbox, self.replay.turn);
                    let answers = (vec![answer], self.is_part);
                    let impatient = std::future::ready(());
                    let (recorded, _) = outbox.record(turn, answers, None, impatient).await?;
                    self.replay.traffic.ended(&recorded.ended);
                }
                Err((_, ClientError::Overloaded { .. })) => {}
                Err(_) => return Ok(ControlFlow::Break(Next::Reconnect(error))),
            }
        }
        let wait = (self.replay.options.backoff, std::time::Duration::ZERO);
        self.replay.back_off(error, tries, wait).await;
        Ok(ControlFlow::Continue(true))
    }

    /// How many more batches may be under way.
    fn room(&self) -> usize {
        let in_flight = self.replay.options.in_flight.max(1);
        in_flight.saturating_sub(self.flights.len())
    }

    /// Waits until the answer that is due first has come, or is late. Cancel safe: an answer that
    /// has come stays.
    async fn first_answered(&mut self) {
        let Some(flight) = self.flights.front_mut() else {
            return std::future::pending().await;
        };
        if flight.answered.is_some() {
            return;
        }
        let replay = self.replay;
        let late = flight.late.get_or_insert_with(|| replay.answer_is_late());
        let answer = tokio::select! {
            biased;
            answer = &mut flight.answer => answer,
            () = late => Err(replay.no_answer()),
        };
        flight.answered = Some(checked(answer, flight.entries));
    }

    async fn next_landed(&mut self) -> Landed {
        loop {
            self.first_answered().await;
            if let Some(landed) = self.ready_landed() {
                return landed;
            }
        }
    }

    fn ready_landed(&mut self) -> Option<Landed> {
        let flight = self.flights.front_mut()?;
        let answer = match flight.answered.take() {
            Some(answer) => answer,
            None => checked((&mut flight.answer).now_or_never()?, flight.entries),
        };
        let flight = self.flights.pop_front()?;
        Some(Landed {
            batch: flight.batch,
            fresh: flight.fresh,
            answer,
        })
    }

    async fn due(&self) {
        match self.wake_at {
            Some(at) => self.replay.sleep_until(at).await,
            None => std::future::pending().await,
        }
    }

    /// The connection has been of no use for long enough, or another share has more use for its
    /// place.
    async fn idle(&self) {
        let clock = &self.replay.outbox.options().clock;
        tokio::select! {
            biased;
            () = clock.sleep(self.replay.options.idle_timeout) => {}
            () = self.replay.traffic.crowded() => {}
        }
    }
}

/// An ack must say what became of each entry.
fn checked(answer: Result<Ack, ClientError>, entries: usize) -> Result<Ack, ClientError> {
    match answer {
        Ok(ack) if ack.outcomes.len() != entries => Err(ClientError::Failed {
            reason: format!("{} outcomes for a batch of {entries}", ack.outcomes.len()),
        }),
        answer => answer,
    }
}

/// Waits for the answer, if one is due; whether the connection is still of use then.
async fn told(settling: &mut Option<LocalBoxFuture<'_, Result<Ack, ClientError>>>) -> bool {
    let Some(answer) = settling else {
        return std::future::pending().await;
    };
    let answer = answer.await;
    *settling = None;
    if let Err(error) = &answer {
        tracing::info!(%error, "settled seqs were not told");
    }
    answer.is_ok()
}
