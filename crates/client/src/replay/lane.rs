//! The replay of one share: connection after connection, until nothing is left to send or only a
//! person can go on.

use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use share_model::seam::Sleep;
use share_model::{Epoch, Refusal, RefusalCode, ShareId, UnixMs};

use super::exchange::Exchange;
use super::options::FlusherOptions;
use super::reaction::{Asked, Next, next};
use super::traffic::Traffic;
use crate::backoff::Backoff;
use crate::connection::ClientError;
use crate::link::{LaneRequest, Link, LinkedLane};
use crate::outbox::{ClaimCheck, Held, OpenLane, Opening, Outbox, OutboxError, Turn};

/// Answers in a row, without one that moved anything, after which a person is asked: a lane that
/// has to be claimed again.
const CLAIMS_AGAIN_MAX: u32 = 5;
/// The same for a bound of the ledger that does not give way.
const SETTLES_MAX: u32 = 8;
/// The same for batches that are refused for what they hold.
const DISSOLVES_MAX: u32 = 8;

/// What one share's replay works with.
#[derive(Clone)]
pub(super) struct LaneReplay {
    pub(super) outbox: Outbox,
    pub(super) link: Rc<dyn Link>,
    pub(super) options: Rc<FlusherOptions>,
    pub(super) traffic: Rc<Traffic>,
    pub(super) share: ShareId,
    /// Every step on the outbox begins with it.
    pub(super) turn: Turn,
    /// The outbox holds ops that the server has answered for.
    pub(super) is_retained: bool,
}

/// What went wrong in a row; any recorded answer ends the row.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Tries {
    pub(super) failures: u32,
    claims_again: u32,
    settles: u32,
    dissolves: u32,
}

impl LaneReplay {
    /// Replays until nothing is left to send, or only a person can go on.
    ///
    /// Dropped at any await, everything that matters is in the outbox: the next run sends the same
    /// batches again.
    pub(super) async fn run(self) -> Result<(), OutboxError> {
        let mut tries = Tries::default();
        loop {
            // A share that waits, for a server that is away say, takes no other share's place.
            let place = self.traffic.place().await;
            let is_check = self.check_is_due();
            let opening = self.outbox.open_lane(self.turn, is_check).await?;
            match opening {
                Opening::Standing | Opening::Nothing { wake_at: None } => break,
                Opening::Nothing { wake_at: Some(at) } => {
                    drop(place);
                    self.wait_until(at).await;
                }
                Opening::Open(open) => {
                    let mut held = Held::of(&open);
                    let next = self.converse(*open, &mut held, &mut tries).await?;
                    drop(place);
                    let Some(next) = next else { continue };
                    if is_check && next.needs_a_person() && self.is_drained().await? {
                        // Nothing waits for it: that is said when something does.
                        tracing::info!(share = %self.share, ?next, "the server was not looked at");
                        self.checked();
                    } else if !self.react(next, held, &mut tries).await? {
                        break;
                    }
                }
            }
        }
        self.prune().await?;
        self.traffic.unblock(self.share);
        self.traffic.turned.notify_one();
        Ok(())
    }

    /// Whether the server is to be looked at although there may be nothing to send: if it went back
    /// in time, what it lost is sent again.
    fn check_is_due(&self) -> bool {
        let now = self.outbox.options().clock.now();
        self.is_retained
            && self
                .options
                .check_is_due(self.traffic.checked(self.share), now)
    }

    fn checked(&self) {
        let now = self.outbox.options().clock.now();
        self.traffic.check(self.share, now);
    }

    async fn is_drained(&self) -> Result<bool, OutboxError> {
        let opening = self.outbox.open_lane(self.turn, false).await?;
        Ok(matches!(opening, Opening::Nothing { wake_at: None }))
    }

    /// One connection, from its first byte to its end. `None`: there was nothing more to send.
    /// `held` is kept up to what is known.
    async fn converse(
        &self,
        open: OpenLane,
        held: &mut Held,
        tries: &mut Tries,
    ) -> Result<Option<Next>, OutboxError> {
        let request = LaneRequest {
            reference: open.reference,
            key: open.key,
            incarnation: open.incarnation,
            nonce: open.nonce,
            history: open.history,
        };
        let linked = match self.in_time(self.link.open(request)).await {
            Ok(linked) => linked,
            Err(error) => return Ok(Some(next(Asked::Connect, error))),
        };
        self.traffic.connected();
        let LinkedLane {
            redeemed,
            claimed,
            appender,
        } = linked;
        // Pipelined behind the claim, whose answer is not waited for.
        let room = self.options.in_flight.max(1);
        let taken = self.outbox.take_behind_claim(self.turn, room).await?;
        let mut exchange = Exchange::new(self, appender, taken.wake_at);
        // Before the capability's epoch is known, the envelope says 0.
        exchange.send(taken, Epoch::ZERO);
        let redeemed = match self.in_time(redeemed).await {
            Ok(redeemed) => redeemed,
            Err(error) => return Ok(Some(next(Asked::Redeem, error))),
        };
        self.traffic.reached(self.share);
        held.cursor = redeemed.cursor;
        let claimed = match self.in_time(claimed).await {
            Ok(claimed) => claimed,
            Err(error) => return Ok(Some(next(Asked::Claim(held.cursor), error))),
        };
        // No ack counts before this: only now it is known whose lane it came from.
        let (outbox, floor) = (&self.outbox, claimed.floor);
        held.incarnation = claimed.incarnation;
        let told = (redeemed.limits, redeemed.cursor);
        match outbox
            .store_claim(self.turn, held.lane, claimed, told)
            .await?
        {
            ClaimCheck::Ours => {
                // A frozen share would have refused the claim.
                self.traffic.unblock(self.share);
                self.checked();
                exchange.run((redeemed.epoch, floor), tries).await
            }
            other => {
                self.say(&other);
                let message = "the lane is not as this outbox believed";
                let refusal = Refusal::new(RefusalCode::HistoryChanged, message);
                Ok(Some(Next::ClaimAgain(refusal)))
            }
        }
    }

