//! Frames: how appends and acks lie on a connection to the limit server.
//!
//! A frame is its length after these four bytes, its kind, and what belongs to it, little-endian. An
//! append has its ops one behind the other: a payload's length, the op's id, the payload.

use std::io;

use super::inbox::PIECE_BYTES_MAX;

/// What stands before what belongs to a frame.
const HEADER_BYTES: usize = 4 + 1;
/// Bytes of an op's id.
pub(crate) const ID_BYTES: usize = 16;

const APPEND: u8 = 1;
const ACK: u8 = 2;
const SUBSCRIBE: u8 = 3;

/// What comes on a connection, besides the records that a subscriber gets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// Ops to be made durable.
    Append(Ops<'a>),
    /// The ops with these numbers are durable, which is all that were sent and not acked before: or the
    /// subscription has begun.
    Ack { first: u64, last: u64 },
    /// From now on, send the record of every op that is made durable, and no more frames.
    Subscribe,
}

/// Why bytes are no frame, or no record.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// It would be longer than they may be.
    #[error("a frame of {bytes} bytes, at most {PIECE_BYTES_MAX} are allowed")]
    Length { bytes: usize },
    /// It ends before what belongs to it does.
    #[error("a frame or an op that ends after {bytes} bytes")]
    Cut { bytes: usize },
    /// Nobody sends such a frame.
    #[error("a frame of unknown kind {kind}")]
    Kind { kind: u8 },
    /// There is nothing to be made durable.
    #[error("an append without ops")]
    NoOps,
}

impl From<FrameError> for io::Error {
    fn from(error: FrameError) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

impl<'a> Frame<'a> {
    /// Reads a frame, from its length on.
    pub(crate) fn read(piece: &'a [u8]) -> Result<Self, FrameError> {
        let cut = || FrameError::Cut { bytes: piece.len() };
        let (header, rest) = piece.split_first_chunk::<HEADER_BYTES>().ok_or_else(cut)?;
        match header[4] {
            APPEND if rest.is_empty() => Err(FrameError::NoOps),
            APPEND => Ok(Self::Append(Ops(rest))),
            ACK => {
                let (first, rest) = rest.split_first_chunk().ok_or_else(cut)?;
                let last = rest.first_chunk().ok_or_else(cut)?;
                let [first, last] = [first, last].map(|bytes| u64::from_le_bytes(*bytes));
                Ok(Self::Ack { first, last })
            }
            SUBSCRIBE => Ok(Self::Subscribe),
            kind => Err(FrameError::Kind { kind }),
        }
    }
}

/// The ops of an append, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ops<'a>(&'a [u8]);

/// An op as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Op<'a> {
    pub(crate) id: &'a [u8; ID_BYTES],
    pub(crate) payload: &'a [u8],
}

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let bytes = std::mem::take(&mut self.0);
        let split = || {
            let (length, rest) = bytes.split_first_chunk()?;
            let (id, rest) = rest.split_first_chunk()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            let (payload, rest) = rest.split_at_checked(length)?;
            Some((Op { id, payload }, rest))
        };
        let cut = FrameError::Cut { bytes: bytes.len() };
        Some(split().ok_or(cut).map(|(op, rest)| {
            self.0 = rest;
            op
        }))
    }
}

/// An append that is filled with other ops each time.
#[derive(Debug)]
pub(crate) struct Append(Vec<u8>);

impl Append {
    /// One without ops.
    pub(crate) fn new() -> Self {
        Self(vec![0, 0, 0, 0, APPEND])
    }

    /// Takes all ops out.
    pub(crate) fn clear(&mut self) {
        self.0.truncate(HEADER_BYTES);
    }

    /// Adds an op.
    ///
    /// # Panics
    ///
    /// If the append is then longer than frames may be.
    pub(crate) fn push(&mut self, id: &[u8; ID_BYTES], payload: &[u8]) {
        let bytes = self.0.len() + 4 + ID_BYTES + payload.len();
        assert!(
            bytes <= PIECE_BYTES_MAX,
            "an append of {bytes} bytes is too long"
        );
        let length = u32::try_from(payload.len()).expect("it was compared with the most");
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(id);
        self.0.extend_from_slice(payload);
    }

    /// The frame.
    pub(crate) fn bytes(&mut self) -> &[u8] {
        let length = u32::try_from(self.0.len() - 4).expect("each op was compared with the most");
        self.0[..4].copy_from_slice(&length.to_le_bytes());
        &self.0
    }
}

/// The frame of an ack.
pub(crate) fn ack(first: u64, last: u64) -> [u8; HEADER_BYTES + 16] {
    let mut frame = [0; HEADER_BYTES + 16];
    frame[0] = 1 + 16;
    frame[4] = ACK;
    frame[HEADER_BYTES..HEADER_BYTES + 8].copy_from_slice(&first.to_le_bytes());
    frame[HEADER_BYTES + 8..].copy_from_slice(&last.to_le_bytes());
    frame
}

/// The frame of a subscription.
pub(crate) fn subscribe() -> [u8; HEADER_BYTES] {
    [1, 0, 0, 0, SUBSCRIBE]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_append_has_of_each_op_its_length_id_and_payload() {
        let mut append = Append::new();
        append.push(&[9; 16], b"old");
        append.clear();
        append.push(&[7; 16], b"hi");
        append.push(&[8; 16], b"");
        let expected = [
            &[43, 0, 0, 0, 1, 2, 0, 0, 0][..],
            &[7; 16],
            b"hi",
            &[0; 4],
            &[8; 16],
        ];
        assert_eq!(append.bytes(), expected.concat());
        let Ok(Frame::Append(ops)) = Frame::read(append.bytes()) else {
            panic!("no append");
        };
        let ops: Vec<_> = ops.map(Result::unwrap).collect();
        let (id, payload) = (&[7; 16], &b"hi"[..]);
        let empty = Op {
            id: &[8; 16],
            payload: b"",
        };
        assert_eq!(ops, [Op { id, payload }, empty]);
    }

    #[test]
    fn an_ack_has_the_first_and_the_last_number() {
        let expected = [
            17, 0, 0, 0, 2, 2, 1, 0, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(ack(258, 259), expected);
        let frame = Frame::Ack {
            first: 258,
            last: 259,
        };
        assert_eq!(Frame::read(&expected), Ok(frame));
    }

    #[test]
    fn what_is_cut_or_of_no_kind_is_an_error() {
        assert_eq!(Frame::read(&[0; 4]), Err(FrameError::Cut { bytes: 4 }));
        let cut = &ack(1, 1)[..20];
        assert_eq!(Frame::read(cut), Err(FrameError::Cut { bytes: 20 }));
        let unknown = [1, 0, 0, 0, 9];
        assert_eq!(Frame::read(&unknown), Err(FrameError::Kind { kind: 9 }));
        assert_eq!(Frame::read(&[1, 0, 0, 0, 1]), Err(FrameError::NoOps));
    }

    #[test]
    fn an_op_that_is_longer_than_its_append_is_an_error_and_the_last_one() {
        let mut append = Append::new();
        append.push(&[7; 16], b"whole");
        append.push(&[7; 16], b"cut");
        let bytes = append.bytes();
        for end in bytes.len() - 22..bytes.len() {
            let Ok(Frame::Append(mut ops)) = Frame::read(&bytes[..end]) else {
                panic!("no append");
            };
            assert!(ops.next().unwrap().is_ok());
            let cut = end - HEADER_BYTES - 25;
            assert_eq!(ops.next(), Some(Err(FrameError::Cut { bytes: cut })));
            assert_eq!(ops.next(), None);
        }
    }
}
