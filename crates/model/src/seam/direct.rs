//! Writes past the operating system's own copy of a file, durable at return.
//!
//! A write and a sync are one call then, nothing is copied into memory that nobody reads, and what
//! other files have waiting to be written is not waited for.

use std::io;
use std::path::Path;

/// What file systems want such writes to be a multiple of, in place, length and memory; some take less.
const BLOCK_BYTES: usize = 4096;

/// A file to which such writes can go.
#[derive(Debug)]
pub(super) struct DirectFile {
    #[cfg(target_os = "linux")]
    file: std::fs::File,
    /// Where bytes lie as such a write wants them.
    buffer: Vec<u8>,
    /// It wants another alignment, or has no such writes in spite of what it said.
    is_refused: bool,
}

impl DirectFile {
    /// Opens a file for such writes; `None` if there is no such thing for it here.
    #[cfg(target_os = "linux")]
    pub(super) fn open(path: &Path) -> Option<Self> {
        use std::os::unix::fs::OpenOptionsExt;

        use rustix::fs::OFlags;

        let flags = i32::try_from((OFlags::DIRECT | OFlags::DSYNC).bits()).ok()?;
        let mut options = std::fs::OpenOptions::new();
        let file = options.write(true).custom_flags(flags).open(path).ok()?;
        Some(Self {
            file,
            buffer: Vec::new(),
            is_refused: false,
        })
    }

    /// Opens a file for such writes; `None` if there is no such thing for it here.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn open(_: &Path) -> Option<Self> {
        None
    }

    /// Writes bytes at `offset`, durable at return; `false` if they can't be written like this, and
    /// are to be written otherwise.
    ///
    /// # Errors
    ///
    /// As writing fails; nobody knows then what is there.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<bool> {
        let block = BLOCK_BYTES as u64;
        let is_whole = offset.is_multiple_of(block) && bytes.len().is_multiple_of(BLOCK_BYTES);
        if self.is_refused || !is_whole {
            return Ok(false);
        }
        let start = self.fill(bytes);
        let written = self.write_all(offset, start..start + bytes.len());
        match written {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                self.is_refused = true;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Copies bytes to where the buffer is aligned.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let room = bytes.len() + BLOCK_BYTES;
        if self.buffer.len() < room {
            self.buffer = vec![0; room];
        }
        let start = self.buffer.as_ptr().align_offset(BLOCK_BYTES);
        let start = start.min(room - bytes.len());
        self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
        start
    }

    #[cfg(target_os = "linux")]
    fn write_all(&self, offset: u64, range: std::ops::Range<usize>) -> io::Result<()> {
        std::os::unix::fs::FileExt::write_all_at(&self.file, &self.buffer[range], offset)
    }

    #[cfg(not(target_os = "linux"))]
    fn write_all(&self, _: u64, _: std::ops::Range<usize>) -> io::Result<()> {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_lie_aligned_whatever_came_before() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let Some(mut file) = DirectFile::open(path.path()) else {
            return;
        };
        for blocks in [1, 3, 2, 700] {
            let bytes = vec![u8::try_from(blocks % 251).unwrap(); blocks * BLOCK_BYTES];
            let start = file.fill(&bytes);
            assert_eq!(file.buffer[start..].as_ptr().align_offset(BLOCK_BYTES), 0);
            assert_eq!(file.buffer[start..start + bytes.len()], bytes);
        }
    }

    #[test]
    fn what_is_no_whole_block_is_left_to_others() {
        let path = tempfile::NamedTempFile::new().unwrap();
        let Some(mut file) = DirectFile::open(path.path()) else {
            return;
        };
        assert!(!file.write(0, &[1; 100]).unwrap());
        assert!(!file.write(100, &[1; BLOCK_BYTES]).unwrap());
        assert_eq!(path.as_file().metadata().unwrap().len(), 0);
    }
}
