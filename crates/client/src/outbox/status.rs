//! Listings: shares and rows as a person sees them.

use rusqlite::{Connection, Row as SqlRow, params};
use share_model::{BatchId, Epoch, FirstLane, OpId, OutboxId, Seq, ShareId, UnixMs};

use super::entry;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::ops;
use super::outcome::{self, Outcome};
use super::progress::RowState;
use super::sql::{bytes, bytes_or_null, count, int, seq, time};
use super::stop::Stop;

/// How a share stands in the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareStatus {
    /// The share.
    pub share: ShareId,
    /// Of the newest ref.
    pub epoch: Epoch,
    /// Ops without a final outcome, rejected ones that are tried again included.
    pub pending: u64,
    /// Applied ops that are still held.
    pub settled: u64,
    /// Ops of which it can't be told whether they were applied, and nobody has decided.
    pub in_doubt: u64,
    /// Ops that were given up, and nobody has decided.
    pub dead_letters: u64,
    /// Of `pending`: ops that the share rejected and that are tried again.
    pub rejected: u64,
    /// Every seq up to here has a final outcome.
    pub settled_through: Seq,
    /// Why the replay stands still, if a person must do something.
    pub stopped: Option<Stop>,
}

/// An op in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The share.
    pub share: ShareId,
    /// The outbox, as its server knows it, in whose lane the op is now.
    pub outbox: OutboxId,
    /// The op's seq in that lane.
    pub seq: Seq,
    /// Where the op was enqueued, if it was re-queued since.
    pub was: Option<FirstLane>,
    /// The op's id.
    pub op_id: OpId,
    /// When it was enqueued.
    pub enqueued_at: UnixMs,
    /// The batch that it is, or was last, sent in.
    pub batch_id: Option<BatchId>,
    /// Where it stands.
    pub state: RowState,
    /// How often it was sent.
    pub attempts: u32,
    /// When a rejected op is tried again.
    pub next_attempt_at: Option<UnixMs>,
    /// Why it is not applied, for a person.
    pub error: Option<String>,
    /// How it ended, once it has.
    pub outcome: Option<Outcome>,
    /// What a person decided about an op that was given up or is in doubt.
    pub resolution: Option<Resolution>,
    place: RowPosition,
}

impl Row {
    /// Where a listing goes on after this row.
    pub fn position(&self) -> RowPosition {
        self.place
    }
}

/// A place in a listing; means something only to the outbox that it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPosition {
    share: ShareId,
    lane: i64,
    seq: Seq,
}

/// What a person decided about an op that was given up, or of which it can't be told whether it was
/// applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolution {
    // The numbers are persisted: keep stable.
    /// 1: sent as a new op, with this id.
    SentAsNew(OpId),
    /// 2: let go.
    Dropped,
}

/// Which rows a listing shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowFilter {
    /// Of this share; `None`: of each.
    pub share: Option<ShareId>,
    /// In one of these states; empty: in any.
    pub states: Vec<RowState>,
}

/// How every share stands, in the order in which the outbox came to know them.
pub(super) fn shares(db: &Connection) -> Result<Vec<ShareStatus>, OutboxError> {
    lanes::all(db)?
        .into_iter()
        .map(|lane| status(db, lane))
        .collect()
}

pub(super) fn status(db: &Connection, lane: Lane) -> Result<ShareStatus, OutboxError> {
    let (pending, rejected) = db
        .prepare_cached(
            "SELECT count(*), coalesce(sum(state = 4), 0) FROM progress \
             WHERE lane = ?1 AND state < 10",
        )?
        .query_row([lane.number], |row| Ok(pair(row)))??;
    let (mut settled, mut dead_letters, mut in_doubt) = (0, 0, 0);
    for lane in lanes::of_share(db, lane.share)? {
        let (dead, doubtful) = db
            .prepare_cached(
                "SELECT coalesce(sum(state = 11), 0), coalesce(sum(state = 12), 0) FROM progress \
                 WHERE lane = ?1 AND state > 10 AND resolution IS NULL",
            )?
            .query_row([lane.number], |row| Ok(pair(row)))??;
        settled += lane.settled_ops;
        dead_letters += dead;
        in_doubt += doubtful;
    }
    Ok(ShareStatus {
        share: lane.share,
        epoch: lane.reference.epoch,
        pending,
        settled,
        in_doubt,
        dead_letters,
        rejected,
        settled_through: lane.settled_through,
        stopped: lane.stop,
    })
}

fn pair(row: &SqlRow<'_>) -> Result<(u64, u64), OutboxError> {
    Ok((count(row, 0)?, count(row, 1)?))
}

