//! Where a server stands with a lane, compared with what the outbox holds, and what follows from it
//! (`docs/design.md` §3, "A copied or restored outbox", "A restored server").

use rusqlite::Connection;
use share_model::{Chain, Cursor, HistoryId, OutboxKey, Seq, UnixMs, planted};

use super::batches;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members;
use super::ops;
use super::own_way;
use super::recoveries::{self, LostOps, Recovery};
use super::repeats;
use super::requeue::{self, NewLane};

/// Where a server stands with a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) history: HistoryId,
    pub(crate) floor: Seq,
    pub(crate) highest: Seq,
    pub(crate) chain: Chain,
    /// The share's, as the same connection told before.
    pub(crate) cursor: Cursor,
}

/// What a new plan is made with.
#[derive(Debug, Clone)]
pub(crate) struct Planner {
    /// For a new lane, if there has to be one.
    pub(crate) key: OutboxKey,
    pub(crate) now: UnixMs,
}

/// What the comparison says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The lane is as the outbox believes.
    AsBelieved,
    /// Another outbox has the lane: why.
    NotOurs(String),
    /// The server went back in time, and the lane goes on from where it stands: why.
    FeedAgain(String),
    /// The server went back in time, and the lane can't go on: why.
    BeginAnew(String),
}

/// Compares, without changing anything.
pub(crate) fn compare(
    db: &Connection,
    lane: &Lane,
    standing: &Standing,
) -> Result<Verdict, OutboxError> {
    let Standing { floor, highest, .. } = *standing;
    let heard = lane.answered_through.max(lane.settled_through);
    let own = own_chain(db, lane, highest)?;
    let is_own = own == Some(standing.chain) || planted!("chain-not-compared");
    let is_intact = is_own && floor <= lane.settled_through;
    let went_back = match lane.history {
        Some(known) if known != standing.history => Some(format!(
            "the server's history is {}, not {known}",
            standing.history
        )),
        _ if highest < heard => Some(format!(
            "the server has this outbox's ops up to seq {highest}, though it answered up to seq {heard}"
        )),
        _ => lost_cursor(lane, standing.cursor),
    };
    let went_back = went_back.filter(|_| !planted!("restore-not-noticed"));
    let Some(went_back) = went_back else {
        return Ok(match (is_intact, own) {
            (true, _) => Verdict::AsBelieved,
            (false, Some(own)) if own == standing.chain => Verdict::NotOurs(format!(
                "a copy of this outbox has settled up to seq {floor}"
            )),
            (false, _) => Verdict::NotOurs(format!(
                "a copy of this outbox has sent other ops up to seq {highest}"
            )),
        });
    };
    let is_alone = lanes::of_share(db, lane.share)?.len() == 1;
    Ok(if is_intact && is_alone {
        Verdict::FeedAgain(went_back)
    } else {
        Verdict::BeginAnew(went_back)
    })
}

/// Why the server went back in time, if the share's cursor shows it, which only grows.
fn lost_cursor(lane: &Lane, cursor: Cursor) -> Option<String> {
    (cursor < lane.cursor).then(|| {
        let answered = lane.cursor;
        format!("the share is at cursor {cursor}, though its server answered up to {answered}")
    })
}

/// Compares, and carries out what follows. `None`: the lane is as the outbox believes.
pub(crate) fn carry_out(
    db: &Connection,
    lane: Lane,
    standing: &Standing,
    planner: &Planner,
) -> Result<Option<Recovery>, OutboxError> {
    let share = lane.share;
    let new = NewLane {
        key: &planner.key,
        history: Some(standing.history),
        cursor: standing.cursor,
        now: planner.now,
    };
    let recovery = match compare(db, &lane, standing)? {
        Verdict::AsBelieved => {
            if lane.history != Some(standing.history) && planted!("restore-not-noticed") {
                lanes::set_history(db, &lane, standing.history)?;
            }
            repeats::ask_again(db, lane, standing, planner.now)?;
            return Ok(None);
        }
        Verdict::NotOurs(reason) => requeue(db, &lane, reason, &new)?,
        Verdict::FeedAgain(reason) => feed_again(db, lane, standing, reason)?,
        Verdict::BeginAnew(reason) => begin_anew(db, &lane, (standing, reason), &new)?,
    };
    let is_nothing =
        matches!(&recovery, Recovery::FedAgain { ops: 0, lost, .. } if lost.is_empty());
    if !is_nothing {
        recoveries::insert(db, share, planner.now, &recovery)?;
    }
    Ok(Some(recovery))
}

