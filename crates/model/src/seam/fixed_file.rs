//! Files of a fixed length that are written over in place.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::direct::DirectFile;
use super::files::{parent, private};

/// Zeros that are written at once when a file is made.
const PIECE_BYTES: usize = 1 << 20;

/// A file whose length does not change, so that a sync of it has nothing to write but its bytes.
pub trait FixedFile: Debug + Send {
    /// Its length in bytes.
    fn bytes(&self) -> u64;

    /// Fills `bytes` from `offset` on.
    ///
    /// # Errors
    ///
    /// As reading fails; [`io::ErrorKind::UnexpectedEof`] beyond the end.
    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()>;

    /// Writes bytes at `offset`, all of them before the end; not durable before the next
    /// [`FixedFile::sync`].
    ///
    /// # Errors
    ///
    /// As writing fails; nobody knows then what is there.
    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes durable what was written.
    ///
    /// # Errors
    ///
    /// As syncing fails. Another sync would not help: after one that failed, the operating system
    /// takes what it holds in memory for written.
    fn sync(&mut self) -> io::Result<()>;

    /// Writes bytes at `offset`, all of them before the end, durable at return.
    ///
    /// # Errors
    ///
    /// As [`FixedFile::write`] and [`FixedFile::sync`].
    fn write_durably(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write(offset, bytes)?;
        self.sync()
    }
}

/// A [`FixedFile`] of the machine's file system. What is to be durable at once goes past the operating
/// system's copy of the file, where it is whole blocks of 4096 bytes and the file system can do that.
#[derive(Debug)]
pub struct SystemFixedFile {
    file: File,
    direct: Option<DirectFile>,
    bytes: u64,
}

impl SystemFixedFile {
    /// Opens a file, whatever its length; one that is missing is made of `bytes` zeros, for its owner
    /// only, durably there at return.
    ///
    /// # Errors
    ///
    /// As opening, or making it, fails: then there is none.
    pub fn open(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.read(true).write(true);
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => make(path, bytes)?,
            opened => opened?,
        };
        let bytes = file.metadata()?.len();
        let direct = DirectFile::open(path);
        Ok(Self {
            file,
            direct,
            bytes,
        })
    }

    /// The file itself.
    pub fn file(&self) -> &File {
        &self.file
    }
}

impl FixedFile for SystemFixedFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.read_exact(bytes)
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(offset))?;
        self.file.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write_durably(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Some(direct) = &mut self.direct
            && direct.write(offset, bytes)?
        {
            return Ok(());
        }
        self.write(offset, bytes)?;
        self.sync()
    }
}

/// Makes a file of zeros beside its place, and puts it there once all of it is durable.
fn make(path: &Path, bytes: u64) -> io::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let made = private(
        OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true),
    )
    .open(&new)
    .and_then(|mut file| {
        let zeros = vec![0; PIECE_BYTES];
        let mut left = bytes;
        while left > 0 {
            let piece = usize::try_from(left).map_or(PIECE_BYTES, |left| left.min(PIECE_BYTES));
            file.write_all(&zeros[..piece])?;
            left -= piece as u64;
        }
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(parent(path))?.sync_all()?;
        Ok(file)
    });
    if made.is_err() {
        // The error that is returned matters; a left-over file does not.
        let _ = fs::remove_file(&new);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_durably_is_read_whichever_way_it_went() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = SystemFixedFile::open(&folder.path().join("fixed"), 5 * 4096).unwrap();
        let mut expected = vec![0; 5 * 4096];
        let mut write = |offset: usize, bytes: &[u8]| {
            file.write_durably(offset as u64, bytes).unwrap();
            expected[offset..offset + bytes.len()].copy_from_slice(bytes);
            let mut read = vec![0; expected.len()];
            file.read(0, &mut read).unwrap();
            assert!(read == expected, "{} bytes at {offset}", bytes.len());
        };
        write(4096, &[1; 2 * 4096]);
        write(4100, b"no whole block");
        write(8192, &[2; 4096]);
        write(0, &[3; 5 * 4096]);
    }

    #[test]
    fn a_missing_file_is_made_of_zeros_and_found_again_as_it_was_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("fixed");
        let bytes = 3 * PIECE_BYTES as u64 / 2;
        let mut made = SystemFixedFile::open(&path, bytes).unwrap();
        assert_eq!(made.bytes(), bytes);
        let mut end = [1; 4];
        made.read(bytes - 4, &mut end).unwrap();
        assert_eq!(end, [0; 4]);
        made.write(bytes - 4, b"last").unwrap();
        made.sync().unwrap();
        drop(made);
        // Its length is its own.
        let mut found = SystemFixedFile::open(&path, 1).unwrap();
        assert_eq!(found.bytes(), bytes);
        found.read(bytes - 4, &mut end).unwrap();
        assert_eq!(&end, b"last");
        assert!(found.read(bytes - 3, &mut end).is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }
}