/// Up to `limit` rows after `after`: by share in the outbox's order, then by lane, then by seq.
pub(super) fn rows(
    db: &Connection,
    filter: &RowFilter,
    after: Option<RowPosition>,
    limit: usize,
) -> Result<Vec<Row>, OutboxError> {
    let wanted = if filter.states.is_empty() {
        &RowState::ALL[..]
    } else {
        &filter.states
    };
    let mask = wanted
        .iter()
        .fold(0_i64, |mask, state| mask | 1 << state.number());
    let mut found = Vec::new();
    let mut skipping = after;
    for own in lanes::all(db)? {
        if skipping.is_some_and(|after| after.share != own.share) {
            continue;
        }
        let after = skipping.take();
        if filter.share.is_some_and(|share| share != own.share) {
            continue;
        }
        for lane in lanes::of_share(db, own.share)? {
            let from = match after {
                Some(after) if lane.number < after.lane => continue,
                Some(after) if lane.number == after.lane => after.seq,
                _ => Seq::ZERO,
            };
            let room = limit - found.len();
            rows_of(db, &lane, (from, mask), room, &mut found)?;
        }
        if found.len() >= limit {
            break;
        }
    }
    Ok(found)
}

/// The row of each op that the outbox holds for the share, in the order of `wanted`.
pub(super) fn rows_of_ops(
    db: &Connection,
    share: ShareId,
    wanted: &[OpId],
) -> Result<Vec<Option<Row>>, OutboxError> {
    let mut lanes = lanes::of_share(db, share)?;
    lanes.reverse();
    wanted
        .iter()
        .map(|op| {
            for lane in &lanes {
                if let Some((seq, _)) = ops::by_op_id(db, lane.number, *op)? {
                    return row_at(db, lane, seq);
                }
            }
            Ok(None)
        })
        .collect()
}

/// The row at `at` of the lane.
pub(super) fn row_at(db: &Connection, lane: &Lane, at: Seq) -> Result<Option<Row>, OutboxError> {
    let before = Seq::new(at.get().saturating_sub(1));
    let mut found = Vec::new();
    rows_of(db, lane, (before, i64::MAX), 1, &mut found)?;
    Ok(found.pop().filter(|row| row.seq == at))
}

fn rows_of(
    db: &Connection,
    lane: &Lane,
    (after, mask): (Seq, i64),
    room: usize,
    found: &mut Vec<Row>,
) -> Result<(), OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT progress.seq, op.op_id, batch.id, progress.state, progress.attempts, \
         progress.next_attempt_at, progress.error, progress.outcome, op.entry, \
         progress.resolution, progress.replacement, op.enqueued_at FROM progress \
         JOIN op ON op.lane = progress.lane AND op.seq = progress.seq \
         LEFT JOIN batch ON batch.number = progress.batch \
         WHERE progress.lane = ?1 AND progress.seq > ?2 AND ((?3 >> progress.state) & 1) \
         ORDER BY progress.seq LIMIT ?4",
    )?;
    let mut rows = statement.query(params![
        lane.number,
        int(after.get()),
        mask,
        int(room as u64)
    ])?;
    while let Some(row) = rows.next()? {
        found.push(read(lane, row)?);
    }
    Ok(())
}

fn read(lane: &Lane, row: &SqlRow<'_>) -> Result<Row, OutboxError> {
    let seq = seq(row, 0)?;
    let state = RowState::from_number(row.get(3)?)?;
    let outcome: Option<Vec<u8>> = row.get(7)?;
    let entry: Vec<u8> = row.get(8)?;
    let resolution = match row.get::<_, Option<i64>>(9)? {
        None => None,
        Some(1) => Some(Resolution::SentAsNew(OpId::from_bytes(bytes(row, 10)?))),
        Some(_) => Some(Resolution::Dropped),
    };
    Ok(Row {
        share: lane.share,
        outbox: lane.outbox(),
        seq,
        was: entry::decode(&entry)?.was,
        op_id: OpId::from_bytes(bytes(row, 1)?),
        enqueued_at: time(row, 11)?.unwrap_or_default(),
        batch_id: bytes_or_null(row, 2)?.map(BatchId::from_bytes),
        state,
        attempts: row.get(4)?,
        next_attempt_at: time(row, 5)?,
        error: row.get(6)?,
        // Of an op that is tried again it says how it would end.
        outcome: match outcome.filter(|_| state.is_final()) {
            Some(bytes) => Some(outcome::decode(&bytes)?),
            None => None,
        },
        resolution,
        place: RowPosition {
            share: lane.share,
            lane: lane.number,
            seq,
        },
    })
}