    /// A person sees it among the recoveries.
    fn say(&self, checked: &ClaimCheck) {
        if let ClaimCheck::Replanned(recovery) = checked {
            tracing::info!(share = %self.share, ?recovery, "the replay has another plan now");
        }
    }

    /// The lane must be claimed again: with another plan, or after another claim from this file.
    async fn claim_again(
        &self,
        refusal: Refusal,
        held: Held,
        tries: &mut Tries,
    ) -> Result<bool, OutboxError> {
        tries.claims_again += 1;
        if tries.claims_again > CLAIMS_AGAIN_MAX {
            return self.stand_still(refusal, held).await;
        }
        self.pause(self.options.backoff, tries.claims_again).await;
        Ok(true)
    }

    /// Does what an answer asks for; whether the replay goes on.
    async fn react(&self, next: Next, held: Held, tries: &mut Tries) -> Result<bool, OutboxError> {
        match next {
            Next::Reconnect(error) => {
                tracing::info!(share = %self.share, %error, "replay waits for a connection");
                self.back_off(error, tries, (self.options.backoff, Duration::ZERO))
                    .await;
            }
            Next::ComeBackSlowly(error, at_least) => {
                self.back_off(error, tries, (self.options.slow_backoff, at_least))
                    .await;
            }
            Next::ClaimAgain(refusal) => return self.claim_again(refusal, held, tries).await,
            Next::Replan(standing, refusal) => {
                let outbox = &self.outbox;
                self.say(
                    &outbox
                        .history_changed(self.turn, held.lane, standing)
                        .await?,
                );
                return self.claim_again(refusal, held, tries).await;
            }
            Next::LaneLost(refusal) => {
                let lost = self.outbox.lane_lost(self.turn, held, refusal.clone());
                self.say(&lost.await?);
                return self.claim_again(refusal, held, tries).await;
            }
            Next::SettleAndComeBack(refusal) => {
                tries.settles += 1;
                if tries.settles > SETTLES_MAX {
                    return self.stand_still(refusal, held).await;
                }
                self.pause(self.options.backoff, tries.settles).await;
            }
            Next::Dissolve(batch, refusal) => {
                tries.dissolves += 1;
                if tries.dissolves > DISSOLVES_MAX {
                    return self.stand_still(refusal, held).await;
                }
                self.outbox.dissolve(self.turn, batch, refusal).await?;
            }
            Next::Stop(refusal) => return self.stand_still(refusal, held).await,
            Next::Gone(refusal) => {
                let ended = self.outbox.gone(self.turn, refusal).await?;
                self.traffic.ended(&ended);
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn stand_still(&self, refusal: Refusal, held: Held) -> Result<bool, OutboxError> {
        let message = refusal.message.clone();
        let stands = self
            .outbox
            .stop(self.turn, held.ref_number, refusal)
            .await?;
        if stands {
            tracing::warn!(share = %self.share, message, "replay waits for a person");
        }
        Ok(!stands)
    }

    /// Waits out a failure. A flush that begins meanwhile ends the wait.
    pub(super) async fn back_off(
        &self,
        error: ClientError,
        tries: &mut Tries,
        (backoff, at_least): (Backoff, Duration),
    ) {
        let options = self.outbox.options();
        self.traffic.block(self.share, error, options.clock.now());
        tries.failures = tries.failures.saturating_add(1);
        let delay = backoff
            .delay(tries.failures, &*options.entropy)
            .max(at_least);
        tokio::select! {
            biased;
            () = options.clock.sleep(delay) => {}
            () = self.traffic.hurry.notified() => {}
        }
    }

    async fn pause(&self, backoff: Backoff, tries: u32) {
        let options = self.outbox.options();
        options
            .clock
            .sleep(backoff.delay(tries, &*options.entropy))
            .await;
    }

    /// Drops settled ops beyond the retention, when nothing else is to be done.
    pub(super) async fn prune(&self) -> Result<(), OutboxError> {
        let impatient = || std::future::ready(());
        while self.outbox.rest(self.turn, impatient()).await?.is_more {}
        Ok(())
    }

    /// Waits for a rejected op's next try, or for new ops.
    async fn wait_until(&self, at: UnixMs) {
        let mut changes = self.outbox.changes();
        tokio::select! {
            biased;
            () = self.sleep_until(at) => {}
            // The outbox, and with it the sender, lives as long as this.
            _ = changes.changed() => {}
        }
    }

    pub(super) async fn sleep_until(&self, at: UnixMs) {
        let clock = &self.outbox.options().clock;
        let ms = at.get().saturating_sub(clock.now().get());
        clock.sleep(Duration::from_millis(ms)).await;
    }

    /// The answer, unless the server is silent for too long.
    pub(super) async fn in_time<T>(
        &self,
        answer: impl Future<Output = Result<T, ClientError>>,
    ) -> Result<T, ClientError> {
        tokio::select! {
            biased;
            answer = answer => answer,
            () = self.answer_is_late() => Err(self.no_answer()),
        }
    }

    /// Ends when an answer that is due now is late.
    pub(super) fn answer_is_late(&self) -> Sleep {
        self.outbox
            .options()
            .clock
            .sleep(self.options.answer_timeout)
    }

    pub(super) fn no_answer(&self) -> ClientError {
        let timeout_ms = self.options.answer_timeout.as_millis();
        ClientError::NoAnswer {
            timeout_ms: u64::try_from(timeout_ms).unwrap_or(u64::MAX),
        }
    }
}
