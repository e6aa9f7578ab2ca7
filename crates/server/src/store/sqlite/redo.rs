//! The redo log: what makes a commit durable before SQLite has it.
//!
//! A group of commits is one [`frame`], written into a preallocated segment and synced once; then it
//! is answered. SQLite takes the same rows later and in bulk (`applier`), and a segment is written
//! over only once SQLite has all of it durably. So the log holds what SQLite does not have yet, and
//! is read at opening only (`recovery`).
//!
//! Segments are `redo-0`, `redo-1`, … in the store's folder. They belong to the file by an id that
//! stands in its table `meta` and in every frame: opening gives both a new one in the transaction
//! that takes what was recovered, and with that all frames there are become void.

mod frame;
mod recovery;
mod segment;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use share_model::planted;
use share_model::seam::{Entropy, Files};

pub(super) use frame::{BLOCK, Row};
pub(super) use recovery::{Recovered, recover};

use segment::Segment;

/// Segments at most.
const SEGMENTS_MAX: usize = 64;

/// Groups before it is tried again to make a segment for which there was no room.
const PATIENCE: u32 = 1024;

/// How much the redo log takes, and when SQLite takes it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedoOptions {
    /// Segments, at least 2, at most 64. Each is made when it is needed first, and kept.
    pub segments: usize,
    /// Bytes of one segment: a multiple of 4096. A group of commits that is larger goes to SQLite at
    /// once.
    pub segment_bytes: u64,
    /// Bytes of records that SQLite takes over together.
    pub apply_bytes: u64,
    /// How long fewer may wait.
    pub apply_delay: Duration,
}

impl Default for RedoOptions {
    fn default() -> Self {
        Self {
            segments: 8,
            segment_bytes: 8 << 20,
            apply_bytes: 1 << 20,
            apply_delay: Duration::from_millis(50),
        }
    }
}

/// Which frames count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RedoId([u8; 16]);

impl RedoId {
    pub(super) fn random(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    pub(super) const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(super) fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

/// What became of a group that was to be logged.
#[derive(Debug)]
pub(super) enum Logged {
    /// It is durable.
    Done,
    /// There is no room before SQLite has the rows up to this position; nothing was written.
    After(u64),
    /// It fits in no segment, or there is no room on the disk for another one; nothing was written.
    Never,
}

/// The log, as far as it is written.
#[derive(Debug)]
pub(super) struct RedoLog {
    id: RedoId,
    segments: Vec<Segment>,
    /// The one that is written now.
    current: usize,
    /// Groups before it is tried again to make a segment for which there was no room.
    patience: u32,
    place: Place,
    /// The bytes of a frame; kept for its room.
    buffer: Vec<u8>,
}

/// Where segments are made, and how many.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
    files: Arc<dyn Files>,
    segments: usize,
    segment_bytes: u64,
}

impl RedoLog {
    /// A log in `folder` whose frames have this id; those that stand there are void.
    ///
    /// # Errors
    ///
    /// As opening the segments that are there fails.
    pub(super) fn open(
        folder: &Path,
        files: Arc<dyn Files>,
        options: &RedoOptions,
        id: RedoId,
    ) -> io::Result<Self> {
        let block = BLOCK as u64;
        let place = Place {
            folder: folder.to_owned(),
            files,
            segments: options.segments.clamp(2, SEGMENTS_MAX),
            segment_bytes: options.segment_bytes.max(block).next_multiple_of(block),
        };
        let mut segments = Vec::new();
        for number in 0..SEGMENTS_MAX {
            let path = segment_path(folder, number);
            if !path.exists() {
                break;
            }
            segments.push(Segment::void(
                place.files.fixed(&path, place.segment_bytes)?,
            ));
        }
        Ok(Self {
            id,
            segments,
            current: 0,
            patience: 0,
            place,
            buffer: Vec::new(),
        })
    }

    /// Makes a group of rows durable; SQLite has all rows up to `applied`.
    ///
    /// # Errors
    ///
    /// As writing or syncing fails: nobody knows then whether the group is there.
    pub(super) fn append(&mut self, rows: &[Row], applied: u64) -> io::Result<Logged> {
        let bytes = frame::bytes_of(rows);
        let current = self.segments.get(self.current);
        if current.is_none_or(|segment| segment.room() < bytes) {
            match self.next_segment(bytes, applied) {
                Logged::Done => {}
                not_now => return Ok(not_now),
            }
        }
        frame::encode(&mut self.buffer, self.id, rows);
        let last = rows.last().map_or(0, |row| row.header.position);
        let segment = &mut self.segments[self.current];
        segment.append(&self.buffer, last)?;
        Ok(Logged::Done)
    }

