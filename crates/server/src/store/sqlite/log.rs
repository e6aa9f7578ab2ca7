//! Table `log`: the records of all shares in the order of their commits, one row each.
//!
//! Appending touches the end of one table and nothing else: no secondary index, no page per share.
//! What finds a row again is [`super::tail`] and [`super::share_index`].

use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};

use share_engine::{Change, Record};
use share_model::{Cursor, Fingerprint, Seq, ShareId, ShareVersion, WriterId, planted};

use super::fault::ReadError;
use super::redo::Row;
use super::slices::Slices;
use super::tail::Head;
use crate::store::{ShareCommit, StoreError};

/// Bytes of one encoded record. SQLite itself refuses rows of 10⁹ bytes.
const BODY_BYTES_MAX: u64 = 512 << 20;

/// The table. Persisted: meanings are for ever. `cursor` is the share's cursor after the record;
/// `first_seq` and `last_seq` are the least and greatest seq of an applied op, 0 if there is none. A
/// row with an empty body was erased.
pub(super) const SCHEMA: &str = "
    CREATE TABLE log (
        position INTEGER PRIMARY KEY,
        share BLOB NOT NULL,
        version INTEGER NOT NULL,
        cursor INTEGER NOT NULL,
        op_count INTEGER NOT NULL,
        writer INTEGER NOT NULL,
        first_seq INTEGER NOT NULL,
        last_seq INTEGER NOT NULL,
        body_check INTEGER NOT NULL,
        body BLOB NOT NULL
    ) STRICT;";

/// What is known of a row without reading its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowHeader {
    pub(super) position: u64,
    pub(super) version: ShareVersion,
    /// The share's cursor after the record.
    pub(super) cursor: Cursor,
    pub(super) content: Content,
}

impl RowHeader {
    /// The share's cursor before the record.
    pub(super) fn cursor_before(&self) -> Cursor {
        Cursor::new(self.cursor.get().saturating_sub(self.content.op_count))
    }
}

/// What a record says about applied ops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) op_count: u64,
    pub(super) writer: WriterId,
    pub(super) first_seq: u64,
    pub(super) last_seq: u64,
}

impl Content {
    fn of(record: &Record) -> Self {
        let Change::Appended(appended) = &record.change else {
            return Self::default();
        };
        let applied = appended
            .entries
            .iter()
            .filter(|entry| entry.outcome.applied().is_some())
            .map(|entry| entry.seq.get());
        let mut content = Self {
            writer: appended.writer,
            ..Self::default()
        };
        for seq in applied {
            content.first_seq = match content.op_count {
                0 => seq,
                _ => content.first_seq.min(seq),
            };
            content.last_seq = content.last_seq.max(seq);
            content.op_count += 1;
        }
        content
    }
}

/// A record made ready to be written.
#[derive(Debug)]
pub(super) struct NewRow {
    pub(super) version: ShareVersion,
    /// The cursor that the record says the share had before it, if it says so.
    pub(super) cursor_before: Option<Cursor>,
    pub(super) content: Content,
    check: u32,
    body: Vec<u8>,
}

/// A [`ShareCommit`] made ready to be written.
#[derive(Debug)]
pub(super) struct PreparedCommit {
    pub(super) share: ShareId,
    pub(super) expected: ShareVersion,
    pub(super) rows: Vec<Arc<NewRow>>,
}

impl PreparedCommit {
    /// Encodes the records: on the caller's thread, for the writer's is the narrow one.
    pub(super) fn of(commit: &ShareCommit) -> Result<Self, StoreError> {
        let share = commit.share;
        let invalid = |what| StoreError::Invalid { share, what };
        if commit.records.is_empty() {
            return Err(invalid("there is no record in it"));
        }
        let mut version = commit.expected;
        let mut rows = Vec::with_capacity(commit.records.len());
        for record in &commit.records {
            version = version.next();
            if record.version != version {
                return Err(invalid("the versions do not follow the expected one"));
            }
            rows.push(Arc::new(NewRow::of(share, record)?));
        }
        Ok(Self {
            share,
            expected: commit.expected,
            rows,
        })
    }

    /// Bytes of all bodies.
    pub(super) fn bytes(&self) -> u64 {
        self.rows.iter().map(|row| row.body.len() as u64).sum()
    }
}

impl NewRow {
    fn of(share: ShareId, record: &Record) -> Result<Self, StoreError> {
        let body = record.encode();
        let bytes = body.len() as u64;
        if bytes > BODY_BYTES_MAX {
            return Err(StoreError::TooLarge {
                what: "the record",
                bytes,
                max: BODY_BYTES_MAX,
            });
        }
        Ok(Self {
            version: record.version,
            cursor_before: match &record.change {
                Change::Appended(appended) => Some(appended.cursor_before),
                _ => None,
            },
            content: Content::of(record),
            check: body_check(share, record.version, &body),
            body,
        })
    }

    /// The row as the redo log has it; `None` if the body is not the one of which `check` was taken.
    pub(super) fn logged(
        share: ShareId,
        (version, content): (ShareVersion, Content),
        (check, body): (u32, &[u8]),
    ) -> Option<Self> {
        let is_intact = body_check(share, version, body) == check;
        (is_intact || planted!("redo-frame-unchecked")).then(|| Self {
            version,
            cursor_before: None,
            content,
            check,
            body: body.to_vec(),
        })
    }

    pub(super) fn body(&self) -> &[u8] {
        &self.body
    }

    /// The checksum of the body in its place.
    pub(super) fn check(&self) -> u32 {
        self.check
    }

