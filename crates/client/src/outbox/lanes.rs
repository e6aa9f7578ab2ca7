//! Table `lane`: one row per lane. A share has one lane of its own at a time; those that it had
//! before were left, with what is settled in them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::{
    Chain, Cursor, HistoryId, Incarnation, Limits, Nonce, OutboxId, OutboxKey, RefusalCode, Seq,
    ShareId, ShareRef, UnixMs,
};

use super::error::OutboxError;
use super::sql::{bytes, bytes_or_null, chain, count, int, seq, time};
use super::stop::{Stop, code_named};

/// A lane as it stands.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    pub(crate) number: i64,
    pub(crate) share: ShareId,
    /// The newest ref, as text: it holds a secret.
    pub(crate) reference: ShareRef,
    /// Counts up whenever a person gives a ref.
    pub(crate) ref_number: u64,
    pub(crate) key: OutboxKey,
    /// Of the claim in force, as far as its answer was heard.
    pub(crate) incarnation: Incarnation,
    /// Of the claim whose answer was not heard yet.
    pub(crate) nonce: Option<Nonce>,
    pub(crate) history: Option<HistoryId>,
    pub(crate) next_seq: Seq,
    /// Over every op of the lane.
    pub(crate) chain: Chain,
    /// Every seq up to here has a final outcome. Falls only when ops that had ended are asked about
    /// again.
    pub(crate) settled_through: Seq,
    /// The highest seq that any answer covered: the server has seen it. Never falls.
    pub(crate) answered_through: Seq,
    /// Settled rows up to here are gone; at or below `settled_through`.
    pub(crate) pruned_through: Seq,
    /// At `pruned_through`.
    pub(crate) pruned_chain: Chain,
    /// Settled rows that are kept.
    pub(crate) settled_ops: u64,
    /// Bytes of their entries.
    pub(crate) settled_bytes: u64,
    /// What the server told at the last redeem.
    pub(crate) limits: Option<Limits>,
    pub(crate) stop: Option<Stop>,
    /// When another lane took its place.
    pub(crate) left_at: Option<UnixMs>,
    /// The highest of the share that its server answered with: it has got that far. Falls only when
    /// the server goes back in time.
    pub(crate) cursor: Cursor,
    /// As it was when this was read: every op up to here was cut into a batch, or has a row of its own;
    /// those above are queued.
    pub(crate) cut_through: Seq,
}

impl Lane {
    pub(crate) fn outbox(&self) -> OutboxId {
        self.key.outbox_id()
    }

    /// The last seq given; zero if none.
    pub(crate) fn last_seq(&self) -> Seq {
        Seq::new(self.next_seq.get() - 1)
    }
}

const COLUMNS: &str = "number, share, ref, ref_number, outbox_key, incarnation, nonce, history, \
    next_seq, chain, settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
    settled_bytes, told_limits, stop_code, stop_message, stopped_at, left_at, \
    cursor, cut_through";

fn read(row: &Row<'_>) -> Result<Lane, OutboxError> {
    let reference: String = row.get(2)?;
    let stop_code: Option<String> = row.get(17)?;
    let stop = match stop_code {
        None => None,
        Some(name) => Some(Stop {
            code: code_named(&name),
            message: row.get(18)?,
            at: time(row, 19)?.unwrap_or_default(),
        }),
    };
    Ok(Lane {
        number: row.get(0)?,
        share: ShareId::from_bytes(bytes(row, 1)?),
        reference: reference
            .parse()
            .map_err(|_| OutboxError::Unreadable { what: "a ref" })?,
        ref_number: count(row, 3)?,
        key: OutboxKey::from_bytes(bytes(row, 4)?),
        incarnation: Incarnation::new(count(row, 5)?),
        nonce: bytes_or_null(row, 6)?.map(Nonce::from_bytes),
        history: bytes_or_null(row, 7)?.map(HistoryId::from_bytes),
        next_seq: seq(row, 8)?,
        chain: chain(row, 9)?,
        settled_through: seq(row, 10)?,
        answered_through: seq(row, 11)?,
        pruned_through: seq(row, 12)?,
        pruned_chain: chain(row, 13)?,
        settled_ops: count(row, 14)?,
        settled_bytes: count(row, 15)?,
        limits: limits(row, 16)?,
        stop,
        left_at: time(row, 20)?,
        cursor: Cursor::new(count(row, 21)?),
        cut_through: seq(row, 22)?,
    })
}

/// The share's own lane, if the outbox knows the share.
pub(crate) fn find(db: &Connection, share: ShareId) -> Result<Option<Lane>, OutboxError> {
    db.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM lane WHERE share = ?1 AND left_at IS NULL"
    ))?
    .query_row([share.to_bytes()], |row| Ok(read(row)))
    .optional()?
    .transpose()
}

