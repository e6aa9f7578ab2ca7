//! Which disk a path is on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::Disk;

/// The folders with a disk. SQLite knows of one VFS for all of them.
static DISKS: Mutex<Vec<(PathBuf, Weak<Disk>)>> = Mutex::new(Vec::new());

/// Adds a disk, in place of another one for the same folder.
pub(super) fn add(root: PathBuf, disk: Weak<Disk>) {
    let mut disks = lock();
    disks.retain(|(other, _)| *other != root);
    disks.push((root, disk));
}

/// Forgets the disks that are gone.
pub(super) fn sweep() {
    lock().retain(|(_, disk)| disk.strong_count() > 0);
}

/// The disk of the innermost folder that the path, which has no symbolic links, is in.
pub(super) fn find(path: &Path) -> Option<Arc<Disk>> {
    let found = lock()
        .iter()
        .filter(|(root, _)| path.starts_with(root))
        .max_by_key(|(root, _)| root.components().count())
        .map(|(_, disk)| Weak::clone(disk));
    // Not under the lock: to drop the last reference of a disk takes it.
    found?.upgrade()
}

fn lock() -> MutexGuard<'static, Vec<(PathBuf, Weak<Disk>)>> {
    DISKS.lock().unwrap_or_else(PoisonError::into_inner)
}
