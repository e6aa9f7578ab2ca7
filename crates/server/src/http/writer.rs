//! The server's own writer in one share: what is synced goes through it, one sync after the other.

use std::collections::VecDeque;

use share_engine::{Authority, ClaimRequest};
use share_model::{
    Batch, BatchId, Cursor, Entry, EntryBody, Envelope, Mutation, Nonce, Op, OpId, OpOutcome,
    OutboxId, Refusal, RefusalCode, RejectReason, Seq,
};
use share_opencode::{Item, ItemError};
use tokio::sync::Mutex;

use super::cut::{self, Cut};
use super::options::HttpLimits;
use crate::fault::Fault;
use crate::owner::{
    AppendCall, AppenderTicket, Claim, ClaimCall, LaneCall, Outcome, SessionTicket, ValuesCall,
};
use crate::rpc::{Door, Reading};

/// A writer under an owner's grant that was redeemed.
#[derive(Debug)]
pub(super) struct Writer {
    reading: Reading,
    outbox: OutboxId,
    /// `None` while it is not known where the lane stands: before the first append, and after one of
    /// which no answer came. Then it is claimed, which puts whatever was sent before behind a fence.
    lane: Mutex<Option<Lane>>,
    _ticket: SessionTicket,
}

/// A claimed lane of which every seq has its outcome.
#[derive(Debug)]
struct Lane {
    appender: AppenderTicket,
    highest: Seq,
}

/// Why a writer does not bring a share to say what it should.
#[derive(Debug)]
pub(super) enum Stop {
    /// It may not, or there is no room.
    Refused(Refusal),
    /// An op has no place in the document as it stands.
    Rejected(RejectReason),
    /// An item has none in any.
    Item(ItemError),
    /// There is no outcome.
    Fault(Fault),
}

/// What became of a batch.
enum Appended {
    Done,
    /// Somebody else changed the share since it was looked at.
    Moved,
    /// Somebody else has claimed the lane: another process with the same secret.
    Lost,
}

impl Writer {
    pub(super) fn new(reading: Reading, ticket: SessionTicket, outbox: OutboxId) -> Self {
        Self {
            reading,
            outbox,
            lane: Mutex::default(),
            _ticket: ticket,
        }
    }

    /// Brings the share to say what `items` say, each of one entry, in order; takes away those that it
    /// says. Dropped half-way, the next call finds out what was done.
    pub(super) async fn bring(
        &self,
        door: &Door,
        limits: &HttpLimits,
        items: &mut VecDeque<Item>,
    ) -> Result<(), Stop> {
        let turn = door.within(async { Ok(Ok(self.lane.lock().await)) });
        let mut lane = accepted(turn.await)?;
        let mut tries = 0;
        // Once also for no item at all: authority is checked there.
        loop {
            match self.bring_first(door, limits, (&mut lane, items)).await? {
                Appended::Done if items.is_empty() => return Ok(()),
                Appended::Done => tries = 0,
                Appended::Moved | Appended::Lost => tries += 1,
            }
            if tries >= limits.tries_max {
                return Err(Stop::Fault(Fault::Contended { tries }));
            }
        }
    }

    async fn bring_first(
        &self,
        door: &Door,
        limits: &HttpLimits,
        (lane, items): (&mut Option<Lane>, &mut VecDeque<Item>),
    ) -> Result<Appended, Stop> {
        let share_limits = door.hub.share_limits();
        let keys = cut::keys(items, share_limits)?;
        let call = ValuesCall {
            authority: self.reading.authority.clone(),
            keys: keys.clone(),
        };
        let read = accepted(door.within(self.reading.call(call, 0).outcome()).await)?;
        let (count, known) = cut::comparable(keys, read.values, limits.compared_bytes_max);
        let cut = Cut::of(items.iter().take(count), known, share_limits)?;
        let appended = match cut.mutations.is_empty() {
            true => Appended::Done,
            false => {
                self.append(door, lane, (cut.mutations, read.cursor))
                    .await?
            }
        };
        if let Appended::Done = appended {
            items.drain(..cut.items);
        }
        Ok(appended)
    }

