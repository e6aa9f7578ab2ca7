//! Table `progress`: where an op stands that goes its own way. Of most there is no row ([`standing`]).
//!
//! [`standing`]: super::standing

use rusqlite::{CachedStatement, Connection, OptionalExtension, params};
use share_model::{Seq, UnixMs};

use super::error::OutboxError;
use super::lanes::Lane;
use super::outcome::{self, Outcome};
use super::sql::{int, seq, time};

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

pub(super) const FIRST_UNSETTLED: &str = "SELECT min(seq) FROM (\
     SELECT min(seq) AS seq FROM progress WHERE lane = ?1 AND state < 10 \
     UNION ALL SELECT min(first_seq) FROM batch WHERE lane = ?1 AND answered = 0 AND whole = 1 \
     UNION ALL SELECT cut_through + 1 FROM lane WHERE number = ?1 AND cut_through + 1 < next_seq)";

/// The first op without a final outcome.
pub(crate) fn first_unsettled(db: &Connection, lane: i64) -> Result<Option<Seq>, OutboxError> {
    db.prepare_cached(FIRST_UNSETTLED)?
        .query_row([lane], |row| {
            Ok(match row.get::<_, Option<i64>>(0)? {
                None => Ok(None),
                Some(_) => seq(row, 0).map(Some),
            })
        })?
}

/// The first op that is in no batch and has a row of its own. What is in one stands in the index only,
/// and is passed over there.
pub(crate) fn first_queued(db: &Connection, lane: i64) -> Result<Option<Seq>, OutboxError> {
    db.prepare_cached(
        "SELECT seq FROM progress INDEXED BY unsettled \
         WHERE lane = ?1 AND state = 1 AND state < 10 ORDER BY seq LIMIT 1",
    )?
    .query_row([lane], |row| Ok(seq(row, 0)))
    .optional()?
    .transpose()
}

/// When the next rejected op is due.
///
/// What was rejected was answered: here and wherever rejected ops are looked for, those beyond the
/// last answer are not looked at, or each step of the replay would cost as much as there is to replay.
pub(crate) fn next_due(db: &Connection, lane: &Lane) -> Result<Option<UnixMs>, OutboxError> {
    db.prepare_cached(
        "SELECT min(next_attempt_at) FROM progress INDEXED BY unsettled \
         WHERE lane = ?1 AND seq <= ?2 AND state = 4 AND state < 10",
    )?
    .query_row(
        params![lane.number, int(lane.answered_through.get())],
        |row| Ok(time(row, 0)),
    )?
}

/// No rejected op waits beyond `latest`. Only a clock that was put back makes one wait longer than it
/// was told to when it was rejected.
pub(crate) fn wait_no_longer_than(
    db: &Connection,
    lane: &Lane,
    latest: UnixMs,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE progress INDEXED BY unsettled SET next_attempt_at = ?2 \
         WHERE lane = ?1 AND seq <= ?3 AND state = 4 AND state < 10 AND next_attempt_at > ?2",
    )?
    .execute(params![
        lane.number,
        int(latest.get()),
        int(lane.answered_through.get())
    ])?;
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

/// Every op with a seq from `first` to `last` that is in no batch yet is a member of `batch` from now
/// on.
pub(crate) fn reserve_queued(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE progress SET state = 2, batch = ?2, next_attempt_at = NULL \
         WHERE lane = ?1 AND seq BETWEEN ?3 AND ?4 AND state = 1",
    )?
    .execute(params![lane, batch, int(first.get()), int(last.get())])?;
    Ok(())
}

/// The same, and they are about to be sent.
pub(crate) fn send_queued(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE progress SET state = 3, batch = ?2, next_attempt_at = NULL, \
         attempts = attempts + 1 WHERE lane = ?1 AND seq BETWEEN ?3 AND ?4 AND state = 1",
    )?
    .execute(params![lane, batch, int(first.get()), int(last.get())])?;
    Ok(())
}

/// Whether a member of `batch` was sent and has no answer yet.
pub(crate) fn was_sent(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<bool, OutboxError> {
    Ok(db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM progress \
             WHERE lane = ?1 AND seq BETWEEN ?3 AND ?4 AND batch = ?2 AND state = 3)",
        )?
        .query_row(
            params![lane, batch, int(first.get()), int(last.get())],
            |row| row.get(0),
        )?)
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

/// Writes answers, one op after the other, by one statement.
pub(crate) struct Answers<'a>(CachedStatement<'a>);

