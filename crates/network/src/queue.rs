//! What waits to be written.
//!
//! Messages are copied one behind the other as they are sent, so that many leave with one write; a
//! large segment is written from where it lies.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::rc::Rc;
use std::task::Waker;

use capnp::OutputSegments;
use capnp::message::{Builder, HeapAllocator};

use crate::frame::WORD_BYTES;

/// A message that is sent.
pub(crate) type Sent = Rc<Builder<HeapAllocator>>;

/// Bytes that are copied together; a write takes about as many.
const TOGETHER_BYTES: usize = 64 << 10;
/// With so many bytes a write costs more than its call: nothing is gained by waiting for more.
const WORTH_BYTES: usize = 16 << 10;
/// From so many bytes on, a segment is not copied.
const LARGE_BYTES: usize = 16 << 10;
/// What an emptied piece may keep for the next.
const SPARE_BYTES: usize = 8 << 10;
/// Pieces of one write.
const SLICES_MAX: usize = 16;

/// What waits to be written, in order.
#[derive(Default)]
pub(crate) struct Queue {
    pieces: VecDeque<Piece>,
    /// Bytes of the first piece that are written.
    written: usize,
    /// Bytes that are not written.
    bytes: usize,
    /// Bytes that were ever sent.
    sent: u64,
    spare: Vec<u8>,
    waiting: Vec<Waker>,
}

enum Piece {
    Copied(Vec<u8>),
    Segment(Sent, usize),
}

impl Queue {
    /// Bytes that are not written.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that were ever sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }

    /// Bytes that were ever written.
    pub(crate) fn written(&self) -> u64 {
        self.sent - self.bytes as u64
    }

    /// Whether there is enough for a write, so that more is not waited for.
    pub(crate) fn is_full(&self) -> bool {
        self.bytes >= WORTH_BYTES
    }

    /// Has the task woken when more is written.
    pub(crate) fn listen(&mut self, waker: &Waker) {
        self.waiting.push(waker.clone());
    }

    /// Who is to be woken now that more is written, or nothing is any more.
    pub(crate) fn take_waiting(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.waiting)
    }

    /// Puts a message of so many bytes behind what is there.
    pub(crate) fn push(&mut self, message: &Sent, bytes: usize) {
        let segments = message.get_segments_for_output();
        let copied = self.copied();
        write_header(&segments, copied);
        for (at, segment) in segments.iter().enumerate() {
            if segment.is_empty() {
                continue;
            }
            if segment.len() < LARGE_BYTES {
                self.copied().extend_from_slice(segment);
            } else {
                self.pieces
                    .push_back(Piece::Segment(Rc::clone(message), at));
            }
        }
        self.bytes += bytes;
        self.sent += bytes as u64;
    }

    /// Calls `write` with what is first, and takes away what it says that was written.
    pub(crate) fn write_with<T>(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> T,
        written: impl FnOnce(&T) -> usize,
    ) -> T {
        let result = match self.pieces.front() {
            // Most often all there is; nothing need be gathered then.
            Some(Piece::Copied(bytes)) if self.pieces.len() == 1 => {
                write(&[IoSlice::new(&bytes[self.written..])])
            }
            _ => {
                let held: Vec<Held<'_>> =
                    self.pieces.iter().take(SLICES_MAX).map(Held::of).collect();
                let mut slices: Vec<_> =
                    held.iter().map(|held| IoSlice::new(held.bytes())).collect();
                if let (Some(first), Some(held)) = (slices.first_mut(), held.first()) {
                    *first = IoSlice::new(&held.bytes()[self.written..]);
                }
                write(&slices)
            }
        };
        self.advance(written(&result));
        result
    }

    /// Gives up what waits.
    pub(crate) fn clear(&mut self) {
        self.pieces.clear();
        (self.written, self.bytes) = (0, 0);
    }

    /// A piece that bytes can be copied to.
    fn copied(&mut self) -> &mut Vec<u8> {
        let has_room = matches!(
            self.pieces.back(),
            Some(Piece::Copied(bytes)) if bytes.len() < TOGETHER_BYTES
        );
        if !has_room {
            let spare = std::mem::take(&mut self.spare);
            self.pieces.push_back(Piece::Copied(spare));
        }
        match self.pieces.back_mut() {
            Some(Piece::Copied(bytes)) => bytes,
            _ => unreachable!("it was put there"),
        }
    }

    fn advance(&mut self, written: usize) {
        self.bytes -= written;
        self.written += written;
        while let Some(first) = self.pieces.front() {
            let bytes = Held::of(first).bytes().len();
            if self.written < bytes {
                break;
            }
            self.written -= bytes;
            if let Some(Piece::Copied(mut bytes)) = self.pieces.pop_front()
                && bytes.capacity() <= SPARE_BYTES
            {
                bytes.clear();
                self.spare = bytes;
            }
        }
    }
}

/// Bytes that a message takes on the wire.
pub(crate) fn size_of(message: &Builder<HeapAllocator>) -> usize {
    let segments = message.get_segments_for_output();
    let body: usize = segments.iter().map(|segment| segment.len()).sum();
    WORD_BYTES * (1 + segments.len() / 2) + body
}

fn write_header(segments: &[&[u8]], into: &mut Vec<u8>) {
    let word = |number: usize| {
        let number = u32::try_from(number).expect("the builder counts in as many bits");
        number.to_le_bytes()
    };
    into.extend(word(segments.len() - 1));
    for segment in segments {
        into.extend(word(segment.len() / WORD_BYTES));
    }
    if segments.len().is_multiple_of(2) {
        into.extend([0; 4]);
    }
}

/// The bytes of a piece, held while they are written.
enum Held<'a> {
    Copied(&'a [u8]),
    Segment(OutputSegments<'a>, usize),
}

impl<'a> Held<'a> {
    fn of(piece: &'a Piece) -> Self {
        match piece {
            Piece::Copied(bytes) => Self::Copied(bytes),
            Piece::Segment(message, at) => Self::Segment(message.get_segments_for_output(), *at),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Copied(bytes) => bytes,
            Self::Segment(segments, at) => segments[*at],
        }
    }
}
