//! The outbox as the replay uses it: each call is one durable step.

use rusqlite::Connection;
use share_model::{
    Batch, BatchId, Claimed, Cursor, HistoryId, Incarnation, Limits, Nonce, OpOutcome, OutboxKey,
    Refusal, Seq, ShareRef, UnixMs, planted,
};

use super::Outbox;
use super::batches;
use super::cut::{Cutter, Size};
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::lease::Turn;
use super::outcome::OutcomeEvent;
use super::record::Answer;
use super::recoveries::Recovery;
use super::repeats;
use super::replan::{self, Planner, Standing};
use super::send::{self, Taken};
use super::stop::Stop;
use super::{progress, prune, record, refused};

/// What a connection begins with.
#[derive(Debug)]
pub(crate) struct OpenLane {
    /// Which lane it is; the number means something only here.
    pub(crate) lane: i64,
    pub(crate) reference: ShareRef,
    /// Which ref it is.
    pub(crate) ref_number: u64,
    pub(crate) key: OutboxKey,
    pub(crate) incarnation: Incarnation,
    /// Stored before the claim is sent.
    pub(crate) nonce: Nonce,
    pub(crate) history: Option<HistoryId>,
}

/// What [`Outbox::open_lane`] found.
#[derive(Debug)]
pub(crate) enum Opening {
    /// The share's replay waits for a person.
    Standing,
    /// Nothing to send now; rejected ops are due at `wake_at`, if there are any.
    Nothing {
        wake_at: Option<UnixMs>,
    },
    Open(Box<OpenLane>),
}

/// What is known on a connection about the lane that it is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Held {
    /// Which ref it was opened with.
    pub(crate) ref_number: u64,
    pub(crate) lane: i64,
    /// Of the claim that was answered, else of the one that was sent.
    pub(crate) incarnation: Incarnation,
    /// The share's, as the redeem told it.
    pub(crate) cursor: Cursor,
}

impl Held {
    /// Before anything was heard.
    pub(crate) fn of(open: &OpenLane) -> Self {
        Self {
            ref_number: open.ref_number,
            lane: open.lane,
            incarnation: open.incarnation,
            cursor: Cursor::ZERO,
        }
    }
}

/// What a claim's answer, or its refusal, means for the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClaimCheck {
    /// It is as the outbox believes.
    Ours,
    /// It was not; the plan is another one now, and the lane must be claimed again.
    Replanned(Recovery),
    /// Another claim was made meanwhile, from this very file: look again.
    Outdated,
}

/// What there is to do when nothing is left to send.
#[derive(Debug)]
pub(crate) struct Rest {
    /// May be told as settled.
    pub(crate) settled_through: Seq,
    /// Says nothing else.
    pub(crate) batch: Batch,
    /// There may be more rows to drop.
    pub(crate) is_more: bool,
}

impl Outbox {
    /// Prepares a claim, if there is something to send, or if it is `wanted` in any case. What is to
    /// be sent is taken when there is a connection to send it on.
    pub(crate) async fn open_lane(&self, turn: Turn, wanted: bool) -> Result<Opening, OutboxError> {
        let (options, claimant) = (self.options().clone(), self.claimant());
        self.run(move |db| {
            let lane = turn.take(db, &claimant)?;
            if lane.stop.is_some() {
                return Ok(Opening::Standing);
            }
            if planted!("batch-recut") {
                batches::cut_open_again(db, lane.number, options.clock.now())?;
            }
            let limits = lane.limits.unwrap_or(options.limits);
            let cutter = cutter(&options, limits, false);
            mind_the_clock(db, &lane, &options)?;
            let next = |room| send::choose(db, &lane, &cutter, (&[], room));
            if !wanted && next(1)?.sending.is_empty() {
                return Ok(Opening::Nothing {
                    wake_at: progress::next_due(db, &lane)?,
                });
            }
            let nonce = match lane.nonce {
                Some(nonce) => nonce,
                None => {
                    let nonce = Nonce::random(&*options.entropy);
                    lanes::set_nonce(db, &lane, nonce)?;
                    nonce
                }
            };
            Ok(Opening::Open(Box::new(OpenLane {
                lane: lane.number,
                reference: lane.reference,
                ref_number: lane.ref_number,
                key: lane.key,
                incarnation: lane.incarnation,
                nonce,
                history: lane.history,
            })))
        })
        .await
    }

    /// Takes up to `room` batches to be pipelined behind a claim, and marks them as sent.
    pub(crate) async fn take_behind_claim(
        &self,
        turn: Turn,
        room: usize,
    ) -> Result<Taken, OutboxError> {
        let patience = std::future::ready(());
        self.take_as(turn, (Vec::new(), room), false, patience)
            .await
    }

