//! What a file was before the writes that are not synced yet.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Bytes that a disk writes at once or not at all, but for a torn write.
pub(super) const SECTOR_BYTES: u64 = 512;

/// A file whatever its names are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(super) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }

    /// The file that is found at a path.
    pub(super) fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&std::fs::metadata(path)?))
    }
}

/// The real file under a simulated one.
pub(super) trait RawFile {
    /// As its operations fail.
    type Error;

    fn length(&mut self) -> Result<u64, Self::Error>;

    /// Fills `bytes`, all of which the file has.
    fn read(&mut self, bytes: &mut [u8], offset: u64) -> Result<(), Self::Error>;

    fn write(&mut self, bytes: &[u8], offset: u64) -> Result<(), Self::Error>;

    fn set_length(&mut self, length: u64) -> Result<(), Self::Error>;
}

impl RawFile for File {
    type Error = io::Error;

    fn length(&mut self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&mut self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn write(&mut self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }
}

/// What a power cut may undo of a file.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// Where the file was opened last.
    pub(super) path: PathBuf,
    /// It was made, and never synced.
    pub(super) is_new: bool,
    /// Its length at the last sync, if that has changed since.
    pub(super) length_before: Option<u64>,
    /// The sectors that were changed since, by number.
    pub(super) sectors: BTreeMap<u64, Sector>,
}

/// A sector that is not synced.
#[derive(Debug)]
pub(super) struct Sector {
    /// What it was at the last sync; fewer bytes where the file ended, and nothing but zeros follow.
    pub(super) old: Box<[u8]>,
    /// A sync failed: later ones pass it over until it is written again.
    pub(super) is_passed_over: bool,
}

impl Unsynced {
    /// Whether a power cut has nothing to undo.
    pub(super) fn is_empty(&self) -> bool {
        !self.is_new && self.length_before.is_none() && self.sectors.is_empty()
    }

    /// Keeps what is in the sectors of a range that is to be changed; `length`: of the file now.
    pub(super) fn keep<R: RawFile>(
        &mut self,
        raw: &mut R,
        range: std::ops::Range<u64>,
        length: u64,
    ) -> Result<(), R::Error> {
        if range.is_empty() {
            return Ok(());
        }
        let sectors = range.start / SECTOR_BYTES..range.end.div_ceil(SECTOR_BYTES);
        let start = sectors.start * SECTOR_BYTES;
        let mut now = Vec::new();
        if sectors
            .clone()
            .any(|sector| !self.sectors.contains_key(&sector))
        {
            let end = length.min(sectors.end * SECTOR_BYTES);
            now.resize(to_usize(end.saturating_sub(start)), 0);
            if !now.is_empty() {
                raw.read(&mut now, start)?;
            }
        }
        let mut pieces = now.chunks(to_usize(SECTOR_BYTES));
        for sector in sectors {
            let old = pieces.next().unwrap_or_default();
            let kept = self.sectors.entry(sector).or_insert_with(|| Sector {
                old: old.into(),
                is_passed_over: false,
            });
            kept.is_passed_over = false;
        }
        Ok(())
    }

    /// A sync: what it makes durable is not undone any more.
    pub(super) fn sync(&mut self) {
        self.is_new = false;
        self.length_before = None;
        self.sectors.retain(|_, sector| sector.is_passed_over);
    }

    /// A sync that fails.
    pub(super) fn fail_sync(&mut self) {
        for sector in self.sectors.values_mut() {
            sector.is_passed_over = true;
        }
    }
}

/// Lengths in memory.
pub(super) fn to_usize(bytes: u64) -> usize {
    usize::try_from(bytes).expect("what was in memory fits there")
}
