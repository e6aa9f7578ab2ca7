//! The operations of a disk, whoever asks for them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use share_model::seam::Entropy;

use super::Disk;
use super::edge::{Edge, FileKind, Moment};
use super::fault::Failure;
use super::state::{Removed, State, happens};
use super::unsynced::{FileId, RawFile, to_usize};

/// A file on a disk.
#[derive(Debug, Clone)]
pub(super) struct DiskFile {
    pub(super) id: FileId,
    pub(super) kind: FileKind,
    pub(super) path: PathBuf,
}

/// How a write fails.
#[derive(Debug, Clone, Copy)]
struct WriteFault {
    /// For want of space, else by the device.
    is_full: bool,
    /// After a part was written.
    is_short: bool,
}

/// Where a write can be torn so that it shows: not in the zeros up to a whole block that end what is
/// written to a file of fixed length, which is most of it where little is written.
fn torn_within(kind: FileKind, bytes: &[u8]) -> usize {
    let last = match kind {
        FileKind::Redo => bytes.iter().rposition(|byte| *byte != 0),
        _ => None,
    };
    last.map_or(bytes.len(), |last| last + 1)
}

impl Disk {
    /// Runs an operation that reads; `false`: it is to fail.
    pub(super) fn may_read(&self) -> bool {
        let mut state = self.state();
        state.counts.reads += 1;
        let fails = happens(&self.entropy, state.faults.read_per_million);
        state.counts.read_failed += u64::from(fails);
        !fails
    }

    /// Writes bytes, not durably.
    pub(super) fn write<R: RawFile>(
        &self,
        file: &DiskFile,
        raw: &mut R,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), Failure<R::Error>> {
        let written = self.try_write(file, raw, bytes, offset);
        self.tell(written)
    }

    fn try_write<R: RawFile>(
        &self,
        file: &DiskFile,
        raw: &mut R,
        bytes: &[u8],
        offset: u64,
    ) -> Result<(), Failure<R::Error>> {
        let mut state = self.state();
        let kind = file.kind;
        let first = match kind {
            FileKind::Wal if offset == 0 => Moment::ResetBefore,
            _ => Moment::WriteBefore,
        };
        let moments = [first, Moment::WriteTorn, Moment::WriteAfter];
        state.begin(&self.entropy, kind, &moments)?;
        state.pass(kind, first)?;
        state.counts.writes += 1;
        let length = raw.length().map_err(Failure::Real)?;
        let end = offset + bytes.len() as u64;
        let fault = self.write_fault(&state, end > length);
        let torn = Edge {
            kind,
            moment: Moment::WriteTorn,
        };
        let dies = fault.is_none() && state.is_due(torn);
        let part = match fault {
            Some(WriteFault {
                is_short: false, ..
            }) => 0,
            None if !dies => bytes.len(),
            _ => to_usize(self.entropy.below(torn_within(kind, bytes) as u64)),
        };
        if part > 0 {
            let unsynced = state.unsynced_of(file.id, &file.path);
            let range = offset..offset + part as u64;
            if range.end > length {
                unsynced.length_before.get_or_insert(length);
            }
            let kept = unsynced.keep(raw, range, length);
            kept.map_err(Failure::Real)?;
            raw.write(&bytes[..part], offset).map_err(Failure::Real)?;
        }
        if let Some(fault) = fault {
            let counts = &mut state.counts;
            counts.short_writes += u64::from(part > 0);
            counts.no_space += u64::from(fault.is_full);
            counts.write_failed += u64::from(!fault.is_full && part == 0);
            return Err(match fault.is_full {
                true => Failure::NoSpace,
                false => Failure::Device,
            });
        }
        if dies {
            return Err(state.die(torn));
        }
        state.pass(kind, Moment::WriteAfter)
    }

    fn write_fault(&self, state: &State, extends: bool) -> Option<WriteFault> {
        let faults = state.faults;
        let happens = |per_million| happens(&self.entropy, per_million);
        if extends && (state.is_full || happens(faults.no_space_per_million)) {
            return Some(WriteFault {
                is_full: true,
                is_short: false,
            });
        }
        if happens(faults.short_write_per_million) {
            return Some(WriteFault {
                is_full: extends,
                is_short: true,
            });
        }
        happens(faults.write_per_million).then_some(WriteFault {
            is_full: false,
            is_short: false,
        })
    }

    /// Changes a file's length, not durably.
    pub(super) fn truncate<R: RawFile>(
        &self,
        file: &DiskFile,
        raw: &mut R,
        length: u64,
    ) -> Result<(), Failure<R::Error>> {
        let truncated = self.try_truncate(file, raw, length);
        self.tell(truncated)
    }

    fn try_truncate<R: RawFile>(
        &self,
        file: &DiskFile,
        raw: &mut R,
        length: u64,
    ) -> Result<(), Failure<R::Error>> {
        let mut state = self.state();
        let moments = [Moment::TruncateBefore, Moment::TruncateAfter];
        state.begin(&self.entropy, file.kind, &moments)?;
        state.pass(file.kind, Moment::TruncateBefore)?;
        let now = raw.length().map_err(Failure::Real)?;
        if length > now && state.is_full {
            state.counts.no_space += 1;
            return Err(Failure::NoSpace);
        }
        if length != now {
            let unsynced = state.unsynced_of(file.id, &file.path);
            unsynced.length_before.get_or_insert(now);
            let kept = unsynced.keep(raw, length..now, now);
            kept.map_err(Failure::Real)?;
            raw.set_length(length).map_err(Failure::Real)?;
        }
        state.pass(file.kind, Moment::TruncateAfter)
    }

