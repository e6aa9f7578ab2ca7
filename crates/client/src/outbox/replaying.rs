//! The outbox as the replay uses it: each call is one durable step.

use share_model::{
    Batch, BatchId, Claimed, HistoryId, Incarnation, Limits, Nonce, OpOutcome, OutboxKey, Refusal,
    RefusalCode, Seq, ShareId, ShareRef, UnixMs,
};

use super::Outbox;
use super::cut::{Cutter, Size};
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::lease::Turn;
use super::outcome::OutcomeEvent;
use super::send::{self, Taken};
use super::stop::Stop;
use super::{progress, prune, record, refused};

/// What a connection begins with.
#[derive(Debug)]
pub(crate) struct OpenLane {
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

/// Whether a claim's answer fits what the outbox holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ClaimCheck {
    Ours,
    /// The lane is not the outbox's own any more, or the server went back in time.
    NotOurs(RefusalCode, String),
}

impl Outbox {
    /// The shares that have something to replay and don't wait for a person.
    pub(crate) async fn replayable(&self) -> Result<Vec<ShareId>, OutboxError> {
        self.run(lanes::replayable).await
    }

    /// Prepares a claim, if there is something to send. What is to be sent is taken when there is a
    /// connection to send it on.
    pub(crate) async fn open_lane(&self, turn: Turn) -> Result<Opening, OutboxError> {
        let options = self.options().clone();
        self.run(move |db| {
            let lane = turn.lane(db)?;
            if lane.stop.is_some() {
                return Ok(Opening::Standing);
            }
            let limits = lane.limits.unwrap_or(options.limits);
            let cutter = cutter(&options, &limits);
            if send::choose(db, &lane, &cutter, &limits, (&[], 1))?.is_empty() {
                return Ok(Opening::Nothing {
                    wake_at: progress::next_due(db, lane.number)?,
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

    /// Takes up to `room` batches that are not among `in_flight`, and marks them as sent.
    pub(crate) async fn take(
        &self,
        turn: Turn,
        in_flight: Vec<i64>,
        room: usize,
    ) -> Result<Taken, OutboxError> {
        let options = self.options().clone();
        self.run(move |db| {
            let lane = turn.lane(db)?;
            let limits = lane.limits.unwrap_or(options.limits);
            let cutter = cutter(&options, &limits);
            send::take(db, &lane, &cutter, &limits, (&in_flight, room))
        })
        .await
    }

    /// What may be told as settled, with a batch that says nothing else.
    pub(crate) async fn settled(&self, turn: Turn) -> Result<(Seq, Batch), OutboxError> {
        let id = BatchId::new(&*self.options().clock, &*self.options().entropy);
        let batch = Batch {
            id,
            atomic: false,
            expected_cursor: None,
            entries: Vec::new(),
        };
        let settled_through = self
            .run(move |db| Ok(turn.lane(db)?.settled_through))
            .await?;
        Ok((settled_through, batch))
    }

    /// Stores the answers to redeem and claim, if the claim fits what the outbox holds.
    pub(crate) async fn store_claim(
        &self,
        turn: Turn,
        claimed: Claimed,
        limits: Limits,
    ) -> Result<ClaimCheck, OutboxError> {
        self.run(move |db| {
            let lane = turn.lane(db)?;
            if lane.limits != Some(limits) {
                lanes::set_limits(db, &lane, &limits)?;
            }
            let check = compare(db, &lane, &claimed)?;
            if check == ClaimCheck::Ours {
                lanes::set_claimed(db, &lane, claimed.incarnation, claimed.history)?;
            }
            Ok(check)
        })
        .await
    }

    /// Records a batch's answer; then tells what has ended.
    pub(crate) async fn record(
        &self,
        turn: Turn,
        batch: i64,
        outcomes: Vec<OpOutcome>,
    ) -> Result<record::Recorded, OutboxError> {
        let (now, retry) = (self.options().clock.now(), self.options().retry);
        let recorded = self
            .run(move |db| record::record(db, turn.lane(db)?, batch, &outcomes, (now, &retry)))
            .await?;
        self.tell(&recorded.ended);
        Ok(recorded)
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

    /// Drops some settled rows beyond the retention; whether there may be more.
    pub(crate) async fn prune_step(&self, turn: Turn) -> Result<bool, OutboxError> {
        let (now, retention) = (self.options().clock.now(), self.options().retention);
        self.run(move |db| prune::step(db, turn.lane(db)?, &retention, now))
            .await
    }
}

fn cutter<'a>(options: &'a super::OutboxOptions, limits: &Limits) -> Cutter<'a> {
    Cutter {
        size: Size::of(limits, options.batch_ops_max, options.batch_bytes_max),
        clock: &*options.clock,
        entropy: &*options.entropy,
    }
}

fn compare(
    db: &rusqlite::Connection,
    lane: &Lane,
    claimed: &Claimed,
) -> Result<ClaimCheck, OutboxError> {
    let (highest, share) = (claimed.highest, lane.share);
    let lost = lane.answered_through.max(lane.settled_through);
    if highest < lost {
        return Ok(ClaimCheck::NotOurs(
            RefusalCode::HistoryChanged,
            format!(
                "the server of share {share} knows this outbox's ops up to seq {highest}, though it \
                 answered up to seq {lost}: it went back in time"
            ),
        ));
    }
    if claimed.floor > lane.settled_through {
        return Ok(foreign(lane, format!("settled seq {}", claimed.floor)));
    }
    let same = highest <= lane.last_seq()
        && match send::own_chain(db, lane, highest)? {
            Some(own) => own == claimed.chain,
            None => false,
        };
    if same {
        Ok(ClaimCheck::Ours)
    } else {
        Ok(foreign(lane, format!("sent other ops up to seq {highest}")))
    }
}

fn foreign(lane: &Lane, what: String) -> ClaimCheck {
    let (share, settled): (ShareId, Seq) = (lane.share, lane.settled_through);
    ClaimCheck::NotOurs(
        RefusalCode::WriterForked,
        format!(
            "a copy of this outbox {what} of share {share}; this one has settled up to seq {settled}"
        ),
    )
}