    /// Takes up to `room` batches that are not among `in_flight`, and marks them as sent: with the next
    /// step of anyone, or when `patience` ends.
    pub(crate) async fn take(
        &self,
        turn: Turn,
        (in_flight, room): (Vec<i64>, usize),
        patience: impl Future<Output = ()>,
    ) -> Result<Taken, OutboxError> {
        self.take_as(turn, (in_flight, room), true, patience).await
    }

    async fn take_as(
        &self,
        turn: Turn,
        (in_flight, room): (Vec<i64>, usize),
        is_claimed: bool,
        patience: impl Future<Output = ()>,
    ) -> Result<Taken, OutboxError> {
        let options = self.options().clone();
        let taking =
            move |db: &Connection| take_now(db, turn, &options, (&in_flight, room, is_claimed));
        self.run_with_others(taking, patience).await
    }

    /// When nothing is left to send: drops some settled rows beyond the retention, and says what may
    /// be told as settled.
    pub(crate) async fn rest(
        &self,
        turn: Turn,
        patience: impl Future<Output = ()>,
    ) -> Result<Rest, OutboxError> {
        let (now, retention) = (self.options().clock.now(), self.options().retention);
        let id = BatchId::new(&*self.options().clock, &*self.options().entropy);
        let batch = Batch {
            id,
            atomic: false,
            expected_cursor: None,
            entries: Vec::new(),
        };
        let resting = move |db: &Connection| {
            let lane = turn.lane(db)?;
            let is_more = prune::step(db, &lane, &retention, now)?;
            Ok((lane.settled_through, is_more))
        };
        let (settled_through, is_more) = self.run_with_others(resting, patience).await?;
        Ok(Rest {
            settled_through,
            batch,
            is_more,
        })
    }

    /// Stores the answers to redeem and claim, if the claim fits what the outbox holds; else makes
    /// the plan that follows from what the server has.
    pub(crate) async fn store_claim(
        &self,
        turn: Turn,
        number: i64,
        claimed: Claimed,
        (limits, cursor): (Limits, Cursor),
    ) -> Result<ClaimCheck, OutboxError> {
        let planner = self.planner();
        self.run(move |db| {
            let mut lane = turn.lane(db)?;
            if lane.number != number {
                return Ok(ClaimCheck::Outdated);
            }
            if lane.limits != Some(limits) {
                lanes::set_limits(db, &lane, &limits)?;
            }
            let known = lane.history;
            lanes::set_claimed(db, &lane, claimed.incarnation, claimed.history)?;
            lane.incarnation = claimed.incarnation;
            lane.history = known;
            let standing = Standing {
                history: claimed.history,
                floor: claimed.floor,
                highest: claimed.highest,
                chain: claimed.chain,
                cursor,
            };
            check(replan::carry_out(db, lane, &standing, &planner)?)
        })
        .await
    }

    /// The claim named a history that the server does not have: makes the plan that follows.
    pub(crate) async fn history_changed(
        &self,
        turn: Turn,
        number: i64,
        standing: Standing,
    ) -> Result<ClaimCheck, OutboxError> {
        let planner = self.planner();
        self.run(move |db| {
            let lane = turn.lane(db)?;
            if lane.number != number {
                return Ok(ClaimCheck::Outdated);
            }
            check(replan::carry_out(db, lane, &standing, &planner)?)
        })
        .await
    }

    /// Another outbox has the lane, as a refusal says: what is not settled is re-queued into a new
    /// one. If another claim was made from this file meanwhile, the refusal means that one.
    pub(crate) async fn lane_lost(
        &self,
        turn: Turn,
        held: Held,
        refusal: Refusal,
    ) -> Result<ClaimCheck, OutboxError> {
        let planner = self.planner();
        self.run(move |db| {
            let lane = turn.lane(db)?;
            if (lane.number, lane.incarnation) != (held.lane, held.incarnation) {
                return Ok(ClaimCheck::Outdated);
            }
            let why = (refusal.to_string(), held.cursor);
            let recovery = replan::lane_is_lost(db, &lane, why, &planner)?;
            Ok(ClaimCheck::Replanned(recovery))
        })
        .await
    }

    fn planner(&self) -> Planner {
        Planner {
            key: OutboxKey::random(&*self.options().entropy),
            now: self.options().clock.now(),
        }
    }

