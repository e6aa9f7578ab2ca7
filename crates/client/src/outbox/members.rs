//! Tables `progress` and `op` read together: ops as the cutter and the recorder see them.

use rusqlite::{Connection, Row, params};
use share_model::{Cursor, OpId, Seq, UnixMs};

use super::error::OutboxError;
use super::lanes::Lane;
use super::ops::Group;
use super::outcome::{self, Outcome};
use super::progress::RowState;
use super::sql::{bytes, count, int, seq, time};

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

fn read(row: &Row<'_>) -> Result<Member, OutboxError> {
    let group = match row.get::<_, Option<i64>>(9)? {
        None => None,
        Some(_) => Some(Group {
            first: seq(row, 9)?,
            last: seq(row, 10)?,
            expected_cursor: match row.get::<_, Option<i64>>(11)? {
                None => None,
                Some(_) => Some(Cursor::new(count(row, 11)?)),
            },
        }),
    };
    let outcome: Option<Vec<u8>> = row.get(8)?;
    Ok(Member {
        seq: seq(row, 0)?,
        op_id: OpId::from_bytes(bytes(row, 1)?),
        state: RowState::from_number(row.get(2)?)?,
        give_up: row.get(3)?,
        alone: row.get(4)?,
        attempts: row.get(5)?,
        rejections: row.get(6)?,
        first_rejected_at: time(row, 7)?,
        outcome: outcome.as_deref().map(outcome::decode).transpose()?,
        mutation_bytes: count(row, 12)?,
        entry_bytes: count(row, 13)?,
        group,
        resolved: row.get(14)?,
        fed: row.get(15)?,
    })
}

// The columns that `read` takes; macros, since statements are literals.
macro_rules! select_from {
    ($table:literal, $rest:literal) => {
        concat!(
            "SELECT seq, op_id, state, give_up, alone, attempts, rejections, first_rejected_at, \
             outcome, group_first, group_last, group_cursor, bytes, length(entry), \
             resolution IS NOT NULL, fed FROM ",
            $table,
            " JOIN op USING (lane, seq) WHERE lane = ?1 AND ",
            $rest
        )
    };
}

macro_rules! select {
    ($rest:literal) => {
        select_from!("progress", $rest)
    };
}

// Of what is not settled. Left to itself, SQLite takes the table's own order and looks at all that is
// settled as well, which is fifty thousand rows for each step of the replay.
macro_rules! select_unsettled {
    ($rest:literal) => {
        select_from!("progress INDEXED BY unsettled", $rest)
    };
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
        members.push(read(row)?);
    }
    Ok(members)
}

/// Up to `limit` ops that are in no batch yet, in seq order.
pub(crate) fn queued(db: &Connection, lane: i64, limit: u32) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select_unsettled!("state = 1 AND state < 10 ORDER BY seq LIMIT ?2"),
        &[&lane, &limit],
    )
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
    members(
        db,
        select!("seq BETWEEN ?2 AND ?3 ORDER BY seq"),
        &[&lane, &int(first.get()), &int(last.get())],
    )
}

/// The ops with seqs from `first` to `last` that have ended, applied or given up, and were sent more
/// than once: what the last answer changed may have been a hole before.
pub(crate) fn ended_by_a_repeat(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select!("seq BETWEEN ?2 AND ?3 AND state IN (10, 11) AND attempts > 1 ORDER BY seq"),
        &[&lane, &int(first.get()), &int(last.get())],
    )
}

/// The ops whose current batch is `batch`, by seq.
pub(crate) fn of_batch(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select!("seq BETWEEN ?2 AND ?3 AND batch = ?4 ORDER BY seq"),
        &[&lane, &int(first.get()), &int(last.get()), &batch],
    )
}

/// Up to `limit` ops from the oldest, not beyond `last`, that nobody waits for: applied, or decided
/// about by a person.
pub(crate) fn settled(
    db: &Connection,
    lane: i64,
    (after, last): (Seq, Seq),
    limit: u32,
) -> Result<Vec<(Member, UnixMs)>, OutboxError> {
    let members = members(
        db,
        select!(
            "seq > ?2 AND seq <= ?3 AND (state = 10 OR state > 10 AND resolution IS NOT NULL) \
             ORDER BY seq LIMIT ?4"
        ),
        &[&lane, &int(after.get()), &int(last.get()), &limit],
    )?;
    let mut settled_at = db.prepare_cached(
        "SELECT coalesce(settled_at, 0) FROM progress WHERE lane = ?1 AND seq = ?2",
    )?;
    members
        .into_iter()
        .map(|member| {
            let at: i64 =
                settled_at.query_row(params![lane, int(member.seq.get())], |row| row.get(0))?;
            Ok((member, UnixMs::new(u64::try_from(at).unwrap_or(0))))
        })
        .collect()
}
