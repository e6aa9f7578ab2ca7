//! A frame: a group of rows as the redo log has it.
//!
//! Persisted, with the format of the store's file: magic, the log's id, the position of the first
//! row, the number of rows (u32le), the bytes of all bodies (u64le); for each row what a row of the
//! table `log` has but its body; a CRC-32 over all of that; the bodies, of which each row has the
//! checksum; zeros up to a whole block. Numbers are little-endian. Blocks are never shared by frames,
//! so that a write that is torn damages no earlier one.

use std::sync::Arc;

use share_model::{Cursor, ShareId, ShareVersion, WriterId};

use super::RedoId;
use crate::store::sqlite::log::{Content, NewRow, RowHeader};

/// What disks and file systems write as a whole, or less than that.
pub(in crate::store::sqlite) const BLOCK: usize = 4096;

const MAGIC: [u8; 4] = *b"SHRF";
const HEAD_BYTES: usize = 4 + 16 + 8 + 4 + 8;
const ROW_BYTES: usize = 16 + 8 + 8 + 8 + 4 + 8 + 8 + 4 + 8;
const CHECK_BYTES: usize = 4;

/// A row with its place in the log.
#[derive(Debug, Clone)]
pub(in crate::store::sqlite) struct Row {
    pub(in crate::store::sqlite) share: ShareId,
    pub(in crate::store::sqlite) header: RowHeader,
    pub(in crate::store::sqlite) new: Arc<NewRow>,
}

/// Bytes of a frame with these rows: a multiple of [`BLOCK`].
pub(super) fn bytes_of(rows: &[Row]) -> u64 {
    let heads = HEAD_BYTES + rows.len() * ROW_BYTES + CHECK_BYTES;
    (heads as u64 + bodies_bytes(rows)).next_multiple_of(BLOCK as u64)
}

fn bodies_bytes(rows: &[Row]) -> u64 {
    rows.iter().map(|row| row.new.body().len() as u64).sum()
}

/// Makes the frame of rows, at least one, that follow one another.
pub(super) fn encode(frame: &mut Vec<u8>, id: RedoId, rows: &[Row]) {
    frame.clear();
    let first = rows.first().map_or(0, |row| row.header.position);
    frame.extend_from_slice(&MAGIC);
    frame.extend_from_slice(&id.to_bytes());
    frame.extend_from_slice(&first.to_le_bytes());
    // A group has far fewer: its jobs are bounded, and so are the records of each.
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    frame.extend_from_slice(&count.to_le_bytes());
    frame.extend_from_slice(&bodies_bytes(rows).to_le_bytes());
    for row in rows {
        let (header, content) = (&row.header, &row.header.content);
        frame.extend_from_slice(&row.share.to_bytes());
        frame.extend_from_slice(&header.version.get().to_le_bytes());
        frame.extend_from_slice(&header.cursor.get().to_le_bytes());
        frame.extend_from_slice(&content.op_count.to_le_bytes());
        frame.extend_from_slice(&content.writer.get().to_le_bytes());
        frame.extend_from_slice(&content.first_seq.to_le_bytes());
        frame.extend_from_slice(&content.last_seq.to_le_bytes());
        frame.extend_from_slice(&row.new.check().to_le_bytes());
        frame.extend_from_slice(&(row.new.body().len() as u64).to_le_bytes());
    }
    let check = crc32fast::hash(frame);
    frame.extend_from_slice(&check.to_le_bytes());
    for row in rows {
        frame.extend_from_slice(row.new.body());
    }
    frame.resize(frame.len().next_multiple_of(BLOCK), 0);
}

/// The position of the first row of what may be a frame of this log, which begins `bytes`.
pub(super) fn first_position(bytes: &[u8], id: RedoId) -> Option<u64> {
    let mut bytes = bytes;
    let is_ours = take::<4>(&mut bytes)? == MAGIC && take::<16>(&mut bytes)? == id.to_bytes();
    let first = u64::from_le_bytes(take(&mut bytes)?);
    is_ours.then_some(first)
}

/// The rows of the frame that begins `bytes`, and its length; `None` if there is no whole one. What it
/// says of itself is not believed before it is checked.
pub(super) fn decode(bytes: &[u8], id: RedoId) -> Option<(Vec<Row>, usize)> {
    let first = first_position(bytes, id)?;
    let mut head = bytes.get(HEAD_BYTES - 12..HEAD_BYTES)?;
    let count = usize::try_from(u32::from_le_bytes(take(&mut head)?)).ok()?;
    let bodies_bytes = usize::try_from(u64::from_le_bytes(take(&mut head)?)).ok()?;
    let heads_end = HEAD_BYTES.checked_add(count.checked_mul(ROW_BYTES)?)?;
    let bodies_start = heads_end.checked_add(CHECK_BYTES)?;
    let end = bodies_start.checked_add(bodies_bytes)?;
    if end > bytes.len() {
        return None;
    }
    let mut check = &bytes[heads_end..bodies_start];
    let is_intact = crc32fast::hash(&bytes[..heads_end]) == u32::from_le_bytes(take(&mut check)?);
    if !is_intact && !share_model::planted!("redo-frame-unchecked") {
        return None;
    }
    let (mut heads, mut bodies) = (&bytes[HEAD_BYTES..heads_end], &bytes[bodies_start..end]);
    let mut rows = Vec::with_capacity(count);
    for position in (first..).take(count) {
        rows.push(row(&mut heads, &mut bodies, position)?);
    }
    Some((rows, end.next_multiple_of(BLOCK)))
}

