//! Copies of folders, as a restored backup of a machine or a cloned one would have them.

use std::fs;
use std::path::Path;

use super::error::RealError;

/// Copies a folder that nobody writes to, with all that is in it.
///
/// No process may hold a SQLite file of `from` open in this one: closing any descriptor of a file
/// gives up all locks that a process has on it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<(), RealError> {
    fs::create_dir_all(to).map_err(failed(to))?;
    for entry in fs::read_dir(from).map_err(failed(from))? {
        let entry = entry.map_err(failed(from))?;
        let target = to.join(entry.file_name());
        let kind = entry.file_type().map_err(failed(&entry.path()))?;
        if kind.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).map_err(failed(&entry.path()))?;
        }
    }
    Ok(())
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> RealError + use<> {
    RealError::file("copy the folder", path)
}

/// Puts a copy in the place of a folder.
pub(super) fn replace(folder: &Path, copy_of_it: &Path) -> Result<(), RealError> {
    fs::remove_dir_all(folder).map_err(RealError::file("remove the folder", folder))?;
    copy(copy_of_it, folder)
}
