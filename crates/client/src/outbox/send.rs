//! What goes out next: stored batches first, as they are, then newly cut ones.

use rusqlite::Connection;
use share_model::{Batch, RejectReason, Seq, UnixMs};

use super::batches;
use super::cut::{Cut, Cutter, Queued, window_has_room};
use super::error::OutboxError;
use super::lanes::Lane;
use super::members::{self, Fresh};
use super::outcome::{Failure, Outcome};
use super::progress::{self, RowState};

/// A batch to send now; marked as sent already, so that a crash never makes it look unsent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) number: i64,
    pub(crate) batch: Batch,
    /// It was sent before, perhaps by an earlier process.
    pub(crate) resent: bool,
    /// Its ops, if it was never sent before.
    pub(crate) fresh: Option<Vec<Fresh>>,
}

/// What to send, and when to look again.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) outgoing: Vec<Outgoing>,
    /// For the envelopes.
    pub(crate) settled_through: Seq,
    /// When a rejected op is due.
    pub(crate) wake_at: Option<UnixMs>,
    /// Nothing moves before another outbox sends what it has.
    pub(crate) waits_for_others: bool,
    /// There was no room for more: when there is, there may be more.
    pub(crate) is_part: bool,
}

/// What [`choose`] chose.
#[derive(Debug, Default)]
pub(crate) struct Chosen {
    pub(crate) sending: Vec<Cut>,
    /// There was no room for more.
    pub(crate) is_part: bool,
}

/// Takes up to `room` batches that are not among `in_flight`, and marks them as sent.
pub(crate) fn take(
    db: &Connection,
    lane: &Lane,
    cutter: &Cutter<'_>,
    wanted: (&[i64], usize),
) -> Result<Taken, OutboxError> {
    let Chosen { sending, is_part } = choose(db, lane, cutter, wanted)?;
    let mut taken = Taken {
        is_part,
        settled_through: lane.settled_through,
        wake_at: progress::next_due(db, lane)?,
        ..Taken::default()
    };
    if sending.is_empty() {
        taken.waits_for_others = progress::waits_for_others(db, lane.number)?;
    }
    for cut in sending {
        taken.outgoing.push(mark(db, lane, cut)?);
    }
    Ok(taken)
}

/// Up to `room` batches that are not among `in_flight`, stored, and marked as sent only if the cutter
/// says so of those that it cuts: until there is a connection, nothing was tried.
pub(crate) fn choose(
    db: &Connection,
    lane: &Lane,
    cutter: &Cutter<'_>,
    (in_flight, room): (&[i64], usize),
) -> Result<Chosen, OutboxError> {
    let limits = &cutter.limits;
    let mut sending = Vec::new();
    let mut is_full = false;
    for batch in batches::open(db, lane.number)? {
        if sending.len() >= room {
            break;
        }
        if in_flight.contains(&batch.number) {
            continue;
        }
        if window_has_room(lane, limits, batch.ends.1) {
            sending.push(Cut { batch, sent: None });
        } else {
            is_full = true;
        }
    }
    take_holes(db, lane, cutter, (&mut sending, room))?;
    while sending.len() < room && !is_full {
        match cutter.next_of_queued(db, lane)? {
            Queued::Nothing => break,
            Queued::Cut(cut) if window_has_room(lane, limits, cut.batch.ends.1) => {
                sending.push(cut);
            }
            Queued::NoRoom | Queued::Cut(_) => is_full = true,
        }
    }
    if is_full && give_up_the_oldest(db, lane)? {
        take_holes(db, lane, cutter, (&mut sending, room))?;
    }
    Ok(Chosen {
        is_part: sending.len() >= room || is_full,
        sending,
    })
}

fn take_holes(
    db: &Connection,
    lane: &Lane,
    cutter: &Cutter<'_>,
    (sending, room): (&mut Vec<Cut>, usize),
) -> Result<(), OutboxError> {
    while sending.len() < room {
        match cutter.next_of_holes(db, lane)? {
            None => break,
            Some(batch) => sending.push(Cut { batch, sent: None }),
        }
    }
    Ok(())
}

/// The window is full: if a rejected op that waits for its next try holds it, that op has had its
/// time. The window bounds how long a retry may go on.
fn give_up_the_oldest(db: &Connection, lane: &Lane) -> Result<bool, OutboxError> {
    let Some(first) = progress::first_unsettled(db, lane.number)? else {
        return Ok(false);
    };
    if first > lane.settled_through.next() {
        // What holds the window has ended, and is only not told as settled yet.
        return Ok(false);
    }
    let rows = members::between(db, lane.number, (first, first))?;
    let waiting = rows
        .into_iter()
        // One without a rejection is only asked about again.
        .find(|member| {
            member.state == RowState::Rejected && !member.give_up && member.rejections > 0
        });
    let Some(member) = waiting else {
        return Ok(false);
    };
    let outcome = member
        .outcome
        .unwrap_or(Outcome::DeadLetter(Failure::Rejected(
            RejectReason::AtomicGroupFailed,
        )));
    let ends = member
        .group
        .map_or((first, first), |group| (group.first, group.last));
    for member in members::between(db, lane.number, ends)? {
        if member.state == RowState::Rejected {
            let outcome = member.outcome.as_ref().unwrap_or(&outcome);
            progress::give_up(db, lane.number, member.seq, outcome)?;
        }
    }
    Ok(true)
}

fn mark(db: &Connection, lane: &Lane, cut: Cut) -> Result<Outgoing, OutboxError> {
    let stored = &cut.batch;
    if let Some((fresh, entries)) = cut.sent {
        return Ok(Outgoing {
            number: stored.number,
            batch: batches::with_entries(stored, entries),
            resent: false,
            fresh: Some(fresh),
        });
    }
    let resent = batches::was_sent(db, lane.number, stored)?;
    batches::mark_sent(db, lane.number, stored)?;
    let batch = batches::assemble(db, lane.number, stored)?;
    Ok(Outgoing {
        number: stored.number,
        batch,
        resent,
        fresh: None,
    })
}