/// The end of a share's own lane, and what an enqueue is checked against: all that it needs of it.
#[derive(Debug, Clone)]
pub(crate) struct Tail {
    pub(crate) number: i64,
    pub(crate) outbox: OutboxId,
    pub(crate) next_seq: Seq,
    /// Over every op of the lane.
    pub(crate) chain: Chain,
    /// What the server told at the last redeem.
    pub(crate) limits: Option<Limits>,
    /// Why the replay stands still, if it does.
    pub(crate) stop_code: Option<RefusalCode>,
}

/// The end of the share's own lane.
pub(crate) fn tail(db: &Connection, share: ShareId) -> Result<Tail, OutboxError> {
    db.prepare_cached(
        "SELECT number, outbox_key, next_seq, chain, told_limits, stop_code FROM lane \
         WHERE share = ?1 AND left_at IS NULL",
    )?
    .query_row([share.to_bytes()], |row| Ok(read_tail(row)))
    .optional()?
    .unwrap_or(Err(OutboxError::UnknownShare { share }))
}

fn read_tail(row: &Row<'_>) -> Result<Tail, OutboxError> {
    let stop_code: Option<String> = row.get(5)?;
    Ok(Tail {
        number: row.get(0)?,
        outbox: OutboxKey::from_bytes(bytes(row, 1)?).outbox_id(),
        next_seq: seq(row, 2)?,
        chain: chain(row, 3)?,
        limits: limits(row, 4)?,
        stop_code: stop_code.as_deref().map(code_named),
    })
}

/// The limits in column `at`, if there are any.
fn limits(row: &Row<'_>, at: usize) -> Result<Option<Limits>, OutboxError> {
    let limits: Option<Vec<u8>> = row.get(at)?;
    limits
        .map(|bytes| postcard::from_bytes(&bytes))
        .transpose()
        .map_err(|_| OutboxError::Unreadable {
            what: "a share's limits",
        })
}

/// The share's own lane.
pub(crate) fn get(db: &Connection, share: ShareId) -> Result<Lane, OutboxError> {
    find(db, share)?.ok_or(OutboxError::UnknownShare { share })
}

/// Every share's own lane, oldest first.
pub(crate) fn all(db: &Connection) -> Result<Vec<Lane>, OutboxError> {
    let sql = format!("SELECT {COLUMNS} FROM lane WHERE left_at IS NULL ORDER BY number");
    collect(db, &sql, &[])
}

/// The lanes that the share had and has, oldest first: its own is the last.
pub(crate) fn of_share(db: &Connection, share: ShareId) -> Result<Vec<Lane>, OutboxError> {
    let sql = format!("SELECT {COLUMNS} FROM lane WHERE share = ?1 ORDER BY number");
    collect(db, &sql, &[&share.to_bytes()])
}

/// A lane's number, and its outbox as the server knows it.
pub(crate) type Place = (i64, OutboxId);

/// Where ops of the share are held: its own lane first, then those that were left, newest first.
/// Read once for many ops.
pub(crate) fn places(db: &Connection, share: ShareId) -> Result<Vec<Place>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT number, outbox_key FROM lane WHERE share = ?1 ORDER BY number DESC",
    )?;
    let mut rows = statement.query([share.to_bytes()])?;
    let mut places = Vec::new();
    while let Some(row) = rows.next()? {
        let key = OutboxKey::from_bytes(bytes(row, 1)?);
        places.push((row.get(0)?, key.outbox_id()));
    }
    Ok(places)
}

fn collect(
    db: &Connection,
    sql: &str,
    key: &[&dyn rusqlite::ToSql],
) -> Result<Vec<Lane>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query(key)?;
    let mut lanes = Vec::new();
    while let Some(row) = rows.next()? {
        lanes.push(read(row)?);
    }
    Ok(lanes)
}

/// The shares with unsettled ops whose replay does not stand still, oldest first.
pub(crate) fn replayable(db: &Connection) -> Result<Vec<ShareId>, OutboxError> {
    shares(
        db,
        "SELECT share FROM lane WHERE left_at IS NULL AND stop_code IS NULL AND (\
         cut_through + 1 < next_seq \
         OR EXISTS (SELECT 1 FROM batch WHERE batch.lane = lane.number AND answered = 0 \
         AND whole = 1) OR EXISTS (SELECT 1 FROM progress WHERE progress.lane = lane.number AND state < 10)) \
         ORDER BY number",
    )
}

/// The shares whose server has answered for ops that are held, and whose replay does not stand
/// still, oldest first.
pub(crate) fn retained(db: &Connection) -> Result<Vec<ShareId>, OutboxError> {
    shares(
        db,
        "SELECT share FROM lane AS own WHERE left_at IS NULL AND stop_code IS NULL AND EXISTS \
         (SELECT 1 FROM lane JOIN op ON op.lane = lane.number \
         WHERE lane.share = own.share AND op.seq <= lane.answered_through) ORDER BY number",
    )
}

