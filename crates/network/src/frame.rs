//! Cutting a stream of bytes into messages.
//!
//! The framing is Cap'n Proto's own for streams: the number of segments less one, the words of each
//! segment, both as `u32` and little-endian, filled up to a whole word; then the segments. The reader
//! does no I/O. Memory follows the bytes that came, never what a header announces.

use capnp::Word;
use capnp::message::ReaderSegments;

/// Bytes of a word, in which Cap'n Proto counts.
pub(crate) const WORD_BYTES: usize = 8;

/// What a message may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameLimits {
    /// Bytes of a whole message, its header included.
    pub message_bytes_max: usize,
    /// Segments of a message.
    pub segments_max: usize,
}

/// Why the bytes are no message that may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The message is too large.
    #[error("a message of {announced} bytes or more was announced, at most {max} may be sent")]
    TooLarge {
        /// Bytes of the message, as far as its header was read.
        announced: u64,
        /// How many there may be.
        max: usize,
    },
    /// The message has too many segments.
    #[error("a message of {announced} segments was announced, at most {max} may be sent")]
    TooManySegments {
        /// Segments that the header announces.
        announced: u64,
        /// How many there may be.
        max: usize,
    },
}

/// Cuts a stream of bytes into messages.
///
/// It is fed what arrives, and takes of it up to the next place to stop: the end of a message's
/// header, when [`FrameReader::announced`] is known, and the end of the message, which has to be
/// taken before the next one is begun. After an error there is no way on.
#[derive(Debug)]
pub struct FrameReader {
    limits: FrameLimits,
    /// A word of the header that has come in part.
    word: [u8; WORD_BYTES],
    word_filled: usize,
    header: Option<Header>,
    body: Option<Body>,
    failed: Option<FrameError>,
}

impl FrameReader {
    /// A reader at the start of a stream.
    pub fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            word: [0; WORD_BYTES],
            word_filled: 0,
            header: None,
            body: None,
            failed: None,
        }
    }

    /// Takes bytes from the front of `bytes` and says how many: to the next place to stop, or all. None
    /// are taken while a whole message waits.
    ///
    /// # Errors
    ///
    /// If the message may not be read; the same at each further call.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if let Some(body) = &mut self.body {
            return Ok(body.fill(bytes));
        }
        let fed = self.feed_header(bytes);
        self.failed = fed.err();
        fed
    }

    /// The message, if all of it has come.
    pub fn take(&mut self) -> Option<Frame> {
        self.body.take_if(|body| body.is_whole()).map(Body::frame)
    }

    /// Bytes of the message whose header has been read, and which has not been taken.
    pub fn announced(&self) -> Option<usize> {
        let body = self.body.as_ref()?;
        Some(body.header.bytes() + body.bytes)
    }

    /// Bytes that were taken of the message that has not been taken.
    pub fn received(&self) -> usize {
        let table = self.header.as_ref().map_or(0, Header::bytes_read);
        let body = self.body.as_ref();
        let body = body.map_or(0, |body| body.header.bytes() + body.filled);
        self.word_filled + table + body
    }

    /// Bytes of memory that are held for the message.
    pub fn capacity(&self) -> usize {
        let header = self.header.as_ref();
        let header = header.or(self.body.as_ref().map(|body| &body.header));
        let segments = header.map_or(0, |header| header.ends.capacity());
        let words = self.body.as_ref().map_or(0, |body| body.words.capacity());
        segments * size_of::<usize>() + words * WORD_BYTES
    }

    fn feed_header(&mut self, bytes: &[u8]) -> Result<usize, FrameError> {
        let mut taken = 0;
        while self.body.is_none() {
            let rest = &bytes[taken..];
            let more = rest.len().min(WORD_BYTES - self.word_filled);
            self.word[self.word_filled..][..more].copy_from_slice(&rest[..more]);
            self.word_filled += more;
            taken += more;
            if self.word_filled < WORD_BYTES {
                break;
            }
            self.word_filled = 0;
            self.read_word()?;
        }
        Ok(taken)
    }

    /// A word of the header is whole.
    fn read_word(&mut self) -> Result<(), FrameError> {
        let [a, b, c, d, e, f, g, h] = self.word;
        let halves = [[a, b, c, d], [e, f, g, h]].map(u32::from_le_bytes);
        let header = match self.header.take() {
            None => Header::begin(halves, &self.limits)?,
            Some(mut header) => {
                header.push(halves[0], &self.limits)?;
                if !header.is_whole() {
                    header.push(halves[1], &self.limits)?;
                }
                header
            }
        };
        if header.is_whole() {
            self.body = Some(Body::of(header));
        } else {
            self.header = Some(header);
        }
        Ok(())
    }
}

/// A whole message: its segments, aligned as Cap'n Proto wants them.
#[derive(Debug)]
pub struct Frame {
    words: Vec<Word>,
    ends: Ends,
    bytes: usize,
}

