//! Table `batch`: what was cut, in the order in which it is sent.

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::{Batch, BatchId, Cursor, Entry, EntryBody, Seq, UnixMs};

use super::error::OutboxError;
use super::members;
use super::ops;
use super::outcome::Outcome;
use super::own_way;
use super::progress::{self, RowState};
use super::sql::{bytes, count, int, seq};
use super::standing;

/// What a batch asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    // The numbers are persisted: keep stable.
    /// 1: applies its ops.
    Apply,
    /// 2: gives up its one op.
    Abandon,
}

/// A stored batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredBatch {
    /// Counts up with every batch that is cut in the file.
    pub(crate) number: i64,
    pub(crate) id: BatchId,
    pub(crate) kind: Kind,
    pub(crate) atomic: bool,
    pub(crate) expected_cursor: Option<Cursor>,
    /// Seqs of the first and the last member.
    pub(crate) ends: (Seq, Seq),
    /// Every seq between them is a member, and none has a row of its own in `progress`: they stand as
    /// the batch does.
    pub(crate) whole: bool,
    /// How often a whole one was sent.
    pub(crate) attempts: u32,
}

// The columns that `read` takes; a macro, since statements are literals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT number, id, kind, atomic, expected_cursor, first_seq, last_seq, whole, attempts \
             FROM batch WHERE lane = ?1 AND ",
            $rest
        )
    };
}

fn read(row: &Row<'_>) -> Result<StoredBatch, OutboxError> {
    Ok(StoredBatch {
        number: row.get(0)?,
        id: BatchId::from_bytes(bytes(row, 1)?),
        kind: match row.get::<_, i64>(2)? {
            1 => Kind::Apply,
            2 => Kind::Abandon,
            _ => {
                return Err(OutboxError::Unreadable {
                    what: "the kind of a batch",
                });
            }
        },
        atomic: row.get(3)?,
        expected_cursor: match row.get::<_, Option<i64>>(4)? {
            None => None,
            Some(_) => Some(Cursor::new(count(row, 4)?)),
        },
        ends: (seq(row, 5)?, seq(row, 6)?),
        whole: row.get(7)?,
        attempts: row.get(8)?,
    })
}

/// Stores a batch and gives it its number.
pub(crate) fn insert(
    db: &Connection,
    lane: i64,
    mut batch: StoredBatch,
) -> Result<StoredBatch, OutboxError> {
    let kind = match batch.kind {
        Kind::Apply => 1,
        Kind::Abandon => 2,
    };
    db.prepare_cached(
        "INSERT INTO batch (lane, id, kind, atomic, expected_cursor, first_seq, last_seq, whole, \
         attempts) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        lane,
        batch.id.to_bytes(),
        kind,
        batch.atomic,
        batch.expected_cursor.map(|cursor| int(cursor.get())),
        int(batch.ends.0.get()),
        int(batch.ends.1.get()),
        batch.whole,
        batch.attempts,
    ])?;
    batch.number = db.last_insert_rowid();
    Ok(batch)
}

/// The batches without an answer, in the order in which they were cut.
pub(crate) fn open(db: &Connection, lane: i64) -> Result<Vec<StoredBatch>, OutboxError> {
    let sql = select!("answered = 0 ORDER BY number");
    list(db, sql, &[&lane])
}

/// The whole batches that have a seq at or above `from`, in seq order.
pub(crate) fn whole_from(
    db: &Connection,
    lane: i64,
    from: Seq,
) -> Result<Vec<StoredBatch>, OutboxError> {
    let sql = select!("whole = 1 AND last_seq >= ?2 ORDER BY last_seq");
    list(db, sql, &[&lane, &int(from.get())])
}

