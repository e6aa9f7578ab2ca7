//! What came on a connection, cut into messages that are read where they lie.

use capnp::Word;
use capnp::message::{Reader, ReaderOptions};
use capnp::serialize::{NoAllocSliceSegments, read_message_from_flat_slice_no_alloc};

use crate::error::BenchError;

const WORD_BYTES: usize = 8;
/// A longer message is none that the server sends here.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// The same of a message in more pieces.
const SEGMENTS_MAX: usize = 512;
/// What is read at once.
const READ_BYTES: usize = 64 << 10;

/// What came and is not taken yet. Messages are whole words, so all of them lie as Cap'n Proto wants it.
#[derive(Default)]
pub(super) struct Incoming {
    words: Vec<Word>,
    /// In bytes.
    taken: usize,
    filled: usize,
}

impl Incoming {
    /// Where the next bytes go.
    pub(super) fn room(&mut self) -> &mut [u8] {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        let wanted = self.wanted();
        let bytes = self.words.len() * WORD_BYTES;
        if bytes < self.filled + wanted {
            let waiting = self.taken..self.filled;
            (self.taken, self.filled) = (0, waiting.len());
            Word::words_to_bytes_mut(&mut self.words).copy_within(waiting, 0);
            let words = (self.filled + wanted).div_ceil(WORD_BYTES);
            if words > self.words.len() {
                let more = words - self.words.len();
                self.words.extend(Word::allocate_zeroed_vec(more));
            }
        }
        &mut Word::words_to_bytes_mut(&mut self.words)[self.filled..]
    }

    /// So many bytes were written there.
    pub(super) fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Takes the next message if all of it came.
    ///
    /// # Errors
    ///
    /// If the bytes are no message; nothing more can be read from them.
    pub(super) fn take(&mut self) -> Result<Option<Reader<NoAllocSliceSegments<'_>>>, BenchError> {
        let bytes = &Word::words_to_bytes(&self.words)[self.taken..self.filled];
        let Some(length) = message_bytes(bytes)?.filter(|length| *length <= bytes.len()) else {
            return Ok(None);
        };
        self.taken += length;
        // The server is this program's own, and each message is read once.
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(None);
        let mut message = &bytes[..length];
        let message = read_message_from_flat_slice_no_alloc(&mut message, options)?;
        Ok(Some(message))
    }

    /// Room for what is missing of a message that began to come, and no less than is read at once.
    fn wanted(&self) -> usize {
        let waiting = &Word::words_to_bytes(&self.words)[self.taken..self.filled];
        let message = message_bytes(waiting).ok().flatten().unwrap_or(0);
        message.saturating_sub(waiting.len()).max(READ_BYTES / 2)
    }
}

/// Bytes of the message at the front, its table of segments included, if all of that came.
fn message_bytes(bytes: &[u8]) -> Result<Option<usize>, BenchError> {
    let Some(others) = number(bytes, 0) else {
        return Ok(None);
    };
    let segments = others.saturating_add(1);
    if segments > SEGMENTS_MAX {
        let message =
            format!("a message of {segments} segments, at most {SEGMENTS_MAX} are expected");
        return Err(BenchError::Unexpected(message));
    }
    let table_bytes = (segments / 2 + 1) * WORD_BYTES;
    if bytes.len() < table_bytes {
        return Ok(None);
    }
    let words = (1..=segments).filter_map(|at| number(bytes, at));
    let words = words.fold(0_usize, usize::saturating_add);
    let length = words.saturating_mul(WORD_BYTES).saturating_add(table_bytes);
    if length > MESSAGE_BYTES_MAX {
        let message =
            format!("a message of {length} bytes, at most {MESSAGE_BYTES_MAX} are expected");
        return Err(BenchError::Unexpected(message));
    }
    Ok(Some(length))
}

/// A number of the table.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let number = bytes.get(4 * at..)?.first_chunk::<4>()?;
    Some(usize::try_from(u32::from_le_bytes(*number)).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use capnp::message::{Builder, HeapAllocator};
    use capnp::serialize::write_message_to_words;
    use capnp_rpc::rpc_capnp::message;

    use super::*;

    /// An abort with a reason of so many bytes, whose segments begin with so many words.
    fn abort(reason_bytes: usize, segment_words: u32) -> Vec<u8> {
        let allocator = HeapAllocator::new().first_segment_words(segment_words);
        let mut built = Builder::new(allocator);
        let abort: message::Builder<'_> = built.init_root();
        abort
            .init_abort()
            .set_reason("x".repeat(reason_bytes).as_str());
        write_message_to_words(&built)
    }

    fn put(incoming: &mut Incoming, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = incoming.room();
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            incoming.filled(count);
            bytes = &bytes[count..];
        }
    }

    fn take(incoming: &mut Incoming) -> Option<usize> {
        let taken = incoming.take().unwrap()?;
        let root: message::Reader<'_> = taken.get_root().unwrap();
        match root.which().unwrap() {
            message::Abort(Ok(abort)) => Some(abort.get_reason().unwrap().len()),
            _ => panic!("another message"),
        }
    }

    #[test]
    fn messages_come_out_whole_however_they_were_cut() {
        let sizes: Vec<_> = (0..60).map(|at| 3000 * (at % 7)).collect();
        let of = |(at, bytes): (u32, &usize)| abort(*bytes, [1024, 1, 7][at as usize % 3]);
        let bytes = (0..).zip(&sizes).map(of).collect::<Vec<_>>().concat();
        for piece_bytes in [1, 7, 4096, 70_000, bytes.len()] {
            let mut incoming = Incoming::default();
            let mut seen = Vec::new();
            for piece in bytes.chunks(piece_bytes) {
                put(&mut incoming, piece);
                while let Some(reason_bytes) = take(&mut incoming) {
                    seen.push(reason_bytes);
                }
            }
            assert!(seen == sizes, "in pieces of {piece_bytes} bytes");
        }
    }

    #[test]
    fn a_message_is_not_there_before_its_last_byte() {
        for segment_words in [1024, 1] {
            let bytes = abort(100, segment_words);
            let mut incoming = Incoming::default();
            for byte in &bytes {
                assert_eq!(take(&mut incoming), None);
                put(&mut incoming, &[*byte]);
            }
            assert_eq!(take(&mut incoming), Some(100));
        }
    }

    #[test]
    fn a_table_out_of_bounds_is_an_error_before_there_is_room_for_it() {
        for [others, words] in [[512, 1], [u32::MAX, 1], [0, 8 << 20], [0, u32::MAX]] {
            let mut incoming = Incoming::default();
            put(&mut incoming, &others.to_le_bytes());
            put(&mut incoming, &words.to_le_bytes());
            assert!(
                matches!(incoming.take(), Err(BenchError::Unexpected(_))),
                "{others} {words}"
            );
            assert!(incoming.room().len() <= READ_BYTES);
        }
    }
}