impl Frame {
    /// Bytes of the message as it came, its header included.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Words of its segments together.
    pub fn words(&self) -> usize {
        self.words.len()
    }
}

impl ReaderSegments for Frame {
    fn get_segment(&self, id: u32) -> Option<&[u8]> {
        let id = usize::try_from(id).ok()?;
        let end = self.ends.get(id)?;
        let start = match id.checked_sub(1) {
            Some(before) => self.ends.get(before)?,
            None => 0,
        };
        Some(Word::words_to_bytes(self.words.get(start..end)?))
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Where each segment ends, in words from the start of the first. Most messages have one segment:
/// then nothing is allocated.
#[derive(Debug)]
struct Ends {
    first: usize,
    rest: Vec<usize>,
}

impl Ends {
    fn get(&self, id: usize) -> Option<usize> {
        match id.checked_sub(1) {
            None => Some(self.first),
            Some(at) => self.rest.get(at).copied(),
        }
    }

    fn last(&self) -> usize {
        self.rest.last().copied().unwrap_or(self.first)
    }

    fn len(&self) -> usize {
        1 + self.rest.len()
    }

    fn capacity(&self) -> usize {
        self.rest.capacity()
    }
}

/// The segment table of a message, as far as it has come.
#[derive(Debug)]
struct Header {
    segments: usize,
    ends: Ends,
}

impl Header {
    /// From the first word: the number of segments less one, and the words of the first.
    fn begin([others, first]: [u32; 2], limits: &FrameLimits) -> Result<Self, FrameError> {
        let announced = u64::from(others) + 1;
        let segments = usize::try_from(announced)
            .ok()
            .filter(|segments| *segments <= limits.segments_max)
            .ok_or(FrameError::TooManySegments {
                announced,
                max: limits.segments_max,
            })?;
        let ends = Ends {
            first: 0,
            rest: Vec::new(),
        };
        let mut header = Self { segments, ends };
        header.ends.first = header.end_after(first, limits)?;
        Ok(header)
    }

    /// One more segment.
    fn push(&mut self, words: u32, limits: &FrameLimits) -> Result<(), FrameError> {
        let end = self.end_after(words, limits)?;
        self.ends.rest.push(end);
        Ok(())
    }

    /// Where a segment of `words` ends behind those that are known.
    fn end_after(&self, words: u32, limits: &FrameLimits) -> Result<usize, FrameError> {
        let end = self.ends.last() as u64 + u64::from(words);
        let announced = self.bytes() as u64 + end * WORD_BYTES as u64;
        let max = limits.message_bytes_max;
        let too_large = FrameError::TooLarge { announced, max };
        if announced > max as u64 {
            return Err(too_large);
        }
        usize::try_from(end).map_err(|_| too_large)
    }

    fn is_whole(&self) -> bool {
        self.ends.len() == self.segments
    }

    /// Bytes of the header when it is whole.
    fn bytes(&self) -> usize {
        WORD_BYTES * (1 + self.segments / 2)
    }

    /// Bytes of the header that were read.
    fn bytes_read(&self) -> usize {
        WORD_BYTES * (1 + self.ends.len() / 2)
    }
}

/// The segments of a message, as far as they have come.
#[derive(Debug)]
struct Body {
    header: Header,
    words: Vec<Word>,
    /// Bytes that have come.
    filled: usize,
    /// Bytes that will be.
    bytes: usize,
}

impl Body {
    fn of(header: Header) -> Self {
        Self {
            bytes: header.ends.last() * WORD_BYTES,
            header,
            words: Vec::new(),
            filled: 0,
        }
    }

    fn is_whole(&self) -> bool {
        self.filled == self.bytes
    }

    fn fill(&mut self, bytes: &[u8]) -> usize {
        let more = bytes.len().min(self.bytes - self.filled);
        let filled = self.filled + more;
        self.make_room(filled.div_ceil(WORD_BYTES));
        let into = Word::words_to_bytes_mut(&mut self.words);
        into[self.filled..filled].copy_from_slice(&bytes[..more]);
        self.filled = filled;
        more
    }

    /// Room for so many words; more is taken only as far as has come already, so that a large message
    /// is not moved at each piece.
    fn make_room(&mut self, words: usize) {
        if words > self.words.capacity() {
            let doubled = (2 * self.words.capacity()).min(self.bytes / WORD_BYTES);
            let wanted = words.max(doubled);
            self.words.reserve_exact(wanted - self.words.len());
        }
        self.words
            .resize(words, capnp::word(0, 0, 0, 0, 0, 0, 0, 0));
    }

    fn frame(self) -> Frame {
        Frame {
            bytes: self.header.bytes() + self.bytes,
            words: self.words,
            ends: self.header.ends,
        }
    }
}

#[cfg(test)]
mod tests;
