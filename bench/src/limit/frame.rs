//! Frames: how appends, acks and records lie on a connection to the limit server, and in its log.
//!
//! A frame is its length after these four bytes, its kind, a number and a payload, little-endian. A
//! record is an append as it came: nothing is encoded again for the log or for subscribers.

use std::io::{self, Read};

/// What stands before a payload.
pub(crate) const HEADER_BYTES: usize = 4 + 1 + 8;
/// A longer frame ends its connection.
const FRAME_BYTES_MAX: usize = 8 << 20;
/// What is read at once.
const READ_BYTES: usize = 128 << 10;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Ops to be made durable; the number is the last one's.
    Append,
    /// Everything up to the number is durable.
    Ack,
    /// From now on, send every append that is made durable.
    Subscribe,
}

impl Kind {
    fn read(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Append),
            2 => Some(Self::Ack),
            3 => Some(Self::Subscribe),
            _ => None,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Append => 1,
            Self::Ack => 2,
            Self::Subscribe => 3,
        }
    }
}

/// Why bytes are no frame.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// It would be longer than frames may be, or shorter than a header.
    #[error("a frame of {bytes} bytes, between {} and {FRAME_BYTES_MAX} are allowed", HEADER_BYTES - 4)]
    Length { bytes: usize },
    /// Nobody sends such a frame.
    #[error("a frame of unknown kind {kind}")]
    Kind { kind: u8 },
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// A frame in a buffer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    /// All of it, from its length on.
    pub(crate) bytes: &'a [u8],
}

/// The frame of an ack or a subscription.
pub(crate) fn bare(kind: Kind, number: u64) -> [u8; HEADER_BYTES] {
    let mut frame = [0; HEADER_BYTES];
    let after_length = u32::try_from(HEADER_BYTES - 4).expect("a header is a few bytes");
    frame[..4].copy_from_slice(&after_length.to_le_bytes());
    frame[4] = kind.byte();
    frame[5..].copy_from_slice(&number.to_le_bytes());
    frame
}

/// An append of `payload`, whose number is still to be written.
///
/// # Panics
///
/// If the payload is longer than a frame may be.
pub(crate) fn append(payload: &[u8]) -> Vec<u8> {
    let after_length = HEADER_BYTES - 4 + payload.len();
    assert!(
        after_length <= FRAME_BYTES_MAX,
        "a payload of {after_length} bytes is too long"
    );
    let mut frame = bare(Kind::Append, 0).to_vec();
    let length = u32::try_from(after_length).expect("it was compared with the most");
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Gives an append another number.
pub(crate) fn renumber(append: &mut [u8], number: u64) {
    append[5..HEADER_BYTES].copy_from_slice(&number.to_le_bytes());
}

/// What came on a connection and is not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    buffer: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl Inbox {
    /// Where the next bytes go.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        if self.taken == self.filled {
            (self.taken, self.filled) = (0, 0);
        }
        let wanted = self.wanted();
        if self.buffer.len() < self.filled + wanted {
            self.buffer.copy_within(self.taken..self.filled, 0);
            (self.taken, self.filled) = (0, self.filled - self.taken);
            let bytes = self.buffer.len().max(self.filled + wanted);
            self.buffer.resize(bytes, 0);
        }
        &mut self.buffer[self.filled..]
    }

    /// So many bytes were written there.
    pub(crate) fn filled(&mut self, bytes: usize) {
        self.filled += bytes;
    }

    /// Reads what there is, once. 0: the peer sends nothing more.
    ///
    /// # Errors
    ///
    /// As the stream fails.
    pub(crate) fn read(&mut self, stream: &mut impl Read) -> io::Result<usize> {
        let bytes = stream.read(self.room())?;
        self.filled(bytes);
        Ok(bytes)
    }

    /// Takes the next frame if all of it came.
    ///
    /// # Errors
    ///
    /// If the bytes are no frame; nothing more can be read from them.
    pub(crate) fn take(&mut self) -> Result<Option<Frame<'_>>, FrameError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let end = self.taken + 4 + length;
        if self.filled < end {
            return Ok(None);
        }
        let bytes = &self.buffer[self.taken..end];
        self.taken = end;
        let kind = Kind::read(bytes[4]).ok_or(FrameError::Kind { kind: bytes[4] })?;
        let number: [u8; 8] = bytes[5..HEADER_BYTES]
            .try_into()
            .expect("it is eight bytes long");
        let number = u64::from_le_bytes(number);
        Ok(Some(Frame {
            kind,
            number,
            bytes,
        }))
    }

    /// That of the frame at the front, if so much came.
    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(bytes) = self.buffer[self.taken..self.filled].first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*bytes);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if !(HEADER_BYTES - 4..=FRAME_BYTES_MAX).contains(&bytes) {
            return Err(FrameError::Length { bytes });
        }
        Ok(Some(bytes))
    }

    /// Room for what is missing of a frame that began to come, and no less than is read at once.
    fn wanted(&self) -> usize {
        let frame = self.length().ok().flatten().map_or(0, |length| length + 4);
        let missing = frame.saturating_sub(self.filled - self.taken);
        missing.max(READ_BYTES / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered(payload: &[u8], number: u64) -> Vec<u8> {
        let mut frame = append(payload);
        renumber(&mut frame, number);
        frame
    }

    #[test]
    fn a_frame_has_its_length_kind_number_and_payload() {
        let expected = [11, 0, 0, 0, 1, 7, 0, 0, 0, 0, 0, 0, 0, b'h', b'i'];
        assert_eq!(numbered(b"hi", 7), expected);
        assert_eq!(
            bare(Kind::Ack, 258),
            [9, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn frames_come_out_whole_however_they_were_cut() {
        let frames: Vec<_> = (1..=40_u32)
            .map(|number| numbered(&vec![0x61; 9000 * (number as usize % 3)], number.into()))
            .collect();
        let bytes = frames.concat();
        for piece_bytes in [1, 7, 4096, bytes.len()] {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for mut piece in bytes.chunks(piece_bytes) {
                while !piece.is_empty() {
                    inbox.read(&mut piece).unwrap();
                    while let Some(frame) = inbox.take().unwrap() {
                        assert_eq!(
                            (frame.kind, frame.number),
                            (Kind::Append, seen.len() as u64 + 1)
                        );
                        seen.push(frame.bytes.to_vec());
                    }
                }
            }
            assert!(seen == frames, "in pieces of {piece_bytes} bytes");
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_an_error_before_there_is_room_for_it() {
        for (length, bytes) in [(8_u32, 8), (u32::MAX, u32::MAX as usize)] {
            let mut inbox = Inbox::default();
            inbox.read(&mut length.to_le_bytes().as_slice()).unwrap();
            assert_eq!(inbox.take(), Err(FrameError::Length { bytes }));
            assert!(inbox.room().len() <= READ_BYTES);
        }
    }

    #[test]
    fn an_unknown_kind_is_an_error() {
        let mut frame = bare(Kind::Ack, 1);
        frame[4] = 9;
        let mut inbox = Inbox::default();
        inbox.read(&mut frame.as_slice()).unwrap();
        assert_eq!(inbox.take(), Err(FrameError::Kind { kind: 9 }));
    }
}