/// The next seq of every share's own lane.
pub(crate) fn tails(db: &Connection) -> Result<BTreeMap<ShareId, Seq>, OutboxError> {
    let mut statement =
        db.prepare_cached("SELECT share, next_seq FROM lane WHERE left_at IS NULL")?;
    let mut rows = statement.query([])?;
    let mut tails = BTreeMap::new();
    while let Some(row) = rows.next()? {
        tails.insert(ShareId::from_bytes(bytes(row, 0)?), seq(row, 1)?);
    }
    Ok(tails)
}

fn shares(db: &Connection, sql: &str) -> Result<Vec<ShareId>, OutboxError> {
    let mut statement = db.prepare_cached(sql)?;
    let mut rows = statement.query([])?;
    let mut shares = Vec::new();
    while let Some(row) = rows.next()? {
        shares.push(ShareId::from_bytes(bytes(row, 0)?));
    }
    Ok(shares)
}

/// A new lane under `key`.
pub(crate) fn insert(
    db: &Connection,
    reference: &ShareRef,
    key: &OutboxKey,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "INSERT INTO lane (share, ref, ref_number, outbox_key, incarnation, next_seq, chain, \
         settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
         settled_bytes) VALUES (?1, ?2, 1, ?3, 0, 1, ?4, 0, 0, 0, ?4, 0, 0)",
    )?
    .execute(params![
        reference.share.to_bytes(),
        reference.expose(),
        key.expose(),
        Chain::EMPTY.to_bytes()
    ])?;
    Ok(())
}

/// A new lane under `key` takes the place of `lane`, with its ref and what is known of its share.
pub(crate) fn replace(
    db: &Connection,
    lane: &Lane,
    key: &OutboxKey,
    (history, cursor, now): (Option<HistoryId>, Cursor, UnixMs),
) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET left_at = ?2, nonce = NULL WHERE number = ?1")?
        .execute(params![lane.number, int(now.get())])?;
    db.prepare_cached(
        "INSERT INTO lane (share, ref, ref_number, outbox_key, incarnation, history, next_seq, \
         chain, settled_through, answered_through, pruned_through, pruned_chain, settled_ops, \
         settled_bytes, told_limits, cursor) \
         SELECT share, ref, ref_number, ?2, 0, ?3, 1, ?4, 0, 0, 0, ?4, 0, 0, told_limits, ?5 \
         FROM lane WHERE number = ?1",
    )?
    .execute(params![
        lane.number,
        key.expose(),
        history.map(HistoryId::to_bytes),
        Chain::EMPTY.to_bytes(),
        int(cursor.get())
    ])?;
    Ok(())
}

/// Lanes of the share that were left and hold nothing any more are no more.
pub(crate) fn delete_empty(db: &Connection, share: ShareId) -> Result<(), OutboxError> {
    for left in of_share(db, share)? {
        let key = params![left.number];
        let is_empty = left.left_at.is_some()
            && !db
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM op WHERE lane = ?1)")?
                .query_row(key, |row| row.get::<_, bool>(0))?;
        if is_empty {
            db.prepare_cached("DELETE FROM batch WHERE lane = ?1")?
                .execute(key)?;
            db.prepare_cached("DELETE FROM lane WHERE number = ?1")?
                .execute(key)?;
        }
    }
    Ok(())
}

/// A person gave `reference`.
pub(crate) fn set_ref(
    db: &Connection,
    lane: &Lane,
    reference: &ShareRef,
) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET ref = ?2, ref_number = ref_number + 1 WHERE number = ?1")?
        .execute(params![lane.number, reference.expose()])?;
    Ok(())
}

/// Ops were enqueued: the next seq, and the chain over all before it.
pub(crate) fn set_tail(
    db: &Connection,
    lane: i64,
    (next_seq, chain): (Seq, Chain),
) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET next_seq = ?2, chain = ?3 WHERE number = ?1")?
        .execute(params![lane, int(next_seq.get()), chain.to_bytes()])?;
    Ok(())
}

/// The end of a lane that was cut into no batch yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Uncut {
    /// What lies above.
    pub(crate) cut_through: Seq,
    /// The last seq given.
    pub(crate) last: Seq,
}

/// What was cut into no batch yet, as it is now.
pub(crate) fn uncut(db: &Connection, lane: i64) -> Result<Uncut, OutboxError> {
    db.prepare_cached("SELECT cut_through, next_seq - 1 FROM lane WHERE number = ?1")?
        .query_row([lane], |row| {
            Ok(seq(row, 0).and_then(|cut_through| {
                let last = seq(row, 1)?;
                Ok(Uncut { cut_through, last })
            }))
        })?
}

