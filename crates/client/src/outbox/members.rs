//! Ops as the cutter and the recorder see them: what they are, and where they stand.

use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::{Connection, Row, Rows, params};
use share_model::{Chain, Cursor, Entry, OpId, Seq, UnixMs};

use super::cut::Size;
use super::error::OutboxError;
use super::lanes::{Lane, Uncut};
use super::ops::{Group, entry_in};
use super::outcome::{self, Outcome};
use super::progress::RowState;
use super::sql::{bytes, chain, count, int, seq, time};
use super::standing;

/// An op as the cutter and the recorder see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) seq: Seq,
    pub(crate) op_id: OpId,
    pub(crate) state: RowState,
    /// To be abandoned; `outcome` says why.
    pub(crate) give_up: bool,
    /// To be sent in a batch of its own, since a batch that it was in was refused.
    pub(crate) alone: bool,
    /// How often it was sent.
    pub(crate) attempts: u32,
    pub(crate) rejections: u32,
    pub(crate) first_rejected_at: Option<UnixMs>,
    /// How it ends if it is given up now.
    pub(crate) outcome: Option<Outcome>,
    pub(crate) mutation_bytes: u64,
    pub(crate) entry_bytes: u64,
    pub(crate) group: Option<Group>,
    /// A person decided about it.
    pub(crate) resolved: bool,
    /// It was applied before its server went back in time.
    pub(crate) fed: bool,
}

/// What an answer to an op needs of its row. In a batch that was cut and marked as sent in one step, the
/// row does not change before its answer is recorded: only who has the lease writes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fresh {
    pub(crate) seq: Seq,
    pub(crate) op_id: OpId,
    pub(crate) entry_bytes: u64,
}

impl Fresh {
    pub(super) fn of(member: &Member) -> Self {
        Self {
            seq: member.seq,
            op_id: member.op_id,
            entry_bytes: member.entry_bytes,
        }
    }
}

/// An op that was in no batch yet and has no row of its own, which stands from column `at` on.
fn read_queued(op: &Row<'_>, at: usize) -> Result<Member, OutboxError> {
    Ok(Member {
        seq: seq(op, 0)?,
        op_id: OpId::from_bytes(bytes(op, at)?),
        state: RowState::Queued,
        give_up: false,
        alone: false,
        attempts: 0,
        rejections: 0,
        first_rejected_at: None,
        outcome: None,
        mutation_bytes: count(op, at + 4)?,
        entry_bytes: count(op, at + 5)?,
        group: group(op, at)?,
        resolved: false,
        fed: false,
    })
}

fn group(op: &Row<'_>, at: usize) -> Result<Option<Group>, OutboxError> {
    Ok(match op.get::<_, Option<i64>>(at + 1)? {
        None => None,
        Some(_) => Some(Group {
            first: seq(op, at + 1)?,
            last: seq(op, at + 2)?,
            expected_cursor: match op.get::<_, Option<i64>>(at + 3)? {
                None => None,
                Some(_) => Some(Cursor::new(count(op, at + 3)?)),
            },
        }),
    })
}

/// The op whose progress and the rest of which stand in two rows, the rest from column `at` on.
fn read(progress: &Row<'_>, (op, at): (&Row<'_>, usize)) -> Result<Member, OutboxError> {
    let outcome: Option<Vec<u8>> = progress.get(7)?;
    Ok(Member {
        outcome: outcome.as_deref().map(outcome::decode).transpose()?,
        state: RowState::from_number(progress.get(1)?)?,
        give_up: progress.get(2)?,
        alone: progress.get(3)?,
        attempts: progress.get(4)?,
        rejections: progress.get(5)?,
        first_rejected_at: time(progress, 6)?,
        resolved: progress.get(8)?,
        fed: progress.get(9)?,
        ..read_queued(op, at)?
    })
}

// The columns that `read` takes; macros, since statements are literals.
macro_rules! progress_columns {
    () => {
        "seq, state, give_up, alone, attempts, rejections, first_rejected_at, outcome, \
         resolution IS NOT NULL, fed"
    };
}

macro_rules! op_columns {
    () => {
        "op_id, group_first, group_last, group_cursor, bytes, length(entry)"
    };
}

/// So many columns stand before those of an op where both tables are read at once.
const PROGRESS_COLUMNS: usize = 10;

macro_rules! select_from {
    ($more:literal, $table:literal, $rest:literal) => {
        concat!(
            "SELECT ",
            progress_columns!(),
            ", ",
            op_columns!(),
            $more,
            " FROM ",
            $table,
            " WHERE lane = ?1 AND ",
            $rest
        )
    };
}