    /// Makes a file durable.
    pub(super) fn sync<E>(&self, file: &DiskFile) -> Result<(), Failure<E>> {
        let synced = self.try_sync(file);
        self.tell(synced)
    }

    fn try_sync<E>(&self, file: &DiskFile) -> Result<(), Failure<E>> {
        let mut state = self.state();
        let moments = [Moment::SyncBefore, Moment::SyncAfter];
        state.begin(&self.entropy, file.kind, &moments)?;
        state.pass(file.kind, Moment::SyncBefore)?;
        state.counts.syncs += 1;
        if happens(&self.entropy, state.faults.sync_per_million) {
            state.counts.sync_failed += 1;
            if let Some(unsynced) = state.unsynced.get_mut(&file.id) {
                unsynced.fail_sync();
            }
            return Err(Failure::Device);
        }
        state.sync(file.id);
        state.pass(file.kind, Moment::SyncAfter)
    }

    /// Removes a file by `remove`; `is_durable`: at return, else once its folder is synced.
    pub(super) fn remove<E>(
        &self,
        path: &Path,
        kind: FileKind,
        is_durable: bool,
        remove: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), Failure<E>> {
        let removed = self.try_remove(path, kind, is_durable, remove);
        self.tell(removed)
    }

    fn try_remove<E>(
        &self,
        path: &Path,
        kind: FileKind,
        is_durable: bool,
        remove: impl FnOnce() -> Result<(), E>,
    ) -> Result<(), Failure<E>> {
        let mut state = self.state();
        let moments = [Moment::DeleteBefore, Moment::DeleteAfter];
        state.begin(&self.entropy, kind, &moments)?;
        state.pass(kind, Moment::DeleteBefore)?;
        // What can't be read is not there, and is for the real removal to tell.
        let content = FileId::at(path).ok().zip(content(path).ok());
        remove().map_err(Failure::Real)?;
        if let Some((id, (bytes, permissions))) = content {
            let unsynced = state.unsynced.remove(&id).unwrap_or_default();
            if !is_durable && !unsynced.is_new {
                state.removed.push(Removed {
                    path: path.to_owned(),
                    bytes,
                    permissions,
                    unsynced,
                });
            }
        }
        if let Some(folder) = path.parent().filter(|_| is_durable) {
            state.sync_folder(folder);
        }
        state.pass(kind, Moment::DeleteAfter)
    }

    /// Puts something in a file's place by `replace`, durable at return; a sync that fails leaves it
    /// as it was.
    pub(super) fn replace(
        &self,
        kind: FileKind,
        bytes: u64,
        replace: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Failure<io::Error>> {
        let replaced = self.try_replace(kind, bytes, replace);
        self.tell(replaced)
    }

    fn try_replace(
        &self,
        kind: FileKind,
        bytes: u64,
        replace: impl FnOnce() -> io::Result<()>,
    ) -> Result<(), Failure<io::Error>> {
        let mut state = self.state();
        let moments = [Moment::ReplaceBefore, Moment::ReplaceAfter];
        state.begin(&self.entropy, kind, &moments)?;
        state.pass(kind, Moment::ReplaceBefore)?;
        if bytes > 0 {
            state.counts.writes += 1;
            if let Some(fault) = self.write_fault(&state, true) {
                let counts = &mut state.counts;
                counts.no_space += u64::from(fault.is_full);
                counts.write_failed += u64::from(!fault.is_full);
                return Err(match fault.is_full {
                    true => Failure::NoSpace,
                    false => Failure::Device,
                });
            }
        }
        state.counts.syncs += 1;
        if happens(&self.entropy, state.faults.sync_per_million) {
            state.counts.sync_failed += 1;
            return Err(Failure::Device);
        }
        replace().map_err(Failure::Real)?;
        state.pass(kind, Moment::ReplaceAfter)
    }

    /// Opens a file by `open`. One that is new goes with a power cut until its first sync.
    pub(super) fn open<E>(
        &self,
        path: &Path,
        kind: FileKind,
        open: impl FnOnce() -> Result<(), E>,
    ) -> Result<DiskFile, Failure<E>> {
        let mut state = self.state();
        let is_new = !path.exists();
        if is_new && state.is_frozen {
            return Err(Failure::Frozen);
        }
        open().map_err(Failure::Real)?;
        // A file that is gone already is one that nobody finds after a power cut.
        let id = FileId::at(path).unwrap_or_default();
        if is_new {
            state.unsynced.remove(&id);
            state.unsynced_of(id, path).is_new = true;
        }
        state.open.push(path.to_owned());
        Ok(DiskFile {
            id,
            kind,
            path: path.to_owned(),
        })
    }

    /// A file that [`Disk::open`] opened is closed.
    pub(super) fn close(&self, file: &DiskFile) {
        let open = &mut self.state().open;
        if let Some(index) = open.iter().position(|path| *path == file.path) {
            open.swap_remove(index);
        }
    }

    /// Refuses what would change something while the machine is dead.
    pub(super) fn check_alive<E>(&self) -> Result<(), Failure<E>> {
        match self.is_frozen() {
            true => Err(Failure::Frozen),
            false => Ok(()),
        }
    }

    /// Tells of a crash point, when nothing is locked.
    fn tell<T, E>(&self, result: Result<T, Failure<E>>) -> Result<T, Failure<E>> {
        if let Err(Failure::Crashed(edge)) = &result {
            let told = self.lock_on_crash().clone();
            if let Some(told) = told {
                told(&edge.to_string());
            }
        }
        result
    }
}

fn content(path: &Path) -> io::Result<(Vec<u8>, fs::Permissions)> {
    let permissions = fs::metadata(path)?.permissions();
    Ok((fs::read(path)?, permissions))
}
