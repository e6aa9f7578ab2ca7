//! Table `progress`: where each op stands.

use rusqlite::{Connection, Row, params};
use share_model::{Cursor, OpId, Seq, UnixMs};

use super::error::OutboxError;
use super::ops::Group;
use super::outcome::{self, Outcome};
use super::sql::{bytes, count, int, seq, time};

/// Where an op stands on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RowState {
    // The numbers are persisted: keep stable. Below 10: not settled.
    /// Stored, in no batch yet.
    Queued = 1,
    /// In a stored batch that was not sent yet.
    Reserved = 2,
    /// In a stored batch that was sent and has no answer yet.
    Sent = 3,
    /// Rejected by the share; waits for its next try, or to be given up.
    Rejected = 4,
    /// Applied.
    Settled = 10,
    /// Given up: never applied.
    DeadLetter = 11,
    /// Whether it was applied can't be told; a person decides.
    InDoubt = 12,
}

impl RowState {
    /// Every state, in the order in which an op takes them.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Reserved,
        Self::Sent,
        Self::Rejected,
        Self::Settled,
        Self::DeadLetter,
        Self::InDoubt,
    ];

    /// The state as it is written in listings.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Reserved => "reserved",
            Self::Sent => "sent",
            Self::Rejected => "rejected",
            Self::Settled => "settled",
            Self::DeadLetter => "dead-letter",
            Self::InDoubt => "in-doubt",
        }
    }

    /// Whether nothing will change any more.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Settled | Self::DeadLetter | Self::InDoubt)
    }

    pub(super) fn number(self) -> i64 {
        i64::from(self as u8)
    }

    pub(super) fn from_number(number: i64) -> Result<Self, OutboxError> {
        let found = Self::ALL.into_iter().find(|state| state.number() == number);
        found.ok_or(OutboxError::Unreadable {
            what: "the state of an op",
        })
    }
}

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
    })
}

// The columns that `read` takes; a macro, since statements are literals.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, op_id, state, give_up, alone, attempts, rejections, first_rejected_at, \
             outcome, group_first, group_last, group_cursor, bytes, length(entry) \
             FROM progress JOIN op USING (lane, seq) WHERE lane = ?1 AND ",
            $rest
        )
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
        select!("state = 1 AND state < 10 ORDER BY seq LIMIT ?2"),
        &[&lane, &limit],
    )
}

/// The first op that was rejected and is to be given up.
pub(crate) fn rejected_to_give_up(
    db: &Connection,
    lane: i64,
    now: UnixMs,
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select!(
            "state = 4 AND state < 10 AND give_up = 1 AND coalesce(next_attempt_at, 0) <= ?2 \
             ORDER BY seq LIMIT 1"
        ),
        &[&lane, &int(now.get())],
    )
}