/// The whole batches with a seq from `first` to `last` that were answered and sent more than once, in
/// seq order.
pub(crate) fn whole_repeated(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<StoredBatch>, OutboxError> {
    // They follow each other: beyond the first that begins above `last` is none.
    let sql = select!(
        "whole = 1 AND last_seq >= ?2 AND first_seq <= ?3 AND answered = 1 AND attempts > 1 \
         ORDER BY last_seq"
    );
    list(db, sql, &[&lane, &int(first.get()), &int(last.get())])
}

fn list(
    db: &Connection,
    sql: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Vec<StoredBatch>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut batches = Vec::new();
    while let Some(row) = rows.next()? {
        batches.push(read(row)?);
    }
    Ok(batches)
}

/// The batch as it goes over the wire: the same bytes whenever it is made.
pub(crate) fn assemble(
    db: &Connection,
    lane: i64,
    stored: &StoredBatch,
) -> Result<Batch, OutboxError> {
    let entries = match stored.kind {
        Kind::Apply if stored.whole => ops::entries_between(db, lane, stored.ends)?,
        Kind::Apply => ops::entries_of(db, lane, stored.number, stored.ends)?,
        Kind::Abandon => {
            let (was, fingerprint) = ops::first_lane_at(db, lane, stored.ends.0)?;
            vec![Entry {
                seq: stored.ends.0,
                was,
                origin: None,
                body: EntryBody::Abandon(fingerprint),
            }]
        }
    };
    Ok(with_entries(stored, entries))
}

/// The batch as it goes over the wire, of entries that were read already.
pub(crate) fn with_entries(stored: &StoredBatch, entries: Vec<Entry>) -> Batch {
    Batch {
        id: stored.id,
        atomic: stored.atomic,
        expected_cursor: stored.expected_cursor,
        entries,
    }
}

/// Whether a member of the batch was sent and has no answer yet.
pub(crate) fn was_sent(
    db: &Connection,
    lane: i64,
    batch: &StoredBatch,
) -> Result<bool, OutboxError> {
    match batch.whole {
        true => Ok(batch.attempts > 0),
        false => progress::was_sent(db, lane, batch.number, batch.ends),
    }
}

/// The members of the batch are about to be sent.
pub(crate) fn mark_sent(
    db: &Connection,
    lane: i64,
    batch: &StoredBatch,
) -> Result<(), OutboxError> {
    if !batch.whole {
        return progress::mark_sent(db, lane, batch.number, batch.ends);
    }
    db.prepare_cached("UPDATE batch SET attempts = attempts + 1 WHERE number = ?1")?
        .execute([batch.number])?;
    Ok(())
}

/// Every op of a whole batch was applied, with these outcomes.
pub(crate) fn set_applied(
    db: &Connection,
    number: i64,
    (outcomes, now): (&[Outcome], UnixMs),
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE batch SET answered = 1, settled_at = ?2, outcomes = ?3 WHERE number = ?1",
    )?
    .execute(params![number, int(now.get()), standing::encode(outcomes)?])?;
    Ok(())
}

/// The outcomes of a whole batch, once it has them.
pub(crate) fn outcomes(db: &Connection, number: i64) -> Result<Option<Vec<u8>>, OutboxError> {
    let found = db
        .prepare_cached("SELECT outcomes FROM batch WHERE number = ?1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    Ok(found.flatten())
}

/// Each member of the batch has a row of its own by now.
pub(crate) fn set_not_whole(db: &Connection, number: i64) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE batch SET whole = 0, outcomes = NULL WHERE number = ?1")?
        .execute([number])?;
    Ok(())
}

/// The batch has its answer.
pub(crate) fn set_answered(db: &Connection, number: i64) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE batch SET answered = 1 WHERE number = ?1")?
        .execute([number])?;
    Ok(())
}

/// The batches of a lane without an answer are no more: their ops are cut again.
pub(crate) fn delete_open(db: &Connection, lane: i64) -> Result<(), OutboxError> {
    db.prepare_cached("DELETE FROM batch WHERE lane = ?1 AND answered = 0")?
        .execute([lane])?;
    Ok(())
}

/// A planted bug: the batches of a lane without an answer are no more, and their ops wait to be cut
/// again.
pub(crate) fn cut_open_again(db: &Connection, lane: i64, now: UnixMs) -> Result<(), OutboxError> {
    for batch in open(db, lane)? {
        own_way::write_out(db, lane, &batch)?;
        for member in members::of_batch(db, lane, batch.number, batch.ends)? {
            progress::release(db, lane, member.seq, (RowState::Queued, false), now)?;
        }
        delete(db, batch.number)?;
    }
    Ok(())
}

/// The batch was refused and is no more.
pub(crate) fn delete(db: &Connection, number: i64) -> Result<(), OutboxError> {
    db.prepare_cached("DELETE FROM batch WHERE number = ?1")?
        .execute([number])?;
    Ok(())
}

/// Drops up to `limit` answered batches of each kind whose ops are all at or below `through`.
pub(crate) fn prune(
    db: &Connection,
    lane: i64,
    through: Seq,
    limit: u32,
) -> Result<(), OutboxError> {
    for sql in [
        "DELETE FROM batch WHERE number IN (SELECT number FROM batch \
         WHERE lane = ?1 AND whole = 1 AND answered = 1 AND last_seq <= ?2 \
         ORDER BY last_seq LIMIT ?3)",
        "DELETE FROM batch WHERE number IN (SELECT number FROM batch \
         WHERE lane = ?1 AND whole = 0 AND answered = 1 AND last_seq <= ?2 \
         ORDER BY last_seq LIMIT ?3)",
    ] {
        db.prepare_cached(sql)?
            .execute(params![lane, int(through.get()), limit])?;
    }
    Ok(())
}
