//! Re-queueing: a lane is left, and what is to be sent goes into a new one. Each op keeps its id and
//! names its first identity, so that the server can tell whether it was applied already
//! (`docs/design.md` §3, "A copied or restored outbox").

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;
use share_model::{Cursor, FirstLane, HistoryId, OutboxKey, Seq, UnixMs, planted};

use super::batches;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members::{self, Member};
use super::ops::{self, Group};
use super::outcome::{Failure, Outcome};
use super::own_way;
use super::progress::{self, Reopened, RowState};

/// The lane that takes the place of another.
#[derive(Debug)]
pub(super) struct NewLane<'a> {
    pub(super) key: &'a OutboxKey,
    /// The server's, if it is known.
    pub(super) history: Option<HistoryId>,
    /// The highest of the share that its server answered with, as far as it still has it.
    pub(super) cursor: Cursor,
    pub(super) now: UnixMs,
}

/// Leaves the share's own lane and moves what has no outcome into a new one, oldest first; returns
/// how many ops that are.
pub(super) fn unsettled(
    db: &Connection,
    lane: &Lane,
    new: &NewLane<'_>,
) -> Result<u64, OutboxError> {
    own_way::write_out_open(db, lane.number)?;
    leave(db, lane, new, |held| !held.state.is_final())
}

/// Leaves the share's own lane and moves all that is held, of the lanes left before as well, into a
/// new one, oldest first; returns how many ops that are.
///
/// What was given up goes along as a word that it is: the server that went back in time has
/// forgotten that too, and a copy could bring the op back.
pub(super) fn everything(
    db: &Connection,
    lane: &Lane,
    new: &NewLane<'_>,
) -> Result<u64, OutboxError> {
    for lane in lanes::of_share(db, lane.share)? {
        own_way::write_out_from(db, lane.number, Seq::ZERO)?;
    }
    leave(db, lane, new, |_| true)
}

fn leave(
    db: &Connection,
    lane: &Lane,
    new: &NewLane<'_>,
    is_moved: impl Fn(&Member) -> bool,
) -> Result<u64, OutboxError> {
    batches::delete_open(db, lane.number)?;
    lanes::replace(db, lane, new.key, (new.history, new.cursor, new.now))?;
    let mut to = lanes::get(db, lane.share)?;
    let mut moved = 0;
    for from in lanes::of_share(db, lane.share)? {
        if from.number == to.number {
            continue;
        }
        let members = members::between(db, from.number, (Seq::new(1), from.last_seq()))?;
        let members: Vec<_> = members.into_iter().filter(&is_moved).collect();
        moved += members.len() as u64;
        move_all(db, from, &mut to, &members)?;
    }
    lanes::set_tail(db, to.number, (to.next_seq, to.chain))?;
    lanes::set_cut(db, to.number, to.cut_through)?;
    lanes::delete_empty(db, lane.share)?;
    Ok(moved)
}

/// Moves `members` of `from`, in their order, to the end of `to`.
fn move_all(
    db: &Connection,
    mut from: Lane,
    to: &mut Lane,
    members: &[Member],
) -> Result<(), OutboxError> {
    let groups = whole_groups(members);
    let shift = |seq: Seq, first: Seq, next: Seq| Seq::new(next.get() + seq.get() - first.get());
    let mut group = None;
    for member in members {
        let old = member.group.filter(|old| groups.contains(&old.first));
        group = match (old, group) {
            // Its seqs follow each other here as they did there.
            (Some(old), _) if old.first == member.seq => Some(Group {
                first: to.next_seq,
                last: shift(old.last, old.first, to.next_seq),
                expected_cursor: old.expected_cursor,
            }),
            (Some(_), group) => group,
            (None, _) => None,
        };
        move_one(db, &from, to, (member, group))?;
        if member.state == RowState::Settled {
            from.settled_ops = from.settled_ops.saturating_sub(1);
            from.settled_bytes = from.settled_bytes.saturating_sub(member.entry_bytes);
        }
    }
    from.settled_through = from.last_seq();
    lanes::set_cut(db, from.number, from.last_seq())?;
    lanes::set_settled(db, &from)
}

fn move_one(
    db: &Connection,
    from: &Lane,
    to: &mut Lane,
    (member, group): (&Member, Option<Group>),
) -> Result<(), OutboxError> {
    let old = (from.number, member.seq);
    let (mut entry, fingerprint) = ops::entry_at(db, old.0, old.1)?;
    if !planted!("requeue-without-was") {
        entry.was.get_or_insert(FirstLane {
            outbox: from.outbox(),
            seq: member.seq,
        });
    }
    entry.seq = to.next_seq;
    to.chain = to.chain.then(fingerprint);
    to.next_seq = entry.seq.next();
    ops::move_to(db, old, (to.number, to.chain, group), &entry)?;
    if member.seq > from.cut_through {
        // It was in no batch yet and has no row of its own. Nor have those behind it, which come after
        // all others: there too they are what is not cut.
        return Ok(());
    }
    to.cut_through = entry.seq;
    let reopened = Reopened {
        give_up: given_up(member),
        fed: member.state == RowState::Settled,
        to: (to.number, entry.seq),
    };
    progress::reopen(db, old, &reopened)
}

/// As what an op goes on to be given up, or is given up again; `None`: it is sent.
pub(super) fn given_up(member: &Member) -> Option<Outcome> {
    match member.state {
        RowState::DeadLetter => member.outcome.clone(),
        // A person may have sent it as a new op. The answer is better than the doubt, whichever it is.
        RowState::InDoubt => Some(Outcome::DeadLetter(Failure::Doubted)),
        state if !state.is_final() && member.give_up => member.outcome.clone(),
        _ => None,
    }
}

/// The atomic groups of which every op is there and goes on to be sent. Of another one, a part was
/// given up or dropped: it can't be sent whole, and each op of it stands for itself.
fn whole_groups(members: &[Member]) -> BTreeSet<Seq> {
    let mut counts: BTreeMap<Seq, (Group, u64)> = BTreeMap::new();
    for member in members {
        if let Some(group) = member.group.filter(|_| given_up(member).is_none()) {
            counts.entry(group.first).or_insert((group, 0)).1 += 1;
        }
    }
    counts.retain(|first, (group, count)| *count == group.last.above(*first) + 1);
    counts.into_keys().collect()
}
