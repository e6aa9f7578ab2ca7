//! Ops that had ended and are asked about again, at the seqs that they had (`docs/design.md` §3, "A
//! restored server").
//!
//! A server that goes back in time with its history id may show it by nothing: the highest seq and the
//! chain are those that were answered if all that it lost is what filled a hole, and others may have
//! brought the share's cursor up again. Its floor lies below such an op, though. So what ended by a
//! repeat above the floor is sent once more, before it is told as settled: a server that has it says
//! so, and one that lost it gets it again.

use rusqlite::Connection;
use share_model::{Limits, Seq, UnixMs, planted};

use super::batches;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members::{self, Member};
use super::own_way;
use super::progress::{self, Reopened, RowState};
use super::replan::Standing;
use super::requeue;

/// The lane is as the outbox believes, as far as the claim's answer shows: what may be a hole at the
/// server all the same goes out again.
pub(super) fn ask_again(
    db: &Connection,
    mut lane: Lane,
    standing: &Standing,
    now: UnixMs,
) -> Result<(), OutboxError> {
    if planted!("repeats-not-asked-again") {
        return Ok(());
    }
    let between = (standing.floor.next(), standing.highest);
    own_way::write_out_repeated(db, lane.number, between)?;
    let ended = members::ended_by_a_repeat(db, lane.number, between)?;
    if ended.is_empty() {
        return Ok(());
    }
    reopen(db, &mut lane, &ended)?;
    // As holes, which go before what is new, and not in one batch with it: until they are answered,
    // they hold the window.
    let as_hole = (RowState::Rejected, false);
    ended
        .iter()
        .try_for_each(|member| progress::release(db, lane.number, member.seq, as_hole, now))
}

/// Ops of a lane are to be sent again, or given up again, whatever had become of them.
pub(super) fn reopen(
    db: &Connection,
    lane: &mut Lane,
    members: &[Member],
) -> Result<(), OutboxError> {
    for member in members {
        if member.state == RowState::Settled {
            lane.settled_ops = lane.settled_ops.saturating_sub(1);
            lane.settled_bytes = lane.settled_bytes.saturating_sub(member.entry_bytes);
        }
        let reopened = Reopened {
            give_up: requeue::given_up(member),
            fed: member.state == RowState::Settled,
            to: (lane.number, member.seq),
        };
        progress::reopen(db, (lane.number, member.seq), &reopened)?;
    }
    let first_open = progress::first_unsettled(db, lane.number)?.unwrap_or(lane.next_seq);
    lane.settled_through = Seq::new(first_open.get() - 1);
    lanes::set_settled(db, lane)
}

/// What may be told as settled before the claim's answer is known: nothing that may be asked about
/// again then. A server that did not go back has its floor within a window of what it answered.
pub(super) fn told_before_claim(
    db: &Connection,
    lane: &Lane,
    limits: &Limits,
) -> Result<Seq, OutboxError> {
    let window = u64::from(limits.window);
    let lowest = Seq::new(lane.answered_through.get().saturating_sub(window)).next();
    let between = (lowest, lane.settled_through);
    let ended = members::ended_by_a_repeat(db, lane.number, between)?;
    let own = ended.first().map(|first| first.seq);
    // Of a whole batch the first ops may be gone, which a person can't have left behind.
    let held = lowest.max(lane.pruned_through.next());
    let whole = batches::whole_repeated(db, lane.number, (held, lane.settled_through))?;
    let of_whole = whole.first().map(|batch| batch.ends.0.max(held));
    let first = own.into_iter().chain(of_whole).min();
    Ok(first.map_or(lane.settled_through, |first| Seq::new(first.get() - 1)))
}
