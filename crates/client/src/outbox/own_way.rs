//! Ops that leave the ordinary way: each gets a row of its own in `progress`, which says what its batch
//! or its place in the lane said of it ([`standing`]). Whatever changes one op alone writes it out
//! before.
//!
//! [`standing`]: super::standing

use rusqlite::{Connection, params};
use share_model::Seq;

use super::batches::{self, StoredBatch};
use super::error::OutboxError;
use super::lanes;
use super::outcome;
use super::sql::{int, seq};
use super::standing;

/// Writes the members of a batch out, if it is whole: it is not any more.
pub(super) fn write_out(
    db: &Connection,
    lane: i64,
    batch: &StoredBatch,
) -> Result<(), OutboxError> {
    if !batch.whole {
        return Ok(());
    }
    let (first, last) = (int(batch.ends.0.get()), int(batch.ends.1.get()));
    db.prepare_cached(
        "INSERT INTO progress (lane, seq, state, batch, attempts, settled_at) \
         SELECT op.lane, op.seq, CASE WHEN answered THEN 10 WHEN attempts > 0 THEN 3 ELSE 2 END, \
         number, attempts, settled_at FROM batch JOIN op ON op.lane = batch.lane \
         WHERE number = ?1 AND op.seq BETWEEN ?2 AND ?3",
    )?
    .execute(params![batch.number, first, last])?;
    if let Some(outcomes) = batches::outcomes(db, batch.number)? {
        let mut held = db
            .prepare_cached("SELECT seq FROM progress WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3")?;
        let mut held = held.query(params![lane, first, last])?;
        let mut seqs = Vec::new();
        while let Some(row) = held.next()? {
            seqs.push(seq(row, 0)?);
        }
        let mut writing =
            db.prepare_cached("UPDATE progress SET outcome = ?3 WHERE lane = ?1 AND seq = ?2")?;
        for at in seqs {
            let outcome = standing::outcome_in(&outcomes, at.above(batch.ends.0))?;
            writing.execute(params![lane, int(at.get()), outcome::encode(&outcome)?])?;
        }
    }
    batches::set_not_whole(db, batch.number)
}

/// Writes the ops of the lane out that are in a batch without an answer.
pub(super) fn write_out_open(db: &Connection, lane: i64) -> Result<(), OutboxError> {
    for batch in batches::open(db, lane)? {
        write_out(db, lane, &batch)?;
    }
    Ok(())
}

/// Writes the ops of the lane out that have no outcome.
pub(super) fn write_out_unsettled(db: &Connection, lane: i64) -> Result<(), OutboxError> {
    write_out_open(db, lane)?;
    let uncut = lanes::uncut(db, lane)?;
    write_out_queued(db, lane, uncut.last)
}

/// Writes the ops of the lane out that were in no batch, up to `through`.
pub(super) fn write_out_queued(
    db: &Connection,
    lane: i64,
    through: Seq,
) -> Result<(), OutboxError> {
    let cut_through = lanes::uncut(db, lane)?.cut_through;
    if through <= cut_through {
        return Ok(());
    }
    db.prepare_cached(
        "INSERT INTO progress (lane, seq, state) \
         SELECT lane, seq, 1 FROM op WHERE lane = ?1 AND seq > ?2 AND seq <= ?3",
    )?
    .execute(params![lane, int(cut_through.get()), int(through.get())])?;
    lanes::set_cut(db, lane, through)
}

/// Writes the ops of the lane out that were cut and lie at or above `from`, and perhaps more below.
pub(super) fn write_out_from(db: &Connection, lane: i64, from: Seq) -> Result<(), OutboxError> {
    for batch in batches::whole_from(db, lane, from)? {
        write_out(db, lane, &batch)?;
    }
    Ok(())
}

/// Writes the ops of the lane out, from the first of `between` to the last, that have ended and were
/// sent more than once, and perhaps more beside them.
pub(super) fn write_out_repeated(
    db: &Connection,
    lane: i64,
    between: (Seq, Seq),
) -> Result<(), OutboxError> {
    for batch in batches::whole_repeated(db, lane, between)? {
        write_out(db, lane, &batch)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