    /// Appends the mutations if the share's cursor is still `expected`: all of them, or none.
    async fn append(
        &self,
        door: &Door,
        lane: &mut Option<Lane>,
        (mutations, expected): (Vec<Mutation>, Cursor),
    ) -> Result<Appended, Stop> {
        // Put back only with the answer: whoever is dropped in between leaves a lane to be claimed.
        let mut held = match lane.take() {
            Some(lane) => lane,
            None => match self.claim(door).await? {
                Some(lane) => lane,
                None => return Ok(Appended::Lost),
            },
        };
        let command = held.batch(door, &self.reading.authority, (mutations, expected));
        let highest = command.batch.entries.last().map(|entry| entry.seq);
        let appended = door.within(async { self.reading.append(command).await.outcome().await });
        let ack = match appended.await {
            Ok(Err(refusal)) if is_of_the_lane(refusal.code) => return Ok(Appended::Lost),
            outcome => accepted(outcome)?,
        };
        held.highest = highest.unwrap_or(held.highest);
        *lane = Some(held);
        became(ack.outcomes)
    }

    /// Claims the lane, whoever had it; `None`: somebody else was faster.
    async fn claim(&self, door: &Door) -> Result<Option<Lane>, Stop> {
        let authority = self.reading.authority.clone();
        let call = LaneCall {
            authority: authority.clone(),
            outbox: self.outbox,
        };
        let incarnation = accepted(door.within(self.reading.call(call, 0).outcome()).await)?;
        let request = ClaimRequest {
            outbox: self.outbox,
            incarnation,
            nonce: Nonce::random(&*door.seams.entropy),
            history: None,
        };
        let call = ClaimCall { authority, request };
        let claimed = door.within(self.reading.call(call, 0).outcome()).await;
        match claimed {
            Ok(Err(refusal)) if is_of_the_lane(refusal.code) => Ok(None),
            outcome => {
                let Claim { appender, claimed } = accepted(outcome)?;
                let highest = claimed.highest;
                Ok(Some(Lane { appender, highest }))
            }
        }
    }
}

impl Lane {
    /// The next batch. All before it is settled: nobody will ask for it again.
    fn batch(
        &self,
        door: &Door,
        authority: &Authority,
        (mutations, expected): (Vec<Mutation>, Cursor),
    ) -> AppendCall {
        let (clock, entropy) = (&*door.seams.clock, &*door.seams.entropy);
        let mut seq = self.highest;
        let entries = mutations.into_iter().map(|mutation| {
            seq = seq.next();
            let op = Op {
                id: OpId::new(clock, entropy),
                depends_on: Vec::new(),
                mutation,
            };
            Entry {
                seq,
                was: None,
                body: EntryBody::Op(op),
                origin: None,
            }
        });
        let batch = Batch {
            id: BatchId::new(clock, entropy),
            atomic: true,
            expected_cursor: Some(expected),
            entries: entries.collect(),
        };
        AppendCall {
            authority: authority.clone(),
            appender: self.appender.clone(),
            batch,
            envelope: Envelope {
                capability_epoch: authority.epoch(),
                settled_through: self.highest,
            },
        }
    }
}

/// Whether a refusal says that the lane is another one's now, and nothing of who asks.
fn is_of_the_lane(code: RefusalCode) -> bool {
    matches!(
        code,
        RefusalCode::WriterFenced
            | RefusalCode::WriterForked
            | RefusalCode::AlreadySettled
            | RefusalCode::OutOfOrder
    )
}

fn became(outcomes: Vec<OpOutcome>) -> Result<Appended, Stop> {
    let mut why = None;
    for outcome in outcomes {
        match outcome {
            OpOutcome::Applied(_) | OpOutcome::Duplicate(_) => {}
            OpOutcome::Rejected(RejectReason::CursorMismatch { .. }) => return Ok(Appended::Moved),
            // Some other op of the group says what is wrong.
            OpOutcome::Rejected(reason @ RejectReason::AtomicGroupFailed) => {
                why.get_or_insert(reason);
            }
            OpOutcome::Rejected(reason) => why = Some(reason),
            // Not of an op that was sent once.
            OpOutcome::InDoubt | OpOutcome::Abandoned => return Ok(Appended::Lost),
        }
    }
    why.map_or(Ok(Appended::Done), |reason| Err(Stop::Rejected(reason)))
}

fn accepted<T>(outcome: Outcome<T>) -> Result<T, Stop> {
    outcome.map_err(Stop::Fault)?.map_err(Stop::Refused)
}

impl From<ItemError> for Stop {
    fn from(error: ItemError) -> Self {
        Self::Item(error)
    }
}
