//! The journal's bytes: a magic, then one frame per entry.
//!
//! A frame is the entry's length and a checksum of that, a checksum of the entry, and the entry. The
//! length has a checksum of its own so that a damaged one is not taken for an entry that was cut off
//! by a crash, with all that follows it.

use std::path::Path;

use super::entry::{Entry, Unreadable};
use super::error::JournalError;

/// How a journal begins. For ever.
const MAGIC: &[u8; 8] = b"SHRJRNL\n";
/// Length, its checksum, the entry's checksum: four bytes each, little end first.
const HEAD_BYTES: usize = 12;
/// Bytes of one entry; far more than any has.
const ENTRY_BYTES_MAX: u32 = 1 << 20;
/// What a disk writes as a whole.
const SECTOR_BYTES: usize = 512;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) entries: Vec<Entry>,
    /// Bytes of the file that hold them: what follows is torn.
    pub(super) bytes: u64,
}

/// The bytes of a whole file.
pub(super) fn write_file(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    for entry in entries {
        push(&mut bytes, entry);
    }
    bytes
}

/// Appends an entry's frame.
pub(super) fn push(bytes: &mut Vec<u8>, entry: &Entry) {
    let body = entry.encode();
    let length = u32::try_from(body.len()).expect("an entry is far smaller than 4 GiB");
    let length = length.to_le_bytes();
    bytes.extend(length);
    bytes.extend(crc32fast::hash(&length).to_le_bytes());
    bytes.extend(crc32fast::hash(&body).to_le_bytes());
    bytes.extend(body);
}

/// Reads a whole file.
pub(super) fn read(path: &Path, bytes: &[u8]) -> Result<Read, JournalError> {
    if !bytes.starts_with(MAGIC) {
        return Err(JournalError::Foreign {
            path: path.to_owned(),
        });
    }
    let mut entries = Vec::new();
    let mut at = MAGIC.len();
    while at < bytes.len() {
        match frame(&bytes[at..]) {
            Frame::Whole { body, length } => {
                entries.push(decode(path, at, body)?);
                at += length;
            }
            Frame::Torn => break,
            Frame::TornOrDamaged { length } if has_unwritten_sector(bytes, at, length) => break,
            Frame::TornOrDamaged { .. } | Frame::Damaged => return Err(damaged(path, at)),
        }
    }
    Ok(Read {
        entries,
        bytes: at as u64,
    })
}

enum Frame<'a> {
    Whole {
        body: &'a [u8],
        length: usize,
    },
    /// The last one, and not all of it was written.
    Torn,
    /// The last one; it has all its bytes, but not the right ones.
    TornOrDamaged {
        length: usize,
    },
    Damaged,
}

/// The frame at the beginning of `rest`, which ends with the file.
fn frame(rest: &[u8]) -> Frame<'_> {
    if rest.len() < HEAD_BYTES || rest.iter().all(|byte| *byte == 0) {
        return Frame::Torn;
    }
    let number = |at| u32::from_le_bytes(std::array::from_fn(|byte| rest[at + byte]));
    let body_bytes = number(0);
    if number(4) != crc32fast::hash(&rest[..4]) || body_bytes > ENTRY_BYTES_MAX {
        return Frame::Damaged;
    }
    let length = HEAD_BYTES + body_bytes as usize;
    let Some(body) = rest.get(HEAD_BYTES..length) else {
        return Frame::Torn;
    };
    match (crc32fast::hash(body) == number(8), rest.len() == length) {
        (true, _) => Frame::Whole { body, length },
        (false, true) => Frame::TornOrDamaged { length },
        (false, false) => Frame::Damaged,
    }
}

/// Whether a part of the last frame never reached the disk: a file system that made the file longer
/// before it wrote into it leaves zeros. Anything else in there was written, and has changed since.
fn has_unwritten_sector(bytes: &[u8], at: usize, length: usize) -> bool {
    let end = at + length;
    let mut from = at;
    while from < end {
        let to = ((from / SECTOR_BYTES + 1) * SECTOR_BYTES).min(end);
        if bytes[from..to].iter().all(|byte| *byte == 0) {
            return true;
        }
        from = to;
    }
    false
}

fn decode(path: &Path, at: usize, body: &[u8]) -> Result<Entry, JournalError> {
    Entry::decode(body).map_err(|unreadable| match unreadable {
        Unreadable::Newer { found } => JournalError::Newer {
            path: path.to_owned(),
            found,
        },
        Unreadable::Malformed => damaged(path, at),
    })
}

fn damaged(path: &Path, at: usize) -> JournalError {
    JournalError::Damaged {
        path: path.to_owned(),
        at: at as u64,
    }
}