impl<'a> Answers<'a> {
    pub(crate) fn new(db: &'a Connection) -> Result<Self, OutboxError> {
        Ok(Self(db.prepare_cached(
            "UPDATE progress SET state = ?3, give_up = ?4, rejections = ?5, \
             first_rejected_at = ?6, next_attempt_at = ?7, outcome = ?8, error = ?9, \
             settled_at = ?10 WHERE lane = ?1 AND seq = ?2",
        )?))
    }

    pub(crate) fn write(
        &mut self,
        lane: i64,
        at: Seq,
        answered: &Answered<'_>,
    ) -> Result<(), OutboxError> {
        let error = answered.outcome.and_then(|outcome| match outcome {
            Outcome::DeadLetter(failure) => Some(failure.to_string()),
            Outcome::InDoubt => Some("whether it was applied can't be told".to_owned()),
            Outcome::Applied(_) | Outcome::Duplicate(_) => None,
        });
        self.0.execute(params![
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
}

/// Writes that ops of a lane were applied, one after the other, by one statement that is bound to what
/// they have in common once.
pub(crate) struct Applying<'a>(CachedStatement<'a>);

impl<'a> Applying<'a> {
    pub(crate) fn new(db: &'a Connection, lane: i64, now: UnixMs) -> Result<Self, OutboxError> {
        let mut statement = db.prepare_cached(
            "UPDATE progress SET state = 10, give_up = 0, next_attempt_at = NULL, outcome = ?4, \
             error = NULL, settled_at = ?2 WHERE lane = ?1 AND seq = ?3",
        )?;
        statement.raw_bind_parameter(1, lane)?;
        statement.raw_bind_parameter(2, int(now.get()))?;
        Ok(Self(statement))
    }

    pub(crate) fn write(&mut self, at: Seq, outcome: &Outcome) -> Result<(), OutboxError> {
        self.0.raw_bind_parameter(3, int(at.get()))?;
        self.0.raw_bind_parameter(4, outcome::encode(outcome)?)?;
        self.0.raw_execute()?;
        Ok(())
    }
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

/// What an op becomes that is to be sent again although it had ended, or in another lane.
#[derive(Debug, Clone)]
pub(crate) struct Reopened {
    /// As what it is given up; `None`: it is sent.
    pub(crate) give_up: Option<Outcome>,
    /// It was applied, as its server said before it went back in time.
    pub(crate) fed: bool,
    /// Its lane and seq from now on.
    pub(crate) to: (i64, Seq),
}

/// The op stands at the beginning again; how often it was sent, and what a person decided about it,
/// stays.
pub(crate) fn reopen(
    db: &Connection,
    (lane, at): (i64, Seq),
    reopened: &Reopened,
) -> Result<(), OutboxError> {
    let give_up = reopened.give_up.as_ref();
    let error = give_up.and_then(|outcome| match outcome {
        Outcome::DeadLetter(failure) => Some(failure.to_string()),
        _ => None,
    });
    db.prepare_cached(
        "UPDATE progress SET lane = ?3, seq = ?4, state = 1, batch = NULL, give_up = ?5, alone = 0, \
         rejections = 0, first_rejected_at = NULL, next_attempt_at = NULL, outcome = ?6, \
         error = ?7, settled_at = NULL, fed = max(fed, ?8) WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![
        lane,
        int(at.get()),
        reopened.to.0,
        int(reopened.to.1.get()),
        give_up.is_some(),
        give_up.map(outcome::encode).transpose()?,
        error,
        reopened.fed,
    ])?;
    Ok(())
}

/// Whether all that is left are ops that were applied before their server went back in time, and
/// that it rejects now: they wait for what another outbox has.
pub(crate) fn waits_for_others(db: &Connection, lane: i64) -> Result<bool, OutboxError> {
    Ok(db
        .prepare_cached(
            "SELECT count(*) > 0 AND coalesce(min(state = 4 AND fed AND NOT give_up), 0) \
             AND NOT EXISTS (SELECT 1 FROM batch WHERE lane = ?1 AND answered = 0 AND whole = 1) \
             AND NOT EXISTS (SELECT 1 FROM lane WHERE number = ?1 AND cut_through + 1 < next_seq) \
             FROM progress INDEXED BY unsettled WHERE lane = ?1 AND state < 10",
        )?
        .query_row([lane], |row| row.get(0))?)
}
