//! Pruning: settled ops are kept for a retention, then dropped, a few at a time. The chain at the
//! point up to which they are gone stays.

use std::time::Duration;

use rusqlite::Connection;
use share_model::{Seq, UnixMs};

use super::batches;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::members;
use super::ops;
use super::options::Retention;
use super::record::Recorded;

/// Rows of one step: short enough that nobody who waits for the storage notices.
const STEP: u32 = 256;

/// Drops settled rows of a share beyond the retention, from the oldest; returns whether there may be
/// more.
///
/// Dead letters and ops in doubt stay until a person has decided.
pub(crate) fn step(
    db: &Connection,
    own: &Lane,
    retention: &Retention,
    now: UnixMs,
) -> Result<bool, OutboxError> {
    let lanes = lanes::of_share(db, own.share)?;
    let mut excess = Excess {
        ops: lanes.iter().map(|lane| lane.settled_ops).sum(),
        bytes: lanes.iter().map(|lane| lane.settled_bytes).sum(),
        retention,
        now,
    };
    for mut lane in lanes {
        // The usual case, at the cost of one row: the oldest is to stay.
        let oldest = members::settled(db, lane.number, lane.settled_through, 1)?;
        if !oldest.first().is_some_and(|oldest| excess.has(oldest.at)) {
            continue;
        }
        let dropped = drop_oldest(db, &mut lane, &mut excess)?;
        if lane.left_at.is_some() {
            lanes::delete_empty(db, lane.share)?;
        }
        if dropped == STEP {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What goes with an answer: at least one step, and up to twice as many rows as have ended by it, so
/// that a replay that never rests keeps to the retention as well.
pub(super) fn after(
    db: &Connection,
    own: &Lane,
    retention: &Retention,
    (now, recorded): (UnixMs, &Recorded),
) -> Result<(), OutboxError> {
    let mut left = 2 * recorded.ended.len();
    while step(db, own, retention, now)? && left > 0 {
        left = left.saturating_sub(STEP as usize);
    }
    Ok(())
}

/// What is beyond the retention.
struct Excess<'a> {
    /// Settled ops of the share, and the bytes of their entries.
    ops: u64,
    bytes: u64,
    retention: &'a Retention,
    now: UnixMs,
}

impl Excess<'_> {
    /// Whether the oldest op, settled `at`, is to go.
    fn has(&self, at: UnixMs) -> bool {
        let age = self.now.get().saturating_sub(at.get());
        self.ops > self.retention.ops_max
            || self.bytes > self.retention.bytes_max
            || u128::from(age) > self.retention.age_max.as_millis()
    }
}

/// Drops settled rows of any share, however new, when the room is needed; whether there were any.
pub(super) fn for_room(db: &Connection) -> Result<bool, OutboxError> {
    let nothing = Retention {
        age_max: Duration::ZERO,
        bytes_max: 0,
        ops_max: 0,
    };
    for own in lanes::all(db)? {
        for mut lane in lanes::of_share(db, own.share)? {
            let mut excess = Excess {
                ops: u64::MAX,
                bytes: u64::MAX,
                retention: &nothing,
                now: UnixMs::ZERO,
            };
            if drop_oldest(db, &mut lane, &mut excess)? > 0 {
                lanes::delete_empty(db, own.share)?;
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn drop_oldest(
    db: &Connection,
    lane: &mut Lane,
    excess: &mut Excess<'_>,
) -> Result<u32, OutboxError> {
    let mut dropped = 0;
    let mut run: Option<(Seq, Seq)> = None;
    for settled in members::settled(db, lane.number, lane.settled_through, STEP)? {
        if !excess.has(settled.at) {
            break;
        }
        // What a person decided about later may lie below.
        if settled.seq > lane.pruned_through {
            lane.pruned_through = settled.seq;
            lane.pruned_chain = settled.chain;
        }
        if settled.is_applied {
            lane.settled_ops = lane.settled_ops.saturating_sub(1);
            lane.settled_bytes = lane.settled_bytes.saturating_sub(settled.entry_bytes);
            excess.ops = excess.ops.saturating_sub(1);
            excess.bytes = excess.bytes.saturating_sub(settled.entry_bytes);
        }
        dropped += 1;
        // What lies between two runs stays.
        run = match run {
            Some((first, last)) if last.next() == settled.seq => Some((first, settled.seq)),
            ended => {
                delete(db, lane, ended)?;
                Some((settled.seq, settled.seq))
            }
        };
    }
    delete(db, lane, run)?;
    if dropped > 0 {
        batches::prune(db, lane.number, lane.pruned_through, STEP)?;
        lanes::set_pruned(db, lane)?;
    }
    Ok(dropped)
}

fn delete(db: &Connection, lane: &Lane, run: Option<(Seq, Seq)>) -> Result<(), OutboxError> {
    run.map_or(Ok(()), |run| ops::delete(db, lane.number, run))
}
