//! Finding an op by what a person, or another op, knows of it.

use rusqlite::{Connection, OptionalExtension, params};
use share_model::{Fingerprint, Identity, OpId, Seq, ShareId};

use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::ops;
use super::sql::{bytes, int, seq};
use super::status::{self, Row};

/// Where the op with this id is held for the share.
pub(super) fn by_id(
    db: &Connection,
    share: ShareId,
    op: OpId,
) -> Result<Option<(Lane, Seq)>, OutboxError> {
    for lane in lanes::of_share(db, share)?.into_iter().rev() {
        if let Some((seq, _)) = ops::by_op_id(db, lane.number, op)? {
            return Ok(Some((lane, seq)));
        }
    }
    Ok(None)
}

/// Where the op with this identity is held for the share: in its first lane, or re-queued into a
/// later one.
pub(super) fn by_identity(
    db: &Connection,
    share: ShareId,
    identity: Identity,
) -> Result<Option<(Lane, Seq)>, OutboxError> {
    for lane in lanes::of_share(db, share)?.into_iter().rev() {
        let is_first = lane.outbox() == identity.outbox;
        let held = match is_first {
            true => fingerprint_at(db, &lane, identity.seq)?
                .filter(|fingerprint| *fingerprint == identity.fingerprint)
                .map(|_| identity.seq),
            false => requeued(db, &lane, identity)?,
        };
        if let Some(seq) = held {
            return Ok(Some((lane, seq)));
        }
        if is_first {
            // An op goes to later lanes only, and they were looked at before.
            break;
        }
    }
    Ok(None)
}

fn fingerprint_at(
    db: &Connection,
    lane: &Lane,
    at: Seq,
) -> Result<Option<Fingerprint>, OutboxError> {
    db.prepare_cached("SELECT fingerprint FROM op WHERE lane = ?1 AND seq = ?2")?
        .query_row(params![lane.number, int(at.get())], |row| Ok(bytes(row, 0)))
        .optional()?
        .transpose()
        .map(|found| found.map(Fingerprint::from_bytes))
}

/// The seq in a later lane: its fingerprint goes along with an op. Looks through the whole lane.
fn requeued(db: &Connection, lane: &Lane, identity: Identity) -> Result<Option<Seq>, OutboxError> {
    let held = db
        .prepare_cached("SELECT seq FROM op WHERE lane = ?1 AND fingerprint = ?2")?
        .query_row(
            params![lane.number, identity.fingerprint.to_bytes()],
            |row| Ok(seq(row, 0)),
        )
        .optional()?
        .transpose()?;
    let Some(seq) = held else { return Ok(None) };
    let (entry, _) = ops::entry_at(db, lane.number, seq)?;
    Ok((entry.identity(lane.outbox()) == identity).then_some(seq))
}

/// Up to `limit` ops of the share, or of any, whose ids are from `first` to `last`: by share, then by
/// id.
pub(super) fn between(
    db: &Connection,
    share: Option<ShareId>,
    (first, last): (OpId, OpId),
    limit: usize,
) -> Result<Vec<Row>, OutboxError> {
    let mut found = Vec::new();
    for own in lanes::all(db)? {
        if share.is_some_and(|share| share != own.share) {
            continue;
        }
        let mut ids = Vec::new();
        for lane in lanes::of_share(db, own.share)? {
            let mut statement = db.prepare_cached(
                "SELECT op_id FROM op WHERE lane = ?1 AND op_id BETWEEN ?2 AND ?3 \
                 ORDER BY op_id LIMIT ?4",
            )?;
            let room = i64::try_from(limit).unwrap_or(i64::MAX);
            let mut rows = statement.query(params![
                lane.number,
                first.to_bytes(),
                last.to_bytes(),
                room
            ])?;
            while let Some(row) = rows.next()? {
                ids.push(OpId::from_bytes(bytes(row, 0)?));
            }
        }
        ids.sort_unstable();
        ids.dedup();
        ids.truncate(limit - found.len());
        let rows = status::rows_of_ops(db, own.share, &ids)?;
        found.extend(rows.into_iter().flatten());
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}
