//! A checkpoint's head and document as one stream of bytes, made and read piece by piece.
//!
//! Persisted, for ever: head length (u64le), head, number of entries (u64le), then for each entry key
//! length (u32le), JSON length (u64le), what the value counts against the limits (u64le), key, JSON.

use std::io::{self, ErrorKind, Read};

use share_model::Document;

/// Room that is made for a key or a value before its bytes are there: more than most have.
const TAKEN_AT_ONCE: usize = 16 << 10;

/// Makes the stream.
#[derive(Debug)]
pub(super) struct Encoder {
    document: Document,
    /// The key of the last entry that was encoded; no key is empty.
    last_key: String,
    /// What was encoded and not yet given out: less than one piece and one entry.
    pending: Vec<u8>,
}

impl Encoder {
    pub(super) fn new(head: &[u8], document: Document) -> Self {
        let mut pending = Vec::with_capacity(head.len() + 16);
        pending.extend_from_slice(&(head.len() as u64).to_le_bytes());
        pending.extend_from_slice(head);
        pending.extend_from_slice(&(document.len() as u64).to_le_bytes());
        Self {
            document,
            last_key: String::new(),
            pending,
        }
    }

    /// The next piece, of `bytes` bytes if it is not the last; `None` after the last.
    pub(super) fn next_piece(&mut self, bytes: usize) -> Option<Vec<u8>> {
        let mut last = None;
        for (key, value) in self.document.iter_after(&self.last_key) {
            if self.pending.len() >= bytes {
                break;
            }
            // Keys are bounded by the limits, far below 4 GiB.
            let key_len = u32::try_from(key.len()).unwrap_or(u32::MAX);
            let json = value.json();
            self.pending.extend_from_slice(&key_len.to_le_bytes());
            self.pending
                .extend_from_slice(&(json.len() as u64).to_le_bytes());
            self.pending.extend_from_slice(&value.bytes().to_le_bytes());
            self.pending.extend_from_slice(key.as_bytes());
            self.pending.extend_from_slice(json.as_bytes());
            last = Some(key);
        }
        if let Some(last) = last {
            self.last_key = last.to_owned();
        }
        if self.pending.is_empty() {
            return None;
        }
        let rest = self.pending.split_off(bytes.min(self.pending.len()));
        Some(std::mem::replace(&mut self.pending, rest))
    }
}

/// Reads the stream: head and document.
///
/// # Errors
///
/// As reading fails; [`ErrorKind::InvalidData`] or [`ErrorKind::UnexpectedEof`] if it is not what
/// [`Encoder`] made.
pub(super) fn decode(stream: &mut dyn Read) -> io::Result<(Vec<u8>, Document)> {
    let head = decode_head(stream)?;
    let mut document = Document::default();
    for _ in 0..u64_le(stream)? {
        let mut key_len = [0; 4];
        stream.read_exact(&mut key_len)?;
        let (json_len, counted) = (u64_le(stream)?, u64_le(stream)?);
        let key = text(take(stream, u64::from(u32::from_le_bytes(key_len)))?)?;
        let json = text(take(stream, json_len)?)?;
        document
            .load(&key, &json, counted)
            .map_err(|_| io::Error::new(ErrorKind::InvalidData, "a value is not JSON"))?;
    }
    if stream.read(&mut [0])? != 0 {
        return Err(io::Error::new(ErrorKind::InvalidData, "it is too long"));
    }
    Ok((head, document))
}

/// Reads the stream's head only.
///
/// # Errors
///
/// As [`decode`], but nothing behind the head is looked at.
pub(super) fn decode_head(stream: &mut dyn Read) -> io::Result<Vec<u8>> {
    let head_len = u64_le(stream)?;
    take(stream, head_len)
}

fn u64_le(stream: &mut dyn Read) -> io::Result<u64> {
    let mut bytes = [0; 8];
    stream.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

/// Grows with what is there, not with what the length claims.
fn take(stream: &mut dyn Read, len: u64) -> io::Result<Vec<u8>> {
    let at_once = usize::try_from(len).unwrap_or(usize::MAX);
    let mut bytes = Vec::with_capacity(at_once.min(TAKEN_AT_ONCE));
    if stream.take(len).read_to_end(&mut bytes)? as u64 != len {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(ErrorKind::InvalidData, "a text is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use share_model::{Limits, Mutation};

    use super::*;

    fn document() -> Document {
        let mut document = Document::default();
        for (key, json) in [("a", "1"), ("b", r#"{"x":[1,2.50,"é"]}"#), ("c", "null")] {
            let (key, json) = (key.to_owned(), json.to_owned());
            document
                .apply(
                    &Mutation::Put {
                        key: key.into(),
                        json: json.into(),
                    },
                    &Limits::DEFAULT,
                )
                .unwrap();
        }
        document
    }

    #[test]
    fn a_stream_in_pieces_of_any_size_gives_head_and_document_again() {
        for bytes in [1, 7, 64, 4096] {
            let mut encoder = Encoder::new(b"head", document());
            let pieces: Vec<_> = std::iter::from_fn(|| encoder.next_piece(bytes)).collect();
            assert!(pieces[..pieces.len() - 1].iter().all(|p| p.len() == bytes));
            let stream = pieces.concat();
            let (head, read) = decode(&mut stream.as_slice()).unwrap();
            assert_eq!(head, b"head");
            assert_eq!(read, document());
            assert_eq!(read.bytes(), document().bytes());
        }
    }

    #[test]
    fn a_stream_that_is_too_short_or_too_long_is_refused() {
        let mut stream = Encoder::new(b"", document()).next_piece(4096).unwrap();
        for len in 0..stream.len() {
            assert!(decode(&mut &stream[..len]).is_err(), "cut at {len}");
        }
        stream.push(0);
        assert!(decode(&mut stream.as_slice()).is_err());
    }
}