// Of all that is held.
macro_rules! select {
    ($rest:literal) => {
        select_from!(", run_first, run_outcomes", "standing", $rest)
    };
}

/// The columns that give the outcome of an op in a row of `select`.
const OUTCOME_AT: (usize, usize) = (7, 16);

// Of what has a row of its own.
macro_rules! select_own {
    ($rest:literal) => {
        select_from!("", "progress JOIN op USING (lane, seq)", $rest)
    };
}

// Of what is not settled. Left to itself, SQLite takes the table's own order and looks at all that is
// settled as well, which is fifty thousand rows for each step of the replay.
macro_rules! select_unsettled {
    ($rest:literal) => {
        select_from!(
            "",
            "progress INDEXED BY unsettled JOIN op USING (lane, seq)",
            $rest
        )
    };
}

// Of a run of seqs. Each table is read by itself, row after row: a join finds each row anew, from the
// root of three trees.
macro_rules! select_progress {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            progress_columns!(),
            " FROM progress WHERE lane = ?1 AND ",
            $rest,
            " ORDER BY seq"
        )
    };
}

macro_rules! select_ops {
    ($more:literal, $rest:literal) => {
        concat!(
            "SELECT seq, ",
            op_columns!(),
            $more,
            " FROM op WHERE lane = ?1 AND ",
            $rest,
            " ORDER BY seq"
        )
    };
}

/// Where the columns of an op begin in a row of `select_ops`, and where the entry is.
const OP_AT: usize = 1;
const ENTRY_AT: usize = 7;

/// Reads both tables side by side, as long as `take` wants more; whether it does at the end.
fn side_by_side(
    mut progress: Rows<'_>,
    mut ops: Rows<'_>,
    mut take: impl FnMut(Member, &Row<'_>) -> Result<bool, OutboxError>,
) -> Result<bool, OutboxError> {
    let mut op_seq = Seq::ZERO;
    while let Some(here) = progress.next()? {
        let wanted = seq(here, 0)?;
        while op_seq < wanted {
            match ops.next()? {
                Some(op) => op_seq = seq(op, 0)?,
                None => return Ok(true),
            }
        }
        let op = ops.get().filter(|_| op_seq == wanted);
        if let Some(op) = op
            && !take(read(here, (op, OP_AT))?, op)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

fn members(
    db: &Connection,
    sql: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Member>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(read(row, (row, PROGRESS_COLUMNS))?);
    }
    Ok(members)
}

/// The ops that are in no batch yet, from `first` on in seq order, each with its entry: as many as one
/// batch of this size may hold, and perhaps one more.
pub(crate) fn queued(
    db: &Connection,
    lane: i64,
    (first, uncut): (Seq, Uncut),
    size: Size,
) -> Result<Vec<(Member, Entry)>, OutboxError> {
    let mut ops = db.prepare_cached(select_ops!(", entry", "seq >= ?2"))?;
    let (mut queued, mut bytes) = (Vec::new(), 0_u64);
    let mut take = |member: Member, op: &Row<'_>| {
        bytes = bytes.saturating_add(member.mutation_bytes);
        queued.push((member, entry_in(op, ENTRY_AT)?));
        Ok(bytes <= size.bytes_max && queued.len() < size.ops_max as usize)
    };
    let mut is_more = true;
    if first <= uncut.cut_through {
        let mut progress = db.prepare_cached(select_progress!("seq >= ?2 AND state = 1"))?;
        let key = params![lane, int(first.get())];
        is_more = side_by_side(progress.query(key)?, ops.query(key)?, &mut take)?;
    }
    if is_more {
        let first = first.max(uncut.cut_through.next());
        let mut ops = ops.query(params![lane, int(first.get())])?;
        while let Some(op) = ops.next()? {
            if !take(read_queued(op, OP_AT)?, op)? {
                break;
            }
        }
    }
    Ok(queued)
}

/// The first op that was rejected and is to be given up.
pub(crate) fn rejected_to_give_up(
    db: &Connection,
    lane: &Lane,
    now: UnixMs,
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select_unsettled!(
            "seq <= ?3 AND state = 4 AND state < 10 AND give_up = 1 \
             AND coalesce(next_attempt_at, 0) <= ?2 ORDER BY seq LIMIT 1"
        ),
        &[
            &lane.number,
            &int(now.get()),
            &int(lane.answered_through.get()),
        ],
    )
}

/// Up to `limit` rejected ops whose next try is due.
pub(crate) fn rejected_due(
    db: &Connection,
    lane: &Lane,
    now: UnixMs,
    limit: u32,
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select_unsettled!(
            "seq <= ?4 AND state = 4 AND state < 10 AND give_up = 0 AND next_attempt_at <= ?2 \
             ORDER BY seq LIMIT ?3"
        ),
        &[
            &lane.number,
            &int(now.get()),
            &limit,
            &int(lane.answered_through.get()),
        ],
    )
}

