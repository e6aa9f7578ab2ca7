//! The file system of a machine with a simulated disk, apart from SQLite's files.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::Arc;

use share_model::seam::{FileLock, Files, FixedFile, SystemFiles, SystemFixedFile};

use super::Disk;
use super::edge::FileKind;
use super::fault::Failure;
use super::operation::DiskFile;
use super::unsynced::{FileId, RawFile};

/// Bytes that are written at once when a file is written again.
const PIECE_BYTES: usize = 64 << 10;

/// Files on a simulated disk. What is done under the disk's folder meets its faults and crash points:
/// appended to as [`FileKind::Journal`], written over in place as [`FileKind::Redo`], replaced as a
/// whole, or made, as [`FileKind::File`]. A write-ahead log that is written again is
/// [`FileKind::Wal`].
#[derive(Debug, Clone)]
pub struct SimulatedFiles {
    disk: Arc<Disk>,
}

impl SimulatedFiles {
    /// The files of a disk. Those outside of its folder are taken as on it, too.
    pub fn new(disk: Arc<Disk>) -> Self {
        Self { disk }
    }
}

impl Files for SimulatedFiles {
    fn read(&self, path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
        match self.disk.may_read() {
            true => SystemFiles.read(path, bytes_max),
            false => Err(to_io(Failure::Device)),
        }
    }

    fn write_private(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let replace = || SystemFiles.write_private(path, bytes);
        // An empty file takes no space.
        let length = bytes.len() as u64;
        let replaced = self.disk.replace(FileKind::File, length, replace);
        replaced.map_err(to_io)
    }

    fn create_private_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.check_alive().map_err(to_io)?;
        SystemFiles.create_private_dir(path)
    }

    fn try_lock(&self, path: &Path) -> io::Result<Option<FileLock>> {
        SystemFiles.try_lock(path)
    }

    fn append(&self, path: &Path, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        let on_disk = journal(path, file)?;
        let end = file.length()?;
        let written = self.disk.write(&on_disk, file, bytes, end);
        written
            .and_then(|()| self.disk.sync(&on_disk))
            .map_err(to_io)
    }

    fn cut(&self, path: &Path, file: &mut File, bytes: u64) -> io::Result<()> {
        if file.length()? > bytes {
            let truncated = self.disk.truncate(&journal(path, file)?, file, bytes);
            truncated.map_err(to_io)?;
        }
        Ok(())
    }

    fn write_again(&self, path: &Path, file: &mut File) -> io::Result<()> {
        if !self.disk.may_read() {
            return Err(to_io(Failure::Device));
        }
        let mut on_disk = journal(path, file)?;
        if path.as_os_str().as_encoded_bytes().ends_with(b"-wal") {
            on_disk.kind = FileKind::Wal;
        }
        let bytes = fs::read(path)?;
        let mut start = 0;
        for piece in bytes.chunks(PIECE_BYTES) {
            let written = self.disk.write(&on_disk, file, piece, start);
            written.map_err(to_io)?;
            start += piece.len() as u64;
        }
        self.disk.sync(&on_disk).map_err(to_io)
    }

    fn fixed(&self, path: &Path, bytes: u64) -> io::Result<Box<dyn FixedFile>> {
        if !path.exists() {
            let make = || SystemFixedFile::open(path, bytes).map(drop);
            let made = self.disk.replace(FileKind::File, bytes, make);
            made.map_err(to_io)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let metadata = file.metadata()?;
        Ok(Box::new(SimulatedFixedFile {
            disk: Arc::clone(&self.disk),
            on_disk: DiskFile {
                id: FileId::of(&metadata),
                kind: FileKind::Redo,
                path: path.to_owned(),
            },
            bytes: metadata.len(),
            file,
        }))
    }

    fn put_in_place(&self, new: &Path, path: &Path) -> io::Result<()> {
        let replace = || SystemFiles.put_in_place(new, path);
        let replaced = self.disk.replace(FileKind::Journal, 0, replace);
        replaced.map_err(to_io)
    }
}

/// A file of fixed length on a simulated disk.
#[derive(Debug)]
struct SimulatedFixedFile {
    disk: Arc<Disk>,
    on_disk: DiskFile,
    bytes: u64,
    file: File,
}

impl FixedFile for SimulatedFixedFile {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn read(&mut self, offset: u64, bytes: &mut [u8]) -> io::Result<()> {
        match self.disk.may_read() {
            true => RawFile::read(&mut self.file, bytes, offset),
            false => Err(to_io(Failure::Device)),
        }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let written = self
            .disk
            .write(&self.on_disk, &mut self.file, bytes, offset);
        written.map_err(to_io)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.disk.sync(&self.on_disk).map_err(to_io)
    }
}

fn journal(path: &Path, file: &File) -> io::Result<DiskFile> {
    Ok(DiskFile {
        id: FileId::of(&file.metadata()?),
        kind: FileKind::Journal,
        path: path.to_owned(),
    })
}

fn to_io(failure: Failure<io::Error>) -> io::Error {
    match failure {
        Failure::NoSpace => io::Error::new(io::ErrorKind::StorageFull, "simulated: disk full"),
        Failure::Device => io::Error::other("simulated: input/output error"),
        Failure::Frozen => io::Error::other("simulated: the machine is dead"),
        Failure::Crashed(edge) => io::Error::other(format!("simulated: died at {edge}")),
        Failure::Real(error) => error,
    }
}
