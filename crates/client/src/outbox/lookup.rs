//! Finding an op by what a person, or another op, knows of it.

use rusqlite::{Connection, OptionalExtension, params};
use share_model::{Identity, OpId, Seq, ShareId};

use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::ops;
use super::sql::{bytes, seq};
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

/// Where the op with this identity is held for the share: in its first lane, or re-queued.
pub(super) fn by_identity(
    db: &Connection,
    share: ShareId,
    identity: Identity,
) -> Result<Option<(Lane, Seq)>, OutboxError> {
    for lane in lanes::of_share(db, share)?.into_iter().rev() {
        // A fingerprint goes along with its op from lane to lane.
        let held = db
            .prepare_cached("SELECT seq FROM op WHERE lane = ?1 AND fingerprint = ?2")?
            .query_row(
                params![lane.number, identity.fingerprint.to_bytes()],
                |row| Ok(seq(row, 0)),
            )
            .optional()?
            .transpose()?;
        if let Some(seq) = held {
            let (entry, _) = ops::entry_at(db, lane.number, seq)?;
            if entry.identity(lane.outbox()) == identity {
                return Ok(Some((lane, seq)));
            }
        }
    }
    Ok(None)
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
