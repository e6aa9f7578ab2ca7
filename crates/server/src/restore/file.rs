//! The file that is restored: checked whole before anything is changed.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::RestoreError;
use crate::backup::{Head, HeadError, digest_of};

/// A backup that is whole.
#[derive(Debug)]
pub(super) struct BackupFile {
    path: PathBuf,
    file: File,
    head: Head,
    /// Where the store begins.
    begin: u64,
}

impl BackupFile {
    /// Opens a backup, and reads all of it.
    pub(super) fn open(path: &Path) -> Result<Self, RestoreError> {
        let io = |error| RestoreError::io("read backup", path)(error);
        let mut reader = BufReader::new(File::open(path).map_err(io)?);
        let head = Head::read(&mut reader).map_err(|error| match error {
            HeadError::Foreign => RestoreError::Foreign { file: path.into() },
            HeadError::Newer(found) => RestoreError::Newer {
                file: path.into(),
                found,
            },
            HeadError::Damaged => damaged(path, "its first line was changed"),
            HeadError::Io(error) => io(error),
        })?;
        let begin = reader.stream_position().map_err(io)?;
        let (bytes, sha256) = digest_of(&mut reader).map_err(io)?;
        if bytes != head.bytes {
            let what = format!(
                "it has {bytes} of {} bytes after its first line",
                head.bytes
            );
            return Err(damaged(path, &what));
        }
        if sha256 != head.sha256 {
            return Err(damaged(path, "its checksum does not match"));
        }
        Ok(Self {
            path: path.to_owned(),
            file: reader.into_inner(),
            head,
            begin,
        })
    }

    /// What the backup says of itself.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Writes the store that is in the backup to a new file, durably.
    pub(super) fn copy_to(&mut self, to: &Path) -> Result<(), RestoreError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let written = options.open(to).and_then(|mut copy| {
            self.file.seek(SeekFrom::Start(self.begin))?;
            io::copy(&mut self.file, &mut copy)?;
            copy.flush()?;
            copy.sync_all()?;
            copy.rewind()?;
            digest_of(&mut copy)
        });
        let written = written.map_err(RestoreError::io("copy the backup to", to))?;
        if written != (self.head.bytes, self.head.sha256) {
            return Err(damaged(&self.path, "it was changed while it was read"));
        }
        Ok(())
    }
}

fn damaged(file: &Path, what: &str) -> RestoreError {
    RestoreError::Damaged {
        file: file.to_owned(),
        what: what.to_owned(),
    }
}