/// The ops with seqs from `first` to `last`.
pub(crate) fn between(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Member>, OutboxError> {
    let mut statement = db.prepare_cached(select!("seq BETWEEN ?2 AND ?3 ORDER BY seq"))?;
    let mut rows = statement.query(params![lane, int(first.get()), int(last.get())])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        let member = read(row, (row, PROGRESS_COLUMNS))?;
        members.push(Member {
            outcome: standing::outcome(row, member.seq, OUTCOME_AT)?,
            ..member
        });
    }
    Ok(members)
}

/// The ops with seqs from `first` to `last` that have ended, applied or given up, were sent more than
/// once, and have a row of their own: what the last answer changed may have been a hole before.
pub(crate) fn ended_by_a_repeat(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select_own!("seq BETWEEN ?2 AND ?3 AND state IN (10, 11) AND attempts > 1 ORDER BY seq"),
        &[&lane, &int(first.get()), &int(last.get())],
    )
}

/// The ops with seqs from `first` to `last`, as far as an answer needs them.
pub(crate) fn fresh(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Fresh>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT seq, op_id, length(entry) FROM op WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 \
         ORDER BY seq",
    )?;
    let mut rows = statement.query(params![lane, int(first.get()), int(last.get())])?;
    let mut fresh = Vec::new();
    while let Some(row) = rows.next()? {
        fresh.push(Fresh {
            seq: seq(row, 0)?,
            op_id: OpId::from_bytes(bytes(row, 1)?),
            entry_bytes: count(row, 2)?,
        });
    }
    Ok(fresh)
}

/// The ops whose current batch is `batch`, which is not whole, by seq.
pub(crate) fn of_batch(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Member>, OutboxError> {
    let mut progress =
        db.prepare_cached(select_progress!("seq BETWEEN ?2 AND ?3 AND batch = ?4"))?;
    let mut ops = db.prepare_cached(select_ops!("", "seq BETWEEN ?2 AND ?3"))?;
    let (first, last) = (int(first.get()), int(last.get()));
    let progress = progress.query(params![lane, first, last, batch])?;
    let mut members = Vec::new();
    side_by_side(
        progress,
        ops.query(params![lane, first, last])?,
        |member, _| {
            members.push(member);
            Ok(true)
        },
    )?;
    Ok(members)
}

/// An op that nobody waits for: applied, or decided about by a person.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) seq: Seq,
    pub(crate) is_applied: bool,
    pub(crate) at: UnixMs,
    /// Of the lane, over all ops up to this one.
    pub(crate) chain: Chain,
    pub(crate) entry_bytes: u64,
}

/// Of whole batches. In this order of the tables nothing has to be sorted: no two have a seq in common.
pub(super) const SETTLED_OF_WHOLE: &str = "SELECT op.seq, 1, settled_at, chain, length(entry) FROM batch \
     CROSS JOIN op ON op.lane = batch.lane AND op.seq BETWEEN first_seq AND last_seq \
     WHERE batch.lane = ?1 AND whole = 1 AND answered = 1 AND op.seq <= ?2 \
     ORDER BY last_seq, op.seq LIMIT ?3";

/// Up to `limit` settled ops from the oldest, not beyond `last`.
pub(crate) fn settled(
    db: &Connection,
    lane: i64,
    last: Seq,
    limit: u32,
) -> Result<Vec<Settled>, OutboxError> {
    let own = "SELECT seq, state = 10, settled_at, chain, length(entry) FROM progress \
         JOIN op USING (lane, seq) WHERE lane = ?1 AND seq <= ?2 \
         AND (state = 10 OR state > 10 AND resolution IS NOT NULL) ORDER BY seq LIMIT ?3";
    let mut settled = settled_by(db, own, (lane, last, limit))?;
    settled.extend(settled_by(db, SETTLED_OF_WHOLE, (lane, last, limit))?);
    settled.sort_unstable_by_key(|settled| settled.seq);
    settled.truncate(limit as usize);
    Ok(settled)
}

fn settled_by(
    db: &Connection,
    sql: &str,
    (lane, last, limit): (i64, Seq, u32),
) -> Result<Vec<Settled>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(params![lane, int(last.get()), limit])?;
    let mut settled = Vec::new();
    while let Some(row) = rows.next()? {
        settled.push(Settled {
            seq: seq(row, 0)?,
            is_applied: row.get(1)?,
            at: time(row, 2)?.unwrap_or_default(),
            chain: chain(row, 3)?,
            entry_bytes: count(row, 4)?,
        });
    }
    Ok(settled)
}