/// Another outbox has the lane, as a refusal said: what is not settled goes into a new one; or all
/// that is held, if the share's cursor shows that the server went back in time as well.
pub(crate) fn lane_is_lost(
    db: &Connection,
    lane: &Lane,
    (reason, cursor): (String, Cursor),
    planner: &Planner,
) -> Result<Recovery, OutboxError> {
    let new = NewLane {
        key: &planner.key,
        history: lane.history,
        cursor: cursor.min(lane.cursor),
        now: planner.now,
    };
    let recovery = match lost_cursor(lane, cursor) {
        None => requeue(db, lane, reason, &new)?,
        Some(went_back) => {
            let reason = format!("{reason}; {went_back}");
            requeue_all(db, lane, (Seq::ZERO, reason), &new)?
        }
    };
    recoveries::insert(db, lane.share, planner.now, &recovery)?;
    Ok(recovery)
}

fn requeue(
    db: &Connection,
    lane: &Lane,
    reason: String,
    new: &NewLane<'_>,
) -> Result<Recovery, OutboxError> {
    let ops = requeue::unsettled(db, lane, new)?;
    Ok(Recovery::Requeued { reason, ops })
}

fn begin_anew(
    db: &Connection,
    lane: &Lane,
    (standing, reason): (&Standing, String),
    new: &NewLane<'_>,
) -> Result<Recovery, OutboxError> {
    // Where the chain can't be compared, the server's ops up to `highest` are taken for this outbox's.
    let is_foreign = standing.highest >= lane.pruned_through
        && own_chain(db, lane, standing.highest)? != Some(standing.chain);
    let has = if is_foreign {
        Seq::ZERO
    } else {
        standing.highest
    };
    requeue_all(db, lane, (has, reason), new)
}

/// Re-queues all that is held; of this lane the server has what lies up to `has`.
fn requeue_all(
    db: &Connection,
    lane: &Lane,
    (has, reason): (Seq, String),
    new: &NewLane<'_>,
) -> Result<Recovery, OutboxError> {
    let mut unchecked = Vec::new();
    for left in lanes::of_share(db, lane.share)? {
        if left.number != lane.number {
            unchecked.extend(pruned(&left, Seq::ZERO));
        }
    }
    let lost = pruned(lane, has).into_iter().collect();
    let ops = requeue::everything(db, lane, new)?;
    Ok(Recovery::RequeuedAll {
        reason,
        ops,
        lost,
        unchecked,
    })
}

/// What is not settled at the server is sent again, at the seqs that it had.
///
/// That is more than what lies beyond the server's highest seq: at or below it, above its floor, may
/// be the hole of an op that was rejected first and applied later, which the server has forgotten;
/// and so has it that an op was given up.
fn feed_again(
    db: &Connection,
    mut lane: Lane,
    standing: &Standing,
    reason: String,
) -> Result<Recovery, OutboxError> {
    let Standing { floor, highest, .. } = *standing;
    own_way::write_out_from(db, lane.number, floor.next())?;
    batches::delete_open(db, lane.number)?;
    // Those above wait to be sent as it is.
    let held = members::between(db, lane.number, (floor.next(), lane.cut_through))?;
    let ops = held.iter().filter(|member| member.state.is_final()).count() as u64;
    lane.answered_through = highest;
    lane.cursor = standing.cursor;
    lanes::set_history(db, &lane, standing.history)?;
    repeats::reopen(db, &mut lane, &held)?;
    Ok(Recovery::FedAgain {
        reason,
        after: floor,
        ops,
        // Among these may be holes as well.
        lost: pruned(&lane, floor).into_iter().collect(),
    })
}

/// The settled seqs above `after` that the outbox holds no more.
fn pruned(lane: &Lane, after: Seq) -> Option<LostOps> {
    (after < lane.pruned_through).then(|| LostOps {
        outbox: lane.outbox(),
        first: after.next(),
        last: lane.pruned_through,
    })
}

/// The lane's own chain at `at`; `None` if the outbox does not hold it any more, or not yet.
fn own_chain(db: &Connection, lane: &Lane, at: Seq) -> Result<Option<Chain>, OutboxError> {
    if at == lane.pruned_through {
        return Ok(Some(lane.pruned_chain));
    }
    if at < lane.pruned_through {
        // A dead letter may still be held there, but what comes behind it is not.
        return Ok(None);
    }
    if at == lane.last_seq() {
        return Ok(Some(lane.chain));
    }
    ops::chain_at(db, lane.number, at)
}