fn row(heads: &mut &[u8], bodies: &mut &[u8], position: u64) -> Option<Row> {
    let share = ShareId::from_bytes(take(heads)?);
    let version = ShareVersion::new(u64::from_le_bytes(take(heads)?));
    let cursor = Cursor::new(u64::from_le_bytes(take(heads)?));
    let content = Content {
        op_count: u64::from_le_bytes(take(heads)?),
        writer: WriterId::new(u32::from_le_bytes(take(heads)?)),
        first_seq: u64::from_le_bytes(take(heads)?),
        last_seq: u64::from_le_bytes(take(heads)?),
    };
    let check = u32::from_le_bytes(take(heads)?);
    let length = usize::try_from(u64::from_le_bytes(take(heads)?)).ok()?;
    let body;
    (body, *bodies) = bodies.split_at_checked(length)?;
    let new = NewRow::logged(share, (version, content), (check, body))?;
    let header = RowHeader {
        position,
        version,
        cursor,
        content,
    };
    Some(Row {
        share,
        header,
        new: Arc::new(new),
    })
}

fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*taken)
}

#[cfg(test)]
pub(super) mod tests {
    use share_engine::{Change, Claimed, Record};
    use share_model::{GrantId, Incarnation, Nonce, OutboxId, UnixMs};

    use super::*;
    use crate::store::ShareCommit;
    use crate::store::sqlite::log::PreparedCommit;
    use crate::store::sqlite::tail::Head;

    pub(in super::super) const ID: RedoId = RedoId::from_bytes([7; 16]);

    /// A row at `position` of a share that has one record for each position.
    pub(in super::super) fn row_at(position: u64) -> Row {
        let share = ShareId::from_bytes([1; 16]);
        let before = ShareVersion::new(position - 1);
        let claimed = Claimed {
            outbox: OutboxId::from_bytes([2; 16]),
            incarnation: Incarnation::new(position),
            nonce: Nonce::from_bytes([3; 16]),
            grant: GrantId::from_bytes([4; 16]),
            retired: vec![OutboxId::from_bytes([5; 16]); usize::try_from(position % 3).unwrap()],
        };
        let record = Record {
            version: before.next(),
            at: UnixMs::new(position),
            change: Change::Claimed(claimed),
        };
        let commit = ShareCommit {
            share,
            expected: before,
            records: vec![record],
        };
        let new = PreparedCommit::of(&commit).unwrap().rows.remove(0);
        let head = Head {
            version: before,
            cursor: Cursor::ZERO,
        };
        Row {
            share,
            header: new.header_after(head, position),
            new,
        }
    }

    pub(in super::super) fn frame_of(positions: std::ops::Range<u64>) -> Vec<u8> {
        let rows: Vec<_> = positions.map(row_at).collect();
        let mut frame = Vec::new();
        encode(&mut frame, ID, &rows);
        assert_eq!(frame.len() as u64, bytes_of(&rows));
        frame
    }

    pub(in super::super) fn positions(rows: &[Row]) -> Vec<u64> {
        rows.iter().map(|row| row.header.position).collect()
    }

    #[test]
    fn a_frame_is_read_as_it_was_written() {
        let mut bytes = frame_of(5..45);
        let length = bytes.len();
        assert_eq!(length % BLOCK, 0);
        bytes.extend(frame_of(45..46));
        let (rows, read) = decode(&bytes, ID).unwrap();
        assert_eq!(read, length);
        assert_eq!(positions(&rows), (5..45).collect::<Vec<_>>());
        for row in &rows {
            let expected = row_at(row.header.position);
            assert_eq!((row.share, row.header), (expected.share, expected.header));
            assert_eq!(row.new.body(), expected.new.body());
            assert_eq!(row.new.check(), expected.new.check());
        }
    }

    #[test]
    fn a_frame_of_another_log_is_none() {
        let other = RedoId::from_bytes([8; 16]);
        assert!(decode(&frame_of(1..2), other).is_none());
        assert!(decode(&[0; BLOCK], ID).is_none());
    }

    #[test]
    fn a_frame_that_is_cut_short_or_changed_anywhere_is_none() {
        let frame = frame_of(1..4);
        let content = frame.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for length in 0..content {
            assert!(decode(&frame[..length], ID).is_none(), "cut at {length}");
        }
        for at in 0..content {
            let mut changed = frame.clone();
            changed[at] ^= 0x40;
            assert!(decode(&changed, ID).is_none(), "changed at {at}");
        }
    }
}