/// Every op up to `through` was cut into a batch, or has a row of its own.
pub(crate) fn set_cut(db: &Connection, lane: i64, through: Seq) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET cut_through = ?2 WHERE number = ?1")?
        .execute(params![lane, int(through.get())])?;
    Ok(())
}

/// A planted bug: the next seq is that behind the last op that waits, whatever has ended above.
pub(crate) fn count_pending_only(db: &Connection) -> Result<(), OutboxError> {
    for lane in all(db)? {
        let pending: i64 = db.query_row(
            "SELECT coalesce(max(seq), 0) FROM standing WHERE lane = ?1 AND state < 10",
            [lane.number],
            |row| row.get(0),
        )?;
        let last = pending.max(int(lane.pruned_through.get()));
        let key = params![lane.number, last];
        db.execute("DELETE FROM op WHERE lane = ?1 AND seq > ?2", key)?;
        db.execute("DELETE FROM progress WHERE lane = ?1 AND seq > ?2", key)?;
        db.execute(
            "DELETE FROM batch WHERE lane = ?1 AND whole = 1 AND last_seq > ?2",
            key,
        )?;
        db.execute(
            "UPDATE lane SET next_seq = ?2 + 1, cut_through = min(cut_through, ?2), chain = coalesce((SELECT chain FROM op \
             WHERE lane = ?1 AND seq = ?2), pruned_chain) WHERE number = ?1",
            key,
        )?;
    }
    Ok(())
}

/// A claim is about to be sent.
pub(crate) fn set_nonce(db: &Connection, lane: &Lane, nonce: Nonce) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET nonce = ?2 WHERE number = ?1")?
        .execute(params![lane.number, nonce.to_bytes()])?;
    Ok(())
}

/// A claim was answered.
pub(crate) fn set_claimed(
    db: &Connection,
    lane: &Lane,
    incarnation: Incarnation,
    history: HistoryId,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE lane SET incarnation = ?2, history = ?3, nonce = NULL WHERE number = ?1",
    )?
    .execute(params![
        lane.number,
        int(incarnation.get()),
        history.to_bytes()
    ])?;
    Ok(())
}

/// The server has another history than was known. A claim that is under way keeps its nonce: only an
/// answer that gives an appender uses it up.
pub(crate) fn set_history(
    db: &Connection,
    lane: &Lane,
    history: HistoryId,
) -> Result<(), OutboxError> {
    db.prepare_cached("UPDATE lane SET history = ?2 WHERE number = ?1")?
        .execute(params![lane.number, history.to_bytes()])?;
    Ok(())
}

/// A redeem told the server's limits.
pub(crate) fn set_limits(db: &Connection, lane: &Lane, limits: &Limits) -> Result<(), OutboxError> {
    let bytes = postcard::to_stdvec(limits).map_err(|_| OutboxError::Unreadable {
        what: "limits that were just told",
    })?;
    db.prepare_cached("UPDATE lane SET told_limits = ?2 WHERE number = ?1")?
        .execute(params![lane.number, bytes])?;
    Ok(())
}

/// Outcomes were recorded.
pub(crate) fn set_settled(db: &Connection, lane: &Lane) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE lane SET settled_through = ?2, answered_through = ?3, settled_ops = ?4, \
         settled_bytes = ?5, cursor = ?6 WHERE number = ?1",
    )?
    .execute(params![
        lane.number,
        int(lane.settled_through.get()),
        int(lane.answered_through.get()),
        int(lane.settled_ops),
        int(lane.settled_bytes),
        int(lane.cursor.get())
    ])?;
    Ok(())
}

/// Settled rows up to `pruned_through` were dropped.
pub(crate) fn set_pruned(db: &Connection, lane: &Lane) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE lane SET pruned_through = ?2, pruned_chain = ?3, settled_ops = ?4, \
         settled_bytes = ?5 WHERE number = ?1",
    )?
    .execute(params![
        lane.number,
        int(lane.pruned_through.get()),
        lane.pruned_chain.to_bytes(),
        int(lane.settled_ops),
        int(lane.settled_bytes)
    ])?;
    Ok(())
}

/// The replay of the share stands still from now on, or goes on.
pub(crate) fn set_stop(
    db: &Connection,
    lane: &Lane,
    stop: Option<&Stop>,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE lane SET stop_code = ?2, stop_message = ?3, stopped_at = ?4 WHERE number = ?1",
    )?
    .execute(params![
        lane.number,
        stop.map(|stop| stop.code.name()),
        stop.map(|stop| stop.message.as_str()),
        stop.map(|stop: &Stop| -> i64 { int(UnixMs::get(stop.at)) })
    ])?;
    Ok(())
}
