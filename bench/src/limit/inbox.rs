//! What came on a connection, cut into pieces by their lengths.

use std::io::{self, Read};

use super::frame::FrameError;

/// A longer piece ends its connection.
pub(crate) const PIECE_BYTES_MAX: usize = 8 << 20;
/// What is read at once.
const READ_BYTES: usize = 128 << 10;

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

    /// Takes the next frame or record if all of it came, with its length in front.
    ///
    /// # Errors
    ///
    /// If it would be too long; nothing more can be read.
    pub(crate) fn take(&mut self) -> Result<Option<&[u8]>, FrameError> {
        let Some(length) = self.length()? else {
            return Ok(None);
        };
        let end = self.taken + 4 + length;
        if self.filled < end {
            return Ok(None);
        }
        let piece = &self.buffer[self.taken..end];
        self.taken = end;
        Ok(Some(piece))
    }

    /// That of the piece at the front, if so much came.
    fn length(&self) -> Result<Option<usize>, FrameError> {
        let Some(bytes) = self.buffer[self.taken..self.filled].first_chunk::<4>() else {
            return Ok(None);
        };
        let length = u32::from_le_bytes(*bytes);
        let bytes = usize::try_from(length).unwrap_or(usize::MAX);
        if bytes > PIECE_BYTES_MAX {
            return Err(FrameError::Length { bytes });
        }
        Ok(Some(bytes))
    }

    /// Room for what is missing of a piece that began to come, and no less than is read at once.
    fn wanted(&self) -> usize {
        let piece = self.length().ok().flatten().map_or(0, |length| length + 4);
        let missing = piece.saturating_sub(self.filled - self.taken);
        missing.max(READ_BYTES / 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(bytes: usize) -> Vec<u8> {
        let mut piece = u32::try_from(bytes).unwrap().to_le_bytes().to_vec();
        piece.resize(4 + bytes, 0x61);
        piece
    }

    #[test]
    fn pieces_come_out_whole_however_they_were_cut() {
        let sent: Vec<_> = (0..40).map(|at| piece(9000 * (at % 3))).collect();
        let bytes = sent.concat();
        for part_bytes in [1, 7, 4096, bytes.len()] {
            let mut inbox = Inbox::default();
            let mut seen = Vec::new();
            for mut part in bytes.chunks(part_bytes) {
                while !part.is_empty() {
                    inbox.read(&mut part).unwrap();
                    while let Some(piece) = inbox.take().unwrap() {
                        seen.push(piece.to_vec());
                    }
                }
            }
            assert!(seen == sent, "in parts of {part_bytes} bytes");
        }
    }

    #[test]
    fn a_length_out_of_bounds_is_an_error_before_there_is_room_for_it() {
        for length in [(8_u32 << 20) + 1, u32::MAX] {
            let mut inbox = Inbox::default();
            inbox.read(&mut length.to_le_bytes().as_slice()).unwrap();
            let bytes = length as usize;
            assert_eq!(inbox.take(), Err(FrameError::Length { bytes }));
            assert!(inbox.room().len() <= READ_BYTES);
        }
    }
}