    /// Records the answers to batches, drops settled rows beyond the retention, and takes what is
    /// `wanted`, if anything is, in one step: with the next step of anyone, or when `patience` ends. Then
    /// tells what has ended. Of a backlog more settled rows are kept, for the rows were there before.
    pub(crate) async fn record(
        &self,
        turn: Turn,
        (answers, is_backlog): (Vec<Answer>, bool),
        wanted: Option<(Vec<i64>, usize)>,
        patience: impl Future<Output = ()>,
    ) -> Result<(record::Recorded, Option<Taken>), OutboxError> {
        let options = self.options().clone();
        let now = options.clock.now();
        let recording = move |db: &Connection| {
            let mut recorded = record::Recorded::default();
            for answer in &answers {
                let times = (now, &options.retry);
                recorded.add(record::record(db, turn.lane(db)?, answer, times)?);
            }
            let retention = options.retention.while_replaying(is_backlog);
            prune::after(db, &turn.lane(db)?, &retention, (now, &recorded))?;
            let taken = wanted
                .map(|(in_flight, room)| take_now(db, turn, &options, (&in_flight, room, true)));
            Ok((recorded, taken.transpose()?))
        };
        let (recorded, taken) = self.run_with_others(recording, patience).await?;
        self.tell(&recorded.ended);
        Ok((recorded, taken))
    }

    /// A batch was refused for what it holds: its ops are cut again.
    pub(crate) async fn dissolve(
        &self,
        turn: Turn,
        batch: i64,
        refusal: Refusal,
    ) -> Result<(), OutboxError> {
        let now = self.options().clock.now();
        self.run(move |db| refused::dissolve(db, &turn.lane(db)?, batch, &refusal, now))
            .await
    }

    /// Lets the share stand still until a person does something, unless a person gave another ref
    /// meanwhile; returns whether it stands still.
    pub(crate) async fn stop(
        &self,
        turn: Turn,
        ref_number: u64,
        refusal: Refusal,
    ) -> Result<bool, OutboxError> {
        let at = self.options().clock.now();
        self.run(move |db| {
            let lane = turn.lane(db)?;
            if lane.ref_number != ref_number {
                return Ok(false);
            }
            let stop = Stop {
                code: refusal.code,
                message: refusal.message,
                at,
            };
            lanes::set_stop(db, &lane, Some(&stop))?;
            Ok(true)
        })
        .await
    }

    /// The share was deleted: its replay stops for good and what is unsettled is in doubt.
    pub(crate) async fn gone(
        &self,
        turn: Turn,
        refusal: Refusal,
    ) -> Result<Vec<OutcomeEvent>, OutboxError> {
        let at = self.options().clock.now();
        let ended = self
            .run(move |db| {
                let lane = turn.lane(db)?;
                let stop = Stop {
                    code: refusal.code,
                    message: refusal.message,
                    at,
                };
                lanes::set_stop(db, &lane, Some(&stop))?;
                record::all_in_doubt(db, lane, at)
            })
            .await?;
        self.tell(&ended);
        Ok(ended)
    }
}

/// Takes up to `room` batches that are not among `in_flight`, and marks them as sent.
fn take_now(
    db: &Connection,
    turn: Turn,
    options: &super::OutboxOptions,
    (in_flight, room, is_claimed): (&[i64], usize, bool),
) -> Result<Taken, OutboxError> {
    let mut lane = turn.lane(db)?;
    let limits = lane.limits.unwrap_or(options.limits);
    if !is_claimed {
        lane.settled_through = repeats::told_before_claim(db, &lane, &limits)?;
    }
    let cutter = cutter(options, limits, true);
    mind_the_clock(db, &lane, options)?;
    let taken = send::take(db, &lane, &cutter, (in_flight, room))?;
    if planted!("settled-before-ack") {
        for sent in &taken.outgoing {
            let answer = Answer {
                batch: sent.number,
                outcomes: vec![OpOutcome::Applied(lane.cursor); sent.batch.entries.len()],
                fresh: None,
            };
            let times = (options.clock.now(), &options.retry);
            record::record(db, turn.lane(db)?, &answer, times)?;
        }
    }
    Ok(taken)
}

fn cutter(options: &super::OutboxOptions, limits: Limits, sends: bool) -> Cutter<'_> {
    Cutter {
        limits,
        sends,
        size: Size::of(&limits, options.batch_ops_max, options.batch_bytes_max),
        clock: &*options.clock,
        entropy: &*options.entropy,
    }
}

/// When an op is tried again was reckoned by the clock as it was then. If that has been put back
/// since, nothing waits longer than the policy's longest wait all the same.
fn mind_the_clock(
    db: &Connection,
    lane: &Lane,
    options: &super::OutboxOptions,
) -> Result<(), OutboxError> {
    let longest = options.retry.delay_max.as_millis();
    let longest = u64::try_from(longest).unwrap_or(u64::MAX);
    let latest = options.clock.now().plus_ms(longest);
    progress::wait_no_longer_than(db, lane, latest)
}

fn check(recovery: Option<Recovery>) -> Result<ClaimCheck, OutboxError> {
    Ok(recovery.map_or(ClaimCheck::Ours, ClaimCheck::Replanned))
}
