//! Files that hold secrets or guard a folder.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use super::fixed_file::{FixedFile, SystemFixedFile};

/// Bytes that [`Files::write_again`] has in memory at once.
const PIECE_BYTES: usize = 1 << 20;

/// The file system, as far as refs, ignore files and locks need it.
pub trait Files: Debug + Send + Sync {
    /// The whole of a file of at most `bytes_max` bytes.
    ///
    /// # Errors
    ///
    /// As reading fails; [`io::ErrorKind::FileTooLarge`] if it is longer.
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>>;

    /// Replaces a file by `bytes`, readable by its owner only, durable at return: after a crash the
    /// path has the old content or the new one.
    ///
    /// # Errors
    ///
    /// As writing fails; the old content then stands.
    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Makes a folder, and those above it that are missing, for its owner only, durable at return.
    ///
    /// # Errors
    ///
    /// As making folders fails.
    fn create_private_dir(&self, path: &Path) -> io::Result<()>;

    /// Takes the lock of a file, made if it is missing; `None` if another process, or another taker
    /// in this one, holds it. Ends with the guard, and with the process however it dies.
    ///
    /// # Errors
    ///
    /// As opening or locking fails.
    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>>;

    /// Appends bytes to the file at `path`, which is open for it, durable at return. After an error
    /// nobody knows what is there.
    ///
    /// # Errors
    ///
    /// As writing fails.
    fn append(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let _ = path;
        file.write_all(bytes)?;
        file.sync_data()
    }

    /// Cuts off what follows the first `bytes` bytes of the file at `path`, which is open for
    /// writing.
    ///
    /// # Errors
    ///
    /// As writing fails.
    fn cut(&self, path: &Path, file: &mut File, bytes: u64) -> io::Result<()> {
        let _ = path;
        if file.metadata()?.len() > bytes {
            file.set_len(bytes)?;
        }
        Ok(())
    }

    /// Writes the bytes of the file at `path` again, in place, durable at return. What is durable
    /// already stays so throughout, for it is written over by itself. `file` is open for reading and
    /// writing, not for appending, and is at its end afterwards; nobody else may write meanwhile.
    ///
    /// Another sync would not do: after one that failed, the operating system takes what it holds in
    /// memory for written.
    ///
    /// # Errors
    ///
    /// As reading or writing fails.
    fn write_again(&self, path: &Path, file: &mut File) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut start = 0;
        loop {
            file.seek(SeekFrom::Start(start))?;
            let read = file.read(&mut piece)?;
            if read == 0 {
                break;
            }
            file.seek(SeekFrom::Start(start))?;
            file.write_all(&piece[..read])?;
            start += read as u64;
        }
        file.sync_all()?;
        // Its name may be as little durable.
        File::open(parent(path))?.sync_all()
    }

    /// Opens a file that is written over in place; one that is missing is made of `bytes` zeros, for
    /// its owner only, durably there at return.
    ///
    /// # Errors
    ///
    /// As opening, or making it, fails: then there is none.
    fn fixed(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn FixedFile>> {
        Ok(Box::new(SystemFixedFile::open(path, bytes)?))
    }

    /// Puts a file whose bytes are durable in the place of the one at `path`, in the same folder,
    /// durable at return. After an error it is the old one or the new one.
    ///
    /// # Errors
    ///
    /// As renaming fails.
    fn put_in_place(&self, new: &Path, path: &Path) -> io::Result<()> {
        fs::rename(new, path)?;
        File::open(parent(path))?.sync_all()
    }
}

/// Holds a lock until it is dropped.
#[derive(Debug)]
pub struct FileLock {
    /// Closing the file ends the lock.
    _file: File,
}

/// The machine's file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemFiles;

impl Files for SystemFiles {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = File::open(path)?
            .take(bytes_max.saturating_add(1))
            .read_to_end(&mut bytes)?;
        if read as u64 > bytes_max {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }

    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let folder = parent(path);
        let mut name = path
            .file_name()
            .ok_or(io::ErrorKind::InvalidInput)?
            .to_owned();
        name.push(format!(".{}.new", std::process::id()));
        let new = folder.join(name);
        let written = private(OpenOptions::new().write(true).create(true).truncate(true))
            .open(&new)
            .and_then(|mut file| {
                file.write_all(bytes)?;
                file.sync_all()
            })
            .and_then(|()| fs::rename(&new, path))
            .and_then(|()| File::open(folder)?.sync_all());
        if written.is_err() {
            // The error that is returned matters; a left-over file does not.
            let _ = fs::remove_file(&new);
        }
        written
    }

    fn create_private_dir(&self, path: &Path) -> io::Result<()> {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        let missing = path.ancestors().take_while(|folder| !folder.exists());
        let missing: Vec<_> = missing.collect();
        builder.create(path)?;
        // A folder is durable once the one above it is.
        let mut made = missing.into_iter().filter(|it| !it.as_os_str().is_empty());
        made.try_for_each(|folder| File::open(parent(folder))?.sync_all())
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        let file =
            private(OpenOptions::new().write(true).create(true).truncate(false)).open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(FileLock { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

pub(super) fn parent(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

pub(super) fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_is_replaced_whole_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ref");
        SystemFiles.write_private(&path, b"old and long").unwrap();
        SystemFiles.write_private(&path, b"new").unwrap();
        assert_eq!(SystemFiles.read(&path, 3).unwrap(), b"new");
        let too_large = SystemFiles.read(&path, 2).unwrap_err();
        assert_eq!(too_large.kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "a temporary file is left"
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600
            );
        }
    }

    #[test]
    fn a_file_that_is_written_again_is_as_it_was_and_at_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        for length in [0, 5, PIECE_BYTES, 2 * PIECE_BYTES + 7] {
            let mut bytes: Vec<u8> = (0..=250).cycle().take(length).collect();
            fs::write(&path, &bytes).unwrap();
            let opened = OpenOptions::new().read(true).write(true).open(&path);
            let mut file = opened.unwrap();
            SystemFiles.write_again(&path, &mut file).unwrap();
            SystemFiles.append(&path, &mut file, b"more").unwrap();
            bytes.extend(b"more");
            assert!(fs::read(&path).unwrap() == bytes, "{length}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_made_with_those_above_it_for_its_owner_only() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("above/below");
        SystemFiles.create_private_dir(&path).unwrap();
        SystemFiles.create_private_dir(&path).unwrap();
        for made in [path.as_path(), path.parent().unwrap()] {
            let mode = fs::metadata(made).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", made.display());
        }
    }

    #[test]
    fn a_lock_has_one_holder_and_ends_with_its_guard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = SystemFiles.try_lock(&path).unwrap();
        assert!(held.is_some());
        assert!(SystemFiles.try_lock(&path).unwrap().is_none());
        drop(held);
        assert!(SystemFiles.try_lock(&path).unwrap().is_some());
    }
}
