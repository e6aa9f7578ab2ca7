//! A power cut: what was not synced stays, goes, or is torn.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use share_model::seam::Entropy;

use super::Disk;
use super::counts::DiskCounts;
use super::state::{Removed, State};
use super::unsynced::{FileId, RawFile, SECTOR_BYTES, Sector, Unsynced, to_usize};

/// Why a power cut could not be.
#[derive(Debug, thiserror::Error)]
pub enum PowerCutError {
    /// SQLite still has files open, whose locks and shared memory outlive the cut. Drop the
    /// connections first.
    #[error("SQLite has files open: {0:?}")]
    Open(Vec<PathBuf>),
    /// The real files can't be changed.
    #[error("the real files can't be changed: {0}")]
    Io(#[from] io::Error),
}

/// What becomes of the sectors of one file, in percent.
#[derive(Debug, Clone, Copy)]
struct Odds {
    /// Stays as written.
    kept: u64,
    /// Ends new in front and old behind.
    torn: u64,
}

/// One of these is drawn for each file, so that all of it staying and all of it going are not rare.
const ODDS: [Odds; 6] = [
    Odds { kept: 100, torn: 0 },
    Odds { kept: 0, torn: 0 },
    Odds { kept: 90, torn: 5 },
    Odds { kept: 10, torn: 5 },
    Odds { kept: 34, torn: 33 },
    Odds { kept: 50, torn: 0 },
];

/// Of sectors that a failed sync has passed over: nothing writes them later.
const ODDS_PASSED_OVER: Odds = Odds { kept: 15, torn: 5 };

impl Disk {
    /// Cuts the power: of each file, what was written since its last sync stays, is lost or is torn,
    /// each sector of 512 bytes for itself; likewise its new length, and its being there at all if
    /// it was never synced. Whether the disk is frozen stays as it is.
    ///
    /// # Errors
    ///
    /// [`PowerCutError::Open`]: nothing was done. [`PowerCutError::Io`]: done in part.
    pub fn power_cut(&self) -> Result<(), PowerCutError> {
        let mut state = self.state();
        if !state.open.is_empty() {
            return Err(PowerCutError::Open(state.open.clone()));
        }
        state.counts.power_cuts += 1;
        let mut files: Vec<_> = state.unsynced.drain().collect();
        // Not by the numbers that the system gave them, which differ between runs.
        files.sort_by(|(_, one), (_, other)| one.path.cmp(&other.path));
        for (id, unsynced) in files {
            // One that was removed or replaced behind the disk's back is past losing.
            if let Some(path) = locate(id, &unsynced.path)? {
                self.cut_file(&path, &unsynced, &mut state.counts)?;
            }
        }
        self.cut_removals(&mut state)
    }

    fn cut_removals(&self, state: &mut State) -> Result<(), PowerCutError> {
        for removed in std::mem::take(&mut state.removed) {
            if removed.path.exists() || self.entropy.below(2) == 0 {
                continue;
            }
            let Removed {
                path,
                bytes,
                permissions,
                unsynced,
            } = removed;
            fs::write(&path, bytes)?;
            fs::set_permissions(&path, permissions)?;
            state.counts.removals_lost += 1;
            self.cut_file(&path, &unsynced, &mut state.counts)?;
        }
        Ok(())
    }

    fn cut_file(
        &self,
        path: &Path,
        unsynced: &Unsynced,
        counts: &mut DiskCounts,
    ) -> io::Result<()> {
        let odds = ODDS[to_usize(self.entropy.below(ODDS.len() as u64))];
        if unsynced.is_new && odds.kept < 100 && self.entropy.below(2) == 0 {
            counts.files_lost += 1;
            return fs::remove_file(path);
        }
        let mut file = OpenOptions::new().read(true).write(true).open(path)?;
        let written = file.length()?;
        let before = unsynced.length_before.unwrap_or(written);
        let length = self.length_after(before, written, odds);
        counts.lengths_lost += u64::from(length != written);
        let mut changes = Vec::new();
        for (number, sector) in &unsynced.sectors {
            let start = number * SECTOR_BYTES;
            if start >= length {
                continue;
            }
            let new = read_sector(&mut file, start, written)?;
            changes.push((start, self.sector_after(sector, new, (odds, counts))));
        }
        file.set_length(length)?;
        for (start, bytes) in changes {
            let room = to_usize(length - start).min(bytes.len());
            file.write(&bytes[..room], start)?;
        }
        Ok(())
    }

    /// The length that a file ends with.
    fn length_after(&self, before: u64, written: u64, odds: Odds) -> u64 {
        if before == written || self.entropy.below(100) < odds.kept {
            return written;
        }
        match written.checked_sub(before) {
            // Longer in steps, of which some had come to the disk.
            Some(more) if self.entropy.below(2) == 0 => before + self.entropy.below(more),
            _ => before,
        }
    }

    /// What a sector ends with, whole; `new`: what was written, shorter where the file ended.
    fn sector_after(
        &self,
        sector: &Sector,
        new: Vec<u8>,
        (odds, counts): (Odds, &mut DiskCounts),
    ) -> Vec<u8> {
        let mut old = sector.old.to_vec();
        old.resize(to_usize(SECTOR_BYTES), 0);
        let written = new.len();
        let mut whole = new;
        // Beyond a shorter end that was lost is what was there before.
        whole.extend_from_slice(&old[written..]);
        if whole == old {
            return old;
        }
        let odds = match sector.is_passed_over {
            true => ODDS_PASSED_OVER,
            false => odds,
        };
        match self.entropy.below(100) {
            drawn if drawn < odds.kept => {
                counts.sectors_kept += 1;
                whole
            }
            drawn if drawn < odds.kept + odds.torn => {
                let tear = 1 + to_usize(self.entropy.below(SECTOR_BYTES - 1));
                counts.sectors_torn += 1;
                whole[tear..].copy_from_slice(&old[tear..]);
                whole
            }
            _ => {
                counts.sectors_lost += 1;
                old
            }
        }
    }
}

/// A sector as it was written; shorter where the file ends.
fn read_sector(file: &mut File, start: u64, length: u64) -> io::Result<Vec<u8>> {
    let bytes = length.saturating_sub(start).min(SECTOR_BYTES);
    let mut sector = vec![0; to_usize(bytes)];
    file.read(&mut sector, start)?;
    Ok(sector)
}

/// Where a file is now: it may have got another name in its folder since it was opened.
fn locate(id: FileId, path: &Path) -> io::Result<Option<PathBuf>> {
    if FileId::at(path).is_ok_and(|found| found == id) {
        return Ok(Some(path.to_owned()));
    }
    let Some(folder) = path.parent().filter(|folder| folder.is_dir()) else {
        return Ok(None);
    };
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if FileId::at(&path).is_ok_and(|found| found == id) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}
