//! A segment: a file of a fixed length into which frames are written one after the other.

use std::io;

use share_model::planted;
use share_model::seam::FixedFile;

/// Bytes that are zeroed at once.
const PIECE_BYTES: u64 = 1 << 20;

/// A segment that is being written.
#[derive(Debug)]
pub(super) struct Segment {
    file: Box<dyn FixedFile>,
    /// Where the next frame goes.
    end: u64,
    /// The position of the last row in it; 0: none.
    last: u64,
    /// Bytes from the start that may have something.
    used: u64,
}

impl Segment {
    /// Of a file whose frames are void.
    pub(super) fn void(file: Box<dyn FixedFile>) -> Self {
        Self {
            end: 0,
            last: 0,
            used: file.bytes(),
            file,
        }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Bytes that still fit.
    pub(super) fn room(&self) -> u64 {
        self.bytes() - self.end
    }

    /// The position of the last row in it; 0: none.
    pub(super) fn last(&self) -> u64 {
        self.last
    }

    /// Its frames may be written over.
    pub(super) fn begin_again(&mut self) {
        self.end = 0;
        self.last = 0;
    }

    /// Writes a frame, which fits, durably.
    pub(super) fn append(&mut self, frame: &[u8], last: u64) -> io::Result<()> {
        let end = self.end + frame.len() as u64;
        let written = match planted!("redo-not-synced") {
            true => self.file.write(self.end, frame),
            false => self.file.write_durably(self.end, frame),
        };
        if !planted!("failed-sync-ignored") {
            written?;
        }
        (self.end, self.last) = (end, last);
        self.used = self.used.max(end);
        Ok(())
    }

    /// Overwrites with zeros, durably, what may have something.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        if self.used == 0 {
            return Ok(());
        }
        let zeros = vec![0; usize::try_from(PIECE_BYTES.min(self.used)).unwrap_or_default()];
        let mut at = 0;
        while at < self.used {
            let piece = (self.used - at).min(zeros.len() as u64);
            self.file
                .write(at, &zeros[..usize::try_from(piece).unwrap_or(zeros.len())])?;
            at += piece;
        }
        self.file.sync()?;
        self.begin_again();
        self.used = 0;
        Ok(())
    }
}
