//! The line with which a backup begins: what it is, in words, and what the rest must be.
//!
//! `share-backup-1 {"bytes":…} 1a2b3c4d`: a magic with the format, JSON, and the CRC-32 of both in
//! eight hexadecimal digits. The store follows, byte for byte.

use std::io::{self, BufRead, Read};

use serde::{Deserialize, Serialize};
use share_model::{HistoryId, UnixMs};

/// How every backup begins, whatever its format.
const MAGIC: &str = "share-backup-";
/// The format that is written.
const FORMAT: u32 = 1;
/// Bytes of the line.
const LINE_BYTES_MAX: u64 = 4096;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    /// Of the server when it made the backup.
    pub(crate) history: HistoryId,
    /// When it was made, by the server's clock.
    pub(crate) at: UnixMs,
    /// Shares in it.
    pub(crate) shares: u64,
    /// The format of the store that follows.
    pub(crate) format: u32,
    /// Bytes of the store that follows.
    pub(crate) bytes: u64,
    /// Their SHA-256.
    pub(crate) sha256: [u8; 32],
}

/// As it stands in the line. Persisted: keep stable.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    at_unix_ms: u64,
    shares: u64,
    history: String,
    store_format: u32,
    store_bytes: u64,
    store_sha256: String,
}

/// Why a file is no backup that can be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HeadError {
    /// It begins differently.
    #[error("it is not a backup")]
    Foreign,
    /// Written by a newer version.
    #[error("it has format {0}")]
    Newer(u32),
    /// The line was changed.
    #[error("its first line is damaged")]
    Damaged,
    /// The machine failed.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Head {
    /// The line, with its end.
    pub(crate) fn to_line(&self) -> Vec<u8> {
        let line = Line {
            at_unix_ms: self.at.get(),
            shares: self.shares,
            history: self.history.to_string(),
            store_format: self.format,
            store_bytes: self.bytes,
            store_sha256: hex(&self.sha256),
        };
        let json = serde_json::to_string(&line).expect("numbers and text can be written");
        let text = format!("{MAGIC}{FORMAT} {json} ");
        let check = crc32fast::hash(text.as_bytes());
        format!("{text}{check:08x}\n").into_bytes()
    }

    /// Reads the line; what follows it is left to be read.
    pub(crate) fn read(from: &mut impl BufRead) -> Result<Self, HeadError> {
        let mut line = Vec::new();
        from.take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        let rest = line
            .strip_prefix(MAGIC.as_bytes())
            .ok_or(HeadError::Foreign)?;
        let text = str::from_utf8(rest).map_err(|_| HeadError::Damaged)?;
        let (format, text) = text.split_once(' ').ok_or(HeadError::Damaged)?;
        let format: u32 = format.parse().map_err(|_| HeadError::Damaged)?;
        if format > FORMAT {
            return Err(HeadError::Newer(format));
        }
        let (json, check) = text.rsplit_once(' ').ok_or(HeadError::Damaged)?;
        let head: Line = serde_json::from_str(json).map_err(|_| HeadError::Damaged)?;
        let checked = line.len() - check.len();
        if check.trim_end() != format!("{:08x}", crc32fast::hash(&line[..checked])) {
            return Err(HeadError::Damaged);
        }
        Ok(Self {
            history: parse_history(&head.history).ok_or(HeadError::Damaged)?,
            at: UnixMs::new(head.at_unix_ms),
            shares: head.shares,
            format: head.store_format,
            bytes: head.store_bytes,
            sha256: unhex(&head.store_sha256).ok_or(HeadError::Damaged)?,
        })
    }
}

fn parse_history(text: &str) -> Option<HistoryId> {
    unhex(text).map(HistoryId::from_bytes)
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * LEN || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            history: HistoryId::from_bytes([1; 16]),
            at: UnixMs::new(1_800_000_000_000),
            shares: 3,
            format: 1,
            bytes: 16_384,
            sha256: [0xab; 32],
        }
    }

    fn read(line: &[u8]) -> Result<Head, HeadError> {
        Head::read(&mut &*line)
    }

    #[test]
    fn the_line_reads_back_and_what_follows_it_is_left() {
        let line = head().to_line();
        let text = String::from_utf8(line.clone()).unwrap();
        assert!(text.starts_with("share-backup-1 {\"atUnixMs\":1800000000000,\"shares\":3,"));
        assert!(text.ends_with('\n'));
        let bytes = [line, b"rest".to_vec()].concat();
        let mut from = &*bytes;
        assert_eq!(Head::read(&mut from).unwrap(), head());
        assert_eq!(from, b"rest");
    }

    #[test]
    fn a_line_with_any_byte_changed_or_cut_is_not_taken() {
        let line = head().to_line();
        for at in 0..line.len() - 1 {
            let mut changed = line.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&line[..at]).is_err(), "cut at {at}");
        }
        assert!(matches!(read(b"SQLite format 3"), Err(HeadError::Foreign)));
        let newer = String::from_utf8(line).unwrap().replacen("-1 ", "-2 ", 1);
        assert!(matches!(read(newer.as_bytes()), Err(HeadError::Newer(2))));
    }
}
