//! Table `op`: what each op is. Rows are inserted and, long after they were settled, deleted.

use rusqlite::{Connection, OptionalExtension, Row, params};
use share_model::{Chain, Cursor, Entry, Fingerprint, FirstLane, Identity, OpId, Seq, UnixMs};

use super::entry;
use super::error::OutboxError;
use super::lanes::Place;
use super::sql::{bytes, chain, int, seq};

/// The seqs of an atomic group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) first: Seq,
    pub(crate) last: Seq,
    pub(crate) expected_cursor: Option<Cursor>,
}

/// A row to insert.
#[derive(Debug)]
pub(crate) struct NewRow {
    pub(crate) op_id: OpId,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) chain: Chain,
    /// Of the mutation and the origin: what counts against a batch's limit.
    pub(crate) mutation_bytes: u64,
    pub(crate) group: Option<Group>,
    pub(crate) enqueued_at: UnixMs,
    pub(crate) entry: Entry,
}

pub(crate) fn insert(db: &Connection, lane: i64, row: &NewRow) -> Result<(), OutboxError> {
    db.prepare_cached(
        "INSERT INTO op (lane, seq, op_id, fingerprint, chain, bytes, group_first, group_last, \
         group_cursor, enqueued_at, entry) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        lane,
        int(row.entry.seq.get()),
        row.op_id.to_bytes(),
        row.fingerprint.to_bytes(),
        row.chain.to_bytes(),
        int(row.mutation_bytes),
        row.group.map(|group| int(group.first.get())),
        row.group.map(|group| int(group.last.get())),
        row.group
            .and_then(|group| group.expected_cursor)
            .map(|cursor| int(cursor.get())),
        int(row.enqueued_at.get()),
        entry::encode(&row.entry)?,
    ])?;
    Ok(())
}

/// Seq and fingerprint of the op with this id in the lane.
pub(crate) fn by_op_id(
    db: &Connection,
    lane: i64,
    op_id: OpId,
) -> Result<Option<(Seq, Fingerprint)>, OutboxError> {
    db.prepare_cached("SELECT seq, fingerprint FROM op WHERE lane = ?1 AND op_id = ?2")?
        .query_row(params![lane, op_id.to_bytes()], |row| {
            Ok(seq(row, 0).and_then(|at| Ok((at, Fingerprint::from_bytes(bytes(row, 1)?)))))
        })
        .optional()?
        .transpose()
}

/// The lane's chain over seqs 1 to `at`, if the row is still held.
pub(crate) fn chain_at(db: &Connection, lane: i64, at: Seq) -> Result<Option<Chain>, OutboxError> {
    db.prepare_cached("SELECT chain FROM op WHERE lane = ?1 AND seq = ?2")?
        .query_row(params![lane, int(at.get())], |row| Ok(chain(row, 0)))
        .optional()?
        .transpose()
}

/// The entries of the ops whose current batch is `batch`, by seq.
pub(crate) fn entries_of(
    db: &Connection,
    lane: i64,
    batch: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Entry>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT op.entry FROM progress JOIN op USING (lane, seq) \
         WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 AND batch = ?4 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![lane, int(first.get()), int(last.get()), batch])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry_in(row, 0)?);
    }
    Ok(entries)
}

/// The entries of the ops with seqs from `first` to `last`.
pub(crate) fn entries_between(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<Vec<Entry>, OutboxError> {
    let mut statement = db.prepare_cached(
        "SELECT entry FROM op WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3 ORDER BY seq",
    )?;
    let mut rows = statement.query(params![lane, int(first.get()), int(last.get())])?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(entry_in(row, 0)?);
    }
    Ok(entries)
}

/// The entry in column `at`.
pub(super) fn entry_in(row: &Row<'_>, at: usize) -> Result<Entry, OutboxError> {
    let bytes = row.get_ref(at)?.as_blob();
    entry::decode(bytes.map_err(|_| OutboxError::Unreadable { what: "an entry" })?)
}

/// Where a re-queued op was first enqueued, and its fingerprint.
pub(crate) fn first_lane_at(
    db: &Connection,
    lane: i64,
    at: Seq,
) -> Result<(Option<FirstLane>, Fingerprint), OutboxError> {
    let (entry, fingerprint) = entry_at(db, lane, at)?;
    Ok((entry.was, fingerprint))
}

/// The entry at `at`, and its fingerprint.
pub(crate) fn entry_at(
    db: &Connection,
    lane: i64,
    at: Seq,
) -> Result<(Entry, Fingerprint), OutboxError> {
    db.prepare_cached("SELECT entry, fingerprint FROM op WHERE lane = ?1 AND seq = ?2")?
        .query_row(params![lane, int(at.get())], |row| {
            let entry: Vec<u8> = row.get(0)?;
            Ok((entry, bytes(row, 1)))
        })
        .map_err(OutboxError::from)
        .and_then(|(entry, fingerprint)| {
            Ok((
                entry::decode(&entry)?,
                Fingerprint::from_bytes(fingerprint?),
            ))
        })
}

/// Seq and identity of the op with this id, in whichever of a share's places it is held.
pub(crate) fn identity_of(
    db: &Connection,
    places: &[Place],
    op_id: OpId,
) -> Result<Option<(Seq, Identity)>, OutboxError> {
    for (lane, outbox) in places {
        if let Some((seq, fingerprint)) = by_op_id(db, *lane, op_id)? {
            let here = FirstLane {
                outbox: *outbox,
                seq,
            };
            let first = first_lane_at(db, *lane, seq)?.0.unwrap_or(here);
            let identity = Identity {
                outbox: first.outbox,
                seq: first.seq,
                fingerprint,
            };
            return Ok(Some((seq, identity)));
        }
    }
    Ok(None)
}

/// The op goes to another lane and seq: nothing else of it changes.
pub(crate) fn move_to(
    db: &Connection,
    (lane, at): (i64, Seq),
    (to, chain, group): (i64, Chain, Option<Group>),
    entry: &Entry,
) -> Result<(), OutboxError> {
    db.prepare_cached(
        "UPDATE op SET lane = ?3, seq = ?4, chain = ?5, group_first = ?6, group_last = ?7, \
         group_cursor = ?8, entry = ?9 WHERE lane = ?1 AND seq = ?2",
    )?
    .execute(params![
        lane,
        int(at.get()),
        to,
        int(entry.seq.get()),
        chain.to_bytes(),
        group.map(|group| int(group.first.get())),
        group.map(|group| int(group.last.get())),
        group
            .and_then(|group| group.expected_cursor)
            .map(|cursor| int(cursor.get())),
        entry::encode(entry)?,
    ])?;
    Ok(())
}

/// Drops the ops with seqs from `first` to `last`, all of which are settled.
pub(crate) fn delete(
    db: &Connection,
    lane: i64,
    (first, last): (Seq, Seq),
) -> Result<(), OutboxError> {
    let key = params![lane, int(first.get()), int(last.get())];
    db.prepare_cached("DELETE FROM op WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3")?
        .execute(key)?;
    db.prepare_cached("DELETE FROM progress WHERE lane = ?1 AND seq BETWEEN ?2 AND ?3")?
        .execute(key)?;
    Ok(())
}