    /// Takes the next segment for a frame of so many bytes.
    fn next_segment(&mut self, bytes: u64, applied: u64) -> Logged {
        let next = self.current + 1;
        let may_grow = self.segments.len() < self.place.segments && next >= self.segments.len();
        if may_grow && let Some(made) = self.make_segment(bytes) {
            return made;
        }
        if self.segments.is_empty() {
            return Logged::Never;
        }
        let next = next % self.segments.len();
        let segment = &mut self.segments[next];
        if segment.bytes() < bytes {
            return Logged::Never;
        }
        if segment.last() > applied && !planted!("redo-reused-before-applied") {
            return Logged::After(segment.last());
        }
        segment.begin_again();
        self.current = next;
        Logged::Done
    }

    /// Makes another segment; `None` if the disk has no room for it: then those that there are must do.
    fn make_segment(&mut self, bytes: u64) -> Option<Logged> {
        if bytes > self.place.segment_bytes {
            return Some(Logged::Never);
        }
        if self.patience > 0 {
            self.patience -= 1;
            return None;
        }
        let path = segment_path(&self.place.folder, self.segments.len());
        match self.place.files.fixed(&path, self.place.segment_bytes) {
            Ok(file) => {
                self.current = self.segments.len();
                self.segments.push(Segment::void(file));
                Some(Logged::Done)
            }
            Err(error) => {
                self.patience = PATIENCE;
                tracing::warn!(path = %path.display(), %error, "a segment of the redo log was not made");
                None
            }
        }
    }

    /// Overwrites whatever the log has ever said with zeros, durably. SQLite has all of it.
    ///
    /// # Errors
    ///
    /// As writing or syncing fails.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.segments.iter_mut().try_for_each(Segment::clear)?;
        self.current = 0;
        Ok(())
    }
}

fn segment_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("redo-{number}"))
}

#[cfg(test)]
mod tests {
    use share_model::seam::SystemFiles;

    use super::frame::tests::{ID, positions, row_at};
    use super::*;

    fn log(folder: &Path, segments: usize, blocks: u64) -> RedoLog {
        let options = RedoOptions {
            segments,
            segment_bytes: blocks * BLOCK as u64,
            ..RedoOptions::default()
        };
        RedoLog::open(folder, Arc::new(SystemFiles), &options, ID).unwrap()
    }

    fn recovered(folder: &Path, applied: u64) -> Vec<u64> {
        match recover(folder, &SystemFiles, (ID, applied)).unwrap() {
            Recovered::Rows(rows) => positions(&rows),
            Recovered::Damaged(what) => panic!("{what}"),
        }
    }

    #[test]
    fn a_segment_is_written_over_only_once_sqlite_has_all_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 2, 2);
        let mut append = |position, applied| log.append(&[row_at(position)], applied).unwrap();
        for position in 1..=4 {
            assert!(matches!(append(position, 0), Logged::Done));
        }
        assert!(matches!(append(5, 1), Logged::After(2)));
        assert_eq!(recovered(folder.path(), 0), [1, 2, 3, 4]);
        assert!(matches!(append(5, 2), Logged::Done));
        assert!(matches!(append(6, 2), Logged::Done));
        assert!(matches!(append(7, 3), Logged::After(4)));
        assert_eq!(recovered(folder.path(), 2), [3, 4, 5, 6]);
    }

    #[test]
    fn a_group_that_fits_in_no_segment_is_left_to_sqlite() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 2, 1);
        let rows: Vec<_> = (1..50).map(row_at).collect();
        assert!(matches!(log.append(&rows, 0).unwrap(), Logged::Never));
        assert!(matches!(
            log.append(&[row_at(50)], 49).unwrap(),
            Logged::Done
        ));
        assert_eq!(recovered(folder.path(), 49), [50]);
    }

    #[test]
    fn what_was_cleared_is_in_no_segment() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 3, 1);
        for position in 1..=3 {
            log.append(&[row_at(position)], 0).unwrap();
        }
        log.clear().unwrap();
        for number in 0..3 {
            let bytes = std::fs::read(segment_path(folder.path(), number)).unwrap();
            assert!(bytes.iter().all(|byte| *byte == 0), "segment {number}");
        }
        log.append(&[row_at(4)], 3).unwrap();
        assert_eq!(recovered(folder.path(), 3), [4]);
    }

    #[test]
    fn frames_of_a_log_that_was_opened_again_are_void() {
        let folder = tempfile::tempdir().unwrap();
        log(folder.path(), 2, 2).append(&[row_at(1)], 0).unwrap();
        let other = RedoId::from_bytes([9; 16]);
        let found = recover(folder.path(), &SystemFiles, (other, 0)).unwrap();
        assert!(matches!(found, Recovered::Rows(rows) if rows.is_empty()));
        let options = RedoOptions::default();
        let mut again =
            RedoLog::open(folder.path(), Arc::new(SystemFiles), &options, other).unwrap();
        // Written over from the start, with the length that it has.
        again.append(&[row_at(1)], 0).unwrap();
        assert_eq!(recovered(folder.path(), 0), [0; 0]);
    }
}
