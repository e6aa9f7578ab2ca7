//! The journal's file: locked by one process, appended to with an fsync, replaced as a whole.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use share_model::seam::Files;

use super::error::JournalError;

/// Bytes of a journal that are read: some millions of bumped shares.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// How often a file is opened again that was replaced while its lock was taken.
const OPENS_MAX: u32 = 16;

/// Where the bytes of a journal go; tests have one that fails.
pub(super) trait Disk: Debug + Send {
    /// Appends bytes, durable at return. After an error nobody knows what is there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Replaces all bytes in one step, durable at return.
    fn replace(&mut self, bytes: &[u8]) -> Result<(), ReplaceError>;

    /// The file.
    fn path(&self) -> &Path;
}

/// Why a file was not replaced.
#[derive(Debug)]
pub(super) enum ReplaceError {
    /// It is as before.
    Kept(io::Error),
    /// It may be the old one or the new one.
    InDoubt(io::Error),
}

/// A journal's file, for this process alone. The lock is on the file itself and ends with it.
#[derive(Debug)]
pub(super) struct LockedFile {
    path: PathBuf,
    file: File,
    files: Arc<dyn Files>,
}

impl LockedFile {
    /// Opens the file and reads it; `None` if there is none.
    pub(super) fn open(
        path: &Path,
        files: &Arc<dyn Files>,
    ) -> Result<Option<(Self, Vec<u8>)>, JournalError> {
        for _ in 0..OPENS_MAX {
            let opened = OpenOptions::new().read(true).write(true).open(path);
            let mut file = match opened {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(JournalError::io("open journal", path)(error)),
            };
            lock(&file, path)?;
            // Its holder may have replaced it before it let go of the old one.
            let is_current =
                is_at(&file, path).map_err(JournalError::io("look at journal", path))?;
            if !is_current {
                continue;
            }
            let mut bytes = Vec::new();
            let read = (&mut file).take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
            let read = read.map_err(JournalError::io("read journal", path))?;
            if read as u64 > FILE_BYTES_MAX {
                return Err(JournalError::io("read journal", path)(
                    io::ErrorKind::FileTooLarge.into(),
                ));
            }
            let path = path.to_owned();
            let files = Arc::clone(files);
            return Ok(Some((Self { path, file, files }, bytes)));
        }
        Err(JournalError::InUse {
            path: path.to_owned(),
        })
    }

    /// Makes the file with these bytes, durable at return.
    pub(super) fn create(path: &Path, bytes: &[u8], files: &Arc<dyn Files>) -> io::Result<Self> {
        let (file, new) = write_beside(path, bytes, &**files)?;
        files.put_in_place(&new, path)?;
        let path = path.to_owned();
        let files = Arc::clone(files);
        Ok(Self { path, file, files })
    }

    /// Cuts off what follows the first `bytes` bytes; what is kept is durable at return, also after a
    /// sync that failed. Before the first append.
    pub(super) fn keep(&mut self, bytes: u64) -> io::Result<()> {
        self.files.cut(&self.path, &mut self.file, bytes)?;
        self.files.write_again(&self.path, &mut self.file)
    }
}

impl Disk for LockedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.files.append(&self.path, &mut self.file, bytes)
    }

    fn replace(&mut self, bytes: &[u8]) -> Result<(), ReplaceError> {
        let written = write_beside(&self.path, bytes, &*self.files);
        let (file, new) = written.map_err(ReplaceError::Kept)?;
        let placed = self.files.put_in_place(&new, &self.path);
        placed.map_err(ReplaceError::InDoubt)?;
        self.file = file;
        Ok(())
    }

    fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes the lock.
fn lock(file: &File, path: &Path) -> Result<(), JournalError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(JournalError::InUse {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(JournalError::io("lock journal", path)(error)),
    }
}

/// Writes a file beside `path`, locked and durable, readable by its owner only.
fn write_beside(path: &Path, bytes: &[u8], files: &dyn Files) -> io::Result<(File, PathBuf)> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // What a crash left there is of no use.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.read(true).append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&new)?;
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => io::ErrorKind::ResourceBusy.into(),
        TryLockError::Error(error) => error,
    })?;
    files.append(&new, &mut file, bytes)?;
    Ok((file, new))
}

/// The folder in which a file lies.
pub(super) fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Whether this file is the one that is found at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let open = file.metadata()?;
    match fs::metadata(path) {
        Ok(found) => Ok((found.dev(), found.ino()) == (open.dev(), open.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether there is a file at `path`: elsewhere an open file is not replaced.
#[cfg(not(unix))]
fn is_at(_: &File, path: &Path) -> io::Result<bool> {
    path.try_exists()
}
