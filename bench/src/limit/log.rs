//! The log: one file, as long from the beginning as it ever gets.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// What appends are made durable in.
pub(crate) trait Log {
    /// Writes behind what was written before.
    fn write(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Has all that was written on stable storage when it returns.
    fn sync(&mut self) -> io::Result<()>;
}

/// A file that is written round and round, so that no write makes it longer or finds a block that was
/// not written before: either would cost a sync of the file system's own records.
#[derive(Debug)]
pub(crate) struct RoundFile {
    file: File,
    at: usize,
    bytes: usize,
}

impl RoundFile {
    /// Makes it, with every block written.
    pub(crate) fn create(path: &Path, bytes: usize) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        let file = options
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        let block = vec![0; 1 << 20];
        let mut at = 0;
        while at < bytes {
            let part = block.len().min(bytes - at);
            file.write_all_at(&block[..part], at as u64)?;
            at += part;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, bytes })
    }
}

impl Log for RoundFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.len() > self.bytes {
            let message = format!(
                "a group of {} bytes for a log of {}",
                bytes.len(),
                self.bytes
            );
            return Err(io::Error::new(io::ErrorKind::StorageFull, message));
        }
        if self.at + bytes.len() > self.bytes {
            self.at = 0;
        }
        self.file.write_all_at(bytes, self.at as u64)?;
        self.at += bytes.len();
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_behind_goes_to_the_front_and_the_file_stays_as_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut log = RoundFile::create(&path, 10).unwrap();
        for bytes in [b"aaaa", b"bbbb", b"cccc"] {
            log.write(bytes).unwrap();
            log.sync().unwrap();
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"ccccbbbb\0\0");
    }

    #[test]
    fn a_group_that_is_longer_than_the_log_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = RoundFile::create(&folder.path().join("log"), 4).unwrap();
        log.write(b"aaaa").unwrap();
        assert_eq!(
            log.write(b"bbbbb").unwrap_err().kind(),
            io::ErrorKind::StorageFull
        );
    }
}