/// Up to `limit` rejected ops whose next try is due.
pub(crate) fn rejected_due(
    db: &Connection,
    lane: i64,
    now: UnixMs,
    limit: u32,
) -> Result<Vec<Member>, OutboxError> {
    members(
        db,
        select!(
            "state = 4 AND state < 10 AND give_up = 0 AND next_attempt_at <= ?2 \
             ORDER BY seq LIMIT ?3"
        ),
        &[&lane, &int(now.get()), &limit],
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

/// Up to `limit` settled ops from the oldest, not beyond `last`.
pub(crate) fn settled(
    db: &Connection,
    lane: i64,
    (after, last): (Seq, Seq),
    limit: u32,
) -> Result<Vec<(Member, UnixMs)>, OutboxError> {
    let members = members(
        db,
        select!("seq > ?2 AND seq <= ?3 AND state = 10 ORDER BY seq LIMIT ?4"),
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

/// The first op without a final outcome.
pub(crate) fn first_unsettled(db: &Connection, lane: i64) -> Result<Option<Seq>, OutboxError> {
    db.prepare_cached("SELECT min(seq) FROM progress WHERE lane = ?1 AND state < 10")?
        .query_row([lane], |row| {
            Ok(match row.get::<_, Option<i64>>(0)? {
                None => Ok(None),
                Some(_) => seq(row, 0).map(Some),
            })
        })?
}

/// When the next rejected op is due.
pub(crate) fn next_due(db: &Connection, lane: i64) -> Result<Option<UnixMs>, OutboxError> {
    db.prepare_cached(
        "SELECT min(next_attempt_at) FROM progress \
         WHERE lane = ?1 AND state = 4 AND state < 10",
    )?
    .query_row([lane], |row| Ok(time(row, 0)))?
}

/// A new op stands at the beginning.
pub(crate) fn insert(db: &Connection, lane: i64, at: Seq) -> Result<(), OutboxError> {
    db.prepare_cached("INSERT INTO progress (lane, seq, state) VALUES (?1, ?2, 1)")?
        .execute(params![lane, int(at.get())])?;
    Ok(())
}

/// The op is a member of `batch` from now on.
pub(crate) fn reserve(db: &Connection, lane: i64, at: Seq, batch: i64) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE progress SET state = 2, batch = ?3, next_attempt_at = NULL \
         WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![lane, int(at.get()), batch])?;
    Ok(())
}

/// The members of `batch` are about to be sent.
pub(crate) fn mark_sent(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE progress SET state = 3, attempts = attempts + 1 \
         WHERE lane = ?1 AND seq BETWEEN ?3 AND ?4 AND batch = ?2",
    )?
    .execute(params![lane, batch, int(first.get()), int(last.get())])?;
    Ok(())
}

/// What changes when an op gets an answer.
#[derive(Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) state: RowState,
    pub(crate) give_up: bool,
    pub(crate) rejections: u32,
    pub(crate) first_rejected_at: Option<UnixMs>,
    pub(crate) next_attempt_at: Option<UnixMs>,
    pub(crate) outcome: Option<&'a Outcome>,
    pub(crate) settled_at: Option<UnixMs>,
}

pub(crate) fn answer(
    db: &Connection,
    lane: i64,
    at: Seq,
    answered: &Answered<'_>,
) -> Result<(), OutboxError> {
    let error = answered.outcome.and_then(|outcome| match outcome {
        Outcome::DeadLetter(failure) => Some(failure.to_string()),
        Outcome::InDoubt => Some("whether it was applied can't be told".to_owned()),
        Outcome::Applied(_) | Outcome::Duplicate(_) => None,
    });
    db.prepare_cached(
        "UPDATE progress SET state = ?3, give_up = ?4, rejections = ?5, first_rejected_at = ?6, \
         next_attempt_at = ?7, outcome = ?8, error = ?9, settled_at = ?10 \
         WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![
        lane,
        int(at.get()),
        answered.state.number(),
        answered.give_up,
        answered.rejections,
        answered.first_rejected_at.map(|time| int(time.get())),
        answered.next_attempt_at.map(|time| int(time.get())),
        answered.outcome.map(outcome::encode).transpose()?,
        error,
        answered.settled_at.map(|time| int(time.get())),
    ])?;
    Ok(())
}

/// The op leaves its batch, which was refused: it is cut again, alone if `alone`.
pub(crate) fn release(
    db: &Connection,
    lane: i64,
    at: Seq,
    (state, alone): (RowState, bool),
    now: UnixMs,
) -> Result<(), OutboxError> {
    let due = (state == RowState::Rejected).then(|| int(now.get()));
    db.prepare_cached(
        "UPDATE progress SET state = ?3, batch = NULL, alone = max(alone, ?4), \
         next_attempt_at = ?5 WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![lane, int(at.get()), state.number(), alone, due])?;
    Ok(())
}

/// The op is to be abandoned, and ends as `outcome` if the server agrees.
pub(crate) fn give_up(
    db: &Connection,
    lane: i64,
    at: Seq,
    outcome: &Outcome,
) -> Result<(), OutboxError> {
    let Outcome::DeadLetter(failure) = outcome else {
        return Err(OutboxError::Unreadable {
            what: "an outcome that gives up nothing",
        });
    };
    db.prepare_cached(
        "UPDATE progress SET give_up = 1, outcome = ?3, error = ?4, next_attempt_at = NULL \
         WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![
        lane,
        int(at.get()),
        outcome::encode(outcome)?,
        failure.to_string()
    ])?;
    Ok(())
}
