//! A stream of bytes cut into messages, against Cap'n Proto's own reader of whole messages.

use capnp::message::{ReaderOptions, ReaderSegments};
use capnp::serialize;
use share_network::{Frame, FrameError, FrameLimits, FrameReader};

const SMALL: FrameLimits = FrameLimits {
    message_bytes_max: 1024,
    segments_max: 6,
};
/// Cap'n Proto's own reader takes fewer than 512 segments, and memory for all that is announced.
const LARGE: FrameLimits = FrameLimits {
    message_bytes_max: 1 << 20,
    segments_max: 511,
};

/// Bytes of memory that may be held for each byte that came: a vector that grows is doubled, and a
/// segment takes four bytes of the stream and eight of memory.
const GROWTH: usize = 4;
const MEMORY_BYTES_MIN: usize = 64;

/// Feeds the bytes behind the first two in pieces, whose lengths follow from those two, as do the
/// limits. What comes out is what Cap'n Proto reads from the whole, and what is refused is over a limit.
/// Memory never runs ahead of what came.
///
/// # Panics
///
/// If that does not hold.
pub fn frame(data: &[u8]) {
    let [first, second, stream @ ..] = data else {
        return;
    };
    let limits = match first % 2 {
        0 => SMALL,
        _ => LARGE,
    };
    let pieces = Pieces(u32::from_le_bytes([*first, *second, 1, 0]));
    let mut reader = FrameReader::new(limits);
    let mut frames = Vec::new();
    let fed = feed(&mut reader, stream, pieces, &mut frames);
    let mut rest = stream;
    for frame in &frames {
        let read = read(&mut rest).expect("a message that came out is one for capnp");
        compare(frame, &read);
    }
    match (fed, announced(rest, &limits)) {
        (Ok(()), Announced::Within) => {
            assert!(
                read(&mut &*rest).is_none(),
                "a whole message did not come out"
            );
        }
        (Err(FrameError::TooLarge { max, .. }), Announced::TooLarge) => {
            assert_eq!(max, limits.message_bytes_max);
        }
        (Err(FrameError::TooManySegments { announced, max }), Announced::TooManySegments(said)) => {
            assert_eq!((announced, max), (said, limits.segments_max));
        }
        (fed, _) => panic!("what is announced is answered by {fed:?}"),
    }
}

fn feed(
    reader: &mut FrameReader,
    mut rest: &[u8],
    mut pieces: Pieces,
    frames: &mut Vec<Frame>,
) -> Result<(), FrameError> {
    while !rest.is_empty() {
        let piece = &rest[..pieces.next().min(rest.len())];
        let before = reader.received();
        let taken = match reader.feed(piece) {
            Ok(taken) => taken,
            Err(error) => {
                assert_eq!(reader.feed(piece), Err(error), "an error was forgotten");
                assert!(reader.take().is_none(), "a message came out of an error");
                return Err(error);
            }
        };
        assert!(taken <= piece.len());
        assert_eq!(reader.received(), before + taken);
        let memory = reader.received() * GROWTH + MEMORY_BYTES_MIN;
        assert!(
            reader.capacity() <= memory,
            "{} bytes are held",
            reader.capacity()
        );
        let taken_frame = reader.take();
        assert!(
            taken > 0 || taken_frame.is_some(),
            "nothing was taken, and nothing came out"
        );
        rest = &rest[taken..];
        frames.extend(taken_frame);
    }
    // A message without a word is whole with its header.
    frames.extend(reader.take());
    Ok(())
}

fn read(rest: &mut &[u8]) -> Option<capnp::message::Reader<serialize::OwnedSegments>> {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(None);
    serialize::read_message(rest, options).ok()
}

fn compare(frame: &Frame, read: &capnp::message::Reader<serialize::OwnedSegments>) {
    let segments = read.get_segments();
    assert_eq!(frame.len(), segments.len());
    let ids = 0..u32::try_from(segments.len() + 1).expect("segments are few");
    let mut words = 0;
    for id in ids {
        assert_eq!(frame.get_segment(id), segments.get_segment(id));
        words += frame.get_segment(id).map_or(0, <[u8]>::len) / 8;
    }
    assert_eq!(frame.words(), words);
    assert_eq!(frame.bytes(), 8 * (1 + segments.len() / 2 + words));
}

/// What the header at the start of a stream says, as far as it has come in whole words.
enum Announced {
    Within,
    TooLarge,
    TooManySegments(u64),
}

fn announced(stream: &[u8], limits: &FrameLimits) -> Announced {
    let whole = &stream[..stream.len() / 8 * 8];
    let mut numbers = whole.chunks_exact(4).map(|number| {
        u64::from(u32::from_le_bytes([
            number[0], number[1], number[2], number[3],
        ]))
    });
    let Some(others) = numbers.next() else {
        return Announced::Within;
    };
    let segments = others + 1;
    if segments > limits.segments_max as u64 {
        return Announced::TooManySegments(segments);
    }
    let known = usize::try_from(segments).expect("segments are few");
    let words: u64 = numbers.take(known).sum();
    let header = 1 + segments / 2;
    match 8 * (header + words) > limits.message_bytes_max as u64 {
        true => Announced::TooLarge,
        false => Announced::Within,
    }
}

/// Lengths of pieces, from 1 on: mostly short, some long.
struct Pieces(u32);

impl Pieces {
    fn next(&mut self) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let length = match self.0 >> 29 {
            0 => (self.0 >> 8) % 4096,
            1..=3 => (self.0 >> 8) % 64,
            _ => (self.0 >> 8) % 9,
        };
        1 + length as usize
    }
}