    /// The record, verified as one that was read from the file.
    pub(super) fn record(&self, share: ShareId, header: &RowHeader) -> Result<Record, ReadError> {
        let record = Record::decode(&self.body);
        record.map_err(|error| ReadError::record(share, header.version, &error.to_string()))
    }

    /// What is known of the row when it stands at `position`, after `head`.
    pub(super) fn header_after(&self, head: Head, position: u64) -> RowHeader {
        RowHeader {
            position,
            version: self.version,
            cursor: Cursor::new(head.cursor.get().saturating_add(self.content.op_count)),
            content: self.content,
        }
    }
}

/// CRC-32 over share, version and body: finds a body that was damaged, and one in a wrong place.
pub(super) fn body_check(share: ShareId, version: ShareVersion, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&share.to_bytes());
    hasher.update(&version.get().to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// Appends rows.
pub(super) fn insert(
    connection: &Connection,
    rows: &[Row],
    slices: &mut Slices,
) -> rusqlite::Result<()> {
    let mut statement = connection
        .prepare_cached("INSERT INTO log VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")?;
    for Row { share, header, new } in rows {
        statement.execute(params![
            header.position,
            share.to_bytes(),
            header.version.get(),
            header.cursor.get(),
            new.content.op_count,
            new.content.writer.get(),
            new.content.first_seq,
            new.content.last_seq,
            new.check,
            new.body,
        ])?;
        slices.wrote(new.body.len());
    }
    Ok(())
}

/// Empties the row at `position`; the bytes that its body had. It is not deleted, for that would move
/// other rows, and SQLite leaves copies of what it moves in the gaps of its pages.
pub(super) fn empty(
    connection: &Connection,
    position: u64,
    (share, version): (ShareId, ShareVersion),
) -> rusqlite::Result<u64> {
    let bytes = connection
        .prepare_cached("SELECT length(body) FROM log WHERE position = ?1")?
        .query_row([position], |row| row.get(0))
        .optional()?;
    connection
        .prepare_cached(
            "UPDATE log SET op_count = 0, writer = 0, first_seq = 0, last_seq = 0,
                            body_check = ?2, body = x'' WHERE position = ?1",
        )?
        .execute(params![position, body_check(share, version, &[])])?;
    Ok(bytes.unwrap_or(0))
}

/// The position of the last row; 0 if there is none.
pub(super) fn last_position(connection: &Connection) -> rusqlite::Result<u64> {
    connection
        .prepare_cached("SELECT coalesce(max(position), 0) FROM log")?
        .query_row([], |row| row.get(0))
}

/// The record that `header` stands for, verified.
pub(super) fn read(
    connection: &Connection,
    share: ShareId,
    header: &RowHeader,
) -> Result<Record, ReadError> {
    let damaged = |what: &str| ReadError::record(share, header.version, what);
    let row = connection
        .prepare_cached("SELECT share, version, body_check, body FROM log WHERE position = ?1")?
        .query_row([header.position], |row| {
            let found: (ShareId, u64) = (ShareId::from_bytes(row.get(0)?), row.get(1)?);
            // The body is checked and decoded where SQLite holds it.
            let check: u32 = row.get(2)?;
            let body = row.get_ref(3)?.as_blob()?;
            let is_intact = check == body_check(share, header.version, body);
            Ok((found, is_intact, Record::decode(body)))
        })
        .optional()?;
    let Some((found, is_intact, record)) = row else {
        return Err(damaged("its row is missing"));
    };
    if found != (share, header.version.get()) {
        return Err(damaged("another record stands in its row"));
    }
    if !is_intact {
        return Err(damaged("its checksum does not match"));
    }
    let record = record.map_err(|error| damaged(&error.to_string()))?;
    if record.version != header.version || Content::of(&record) != header.content {
        return Err(damaged("its row does not say what it contains"));
    }
    Ok(record)
}

/// Seq, fingerprint and cursor of each applied op.
pub(super) fn applied(record: &Record) -> Vec<(Seq, Fingerprint, Cursor)> {
    let Change::Appended(appended) = &record.change else {
        return Vec::new();
    };
    let mut cursor = appended.cursor_before;
    let applied = appended
        .entries
        .iter()
        .filter(|entry| entry.outcome.applied().is_some());
    applied
        .map(|entry| {
            cursor = cursor.next();
            (entry.seq, entry.fingerprint, cursor)
        })
        .collect()
}

/// Calls `visit` with each row above `position`, in order.
pub(super) fn headers_after(
    connection: &Connection,
    position: u64,
    mut visit: impl FnMut(ShareId, RowHeader) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut statement = connection.prepare(
        "SELECT position, version, cursor, op_count, writer, first_seq, last_seq, share
         FROM log WHERE position > ?1 ORDER BY position",
    )?;
    let mut rows = statement.query([position])?;
    while let Some(row) = rows.next()? {
        visit(ShareId::from_bytes(row.get(7)?), header(row)?)?;
    }
    Ok(())
}

/// A header from the columns position, version, cursor, `op_count`, writer, `first_seq`, `last_seq`.
pub(super) fn header(row: &rusqlite::Row<'_>) -> rusqlite::Result<RowHeader> {
    Ok(RowHeader {
        position: row.get(0)?,
        version: ShareVersion::new(row.get(1)?),
        cursor: Cursor::new(row.get(2)?),
        content: Content {
            op_count: row.get(3)?,
            writer: WriterId::new(row.get(4)?),
            first_seq: row.get(5)?,
            last_seq: row.get(6)?,
        },
    })
}
