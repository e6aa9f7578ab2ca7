//! Listings: shares and rows as a person sees them.

use rusqlite::{Connection, Row as SqlRow, params};
use share_model::{BatchId, Epoch, FirstLane, OpId, OutboxId, Seq, ShareId, UnixMs};

use super::entry;
use super::error::OutboxError;
use super::lanes::{self, Lane};
use super::ops;
use super::outcome::Outcome;
use super::progress::RowState;
use super::sql::{bytes, bytes_or_null, count, int, seq, time};
use super::standing;
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
    let (own, rejected) = db
        .prepare_cached(
            "SELECT count(*), coalesce(sum(state = 4), 0) FROM progress \
             WHERE lane = ?1 AND state < 10",
        )?
        .query_row([lane.number], |row| Ok(pair(row)))??;
    let (of_whole, queued) = db
        .prepare_cached(
            "SELECT (SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM batch \
             WHERE lane = ?1 AND answered = 0 AND whole = 1), \
             next_seq - 1 - cut_through FROM lane WHERE number = ?1",
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
        pending: own + of_whole + queued,
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

// A macro, since statements are literals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, op_id, batch.id, state, standing.attempts, next_attempt_at, error, outcome, \
             entry, resolution, replacement, enqueued_at, run_first, run_outcomes FROM standing \
             LEFT JOIN batch ON batch.number = standing.batch \
             WHERE standing.lane = ?1 AND seq > ?2 AND ",
            $rest,
            " ORDER BY seq LIMIT ?4"
        )
    };
}

/// The columns that give the outcome of an op in a row of `select`.
const OUTCOME_AT: (usize, usize) = (7, 12);

/// Where nothing that was applied is wanted, it is not looked at either.
fn rows_of(
    db: &Connection,
    lane: &Lane,
    (after, mask): (Seq, i64),
    room: usize,
    found: &mut Vec<Row>,
) -> Result<(), OutboxError> {
    let is_settled_wanted = mask >> RowState::Settled.number() & 1 == 1;
    let sql = match is_settled_wanted {
        true => select!("((?3 >> state) & 1)"),
        false => select!(
            "standing.seq IN (\
             SELECT seq FROM progress WHERE lane = ?1 AND seq > ?2 AND ((?3 >> state) & 1) \
             UNION ALL SELECT op.seq FROM batch CROSS JOIN op ON op.lane = batch.lane \
             AND op.seq BETWEEN first_seq AND last_seq WHERE batch.lane = ?1 AND answered = 0 \
             AND whole = 1 AND op.seq > ?2 AND ((?3 >> iif(attempts > 0, 3, 2)) & 1) \
             UNION ALL SELECT seq FROM op WHERE lane = ?1 AND seq > ?2 AND ((?3 >> 1) & 1) \
             AND seq > (SELECT cut_through FROM lane WHERE number = ?1) \
             ORDER BY 1 LIMIT ?4)"
        ),
    };
    let mut statement = db.prepare_cached(sql)?;
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
        outcome: match state.is_final() {
            true => standing::outcome(row, seq, OUTCOME_AT)?,
            false => None,
        },
        resolution,
        place: RowPosition {
            share: lane.share,
            lane: lane.number,
            seq,
        },
    })
}
