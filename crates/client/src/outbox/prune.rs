//! Pruning: settled ops are kept for a retention, then dropped, a few at a time. The chain at the
//! point up to which they are gone stays.

use std::time::Duration;

use rusqlite::Connection;
use share_model::UnixMs;

use super::batches;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members;
use super::ops;
use super::options::Retention;

/// Rows of one step: short enough that nobody who waits for the storage notices.
const STEP: u32 = 256;

/// Drops settled rows beyond the retention, from the oldest; returns whether there may be more.
///
/// Dead letters and ops in doubt stay: a person is to see them.
pub(crate) fn step(
    db: &Connection,
    mut lane: Lane,
    retention: &Retention,
    now: UnixMs,
) -> Result<bool, OutboxError> {
    let age_max = u64::try_from(retention.age_max.as_millis()).unwrap_or(u64::MAX);
    let range = (lane.pruned_through, lane.settled_through);
    if lane.settled_ops <= retention.ops_max && lane.settled_bytes <= retention.bytes_max {
        // The usual case, at the cost of one row: the oldest is not old enough.
        let oldest = members::settled(db, lane.number, range, 1)?;
        let is_old = |at: &UnixMs| now.get().saturating_sub(at.get()) > age_max;
        if !oldest.first().is_some_and(|(_, at)| is_old(at)) {
            return Ok(false);
        }
    }
    Ok(drop_oldest(db, &mut lane, retention, now)? == STEP)
}

/// Drops settled rows of any share, however new, when the room is needed; whether there were any.
pub(super) fn for_room(db: &Connection) -> Result<bool, OutboxError> {
    for mut lane in lanes::all(db)? {
        let nothing = Retention {
            age_max: Duration::ZERO,
            bytes_max: 0,
            ops_max: 0,
        };
        if drop_oldest(db, &mut lane, &nothing, UnixMs::ZERO)? > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

fn drop_oldest(
    db: &Connection,
    lane: &mut Lane,
    retention: &Retention,
    now: UnixMs,
) -> Result<u32, OutboxError> {
    let age_max = u64::try_from(retention.age_max.as_millis()).unwrap_or(u64::MAX);
    let range = (lane.pruned_through, lane.settled_through);
    let mut dropped = 0;
    for (member, settled_at) in members::settled(db, lane.number, range, STEP)? {
        let too_many = lane.settled_ops > retention.ops_max;
        let too_large = lane.settled_bytes > retention.bytes_max;
        let too_old = now.get().saturating_sub(settled_at.get()) > age_max;
        if !(too_many || too_large || too_old) {
            break;
        }
        if let Some(chain) = ops::chain_at(db, lane.number, member.seq)? {
            lane.pruned_through = member.seq;
            lane.pruned_chain = chain;
        }
        ops::delete(db, lane.number, member.seq)?;
        lane.settled_ops = lane.settled_ops.saturating_sub(1);
        lane.settled_bytes = lane.settled_bytes.saturating_sub(member.entry_bytes);
        dropped += 1;
    }
    if dropped > 0 {
        batches::prune(db, lane.number, lane.pruned_through, STEP)?;
        lanes::set_pruned(db, lane)?;
    }
    Ok(dropped)
}
