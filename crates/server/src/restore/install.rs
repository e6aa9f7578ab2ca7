//! The step in which a restore happens, and its completion.
//!
//! What was made ready lies in `restore.staging`. Renaming that to `restore.committed` decides; the
//! rest is done by whoever holds the folder's lock next, from wherever a crash left it: what was
//! there moves into the folder that is kept aside; `restore.installing` says that all of it has, and
//! what is new moves to its place. Nothing is deleted but what the restore itself made.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::path::Path;

use tracing::warn;

use super::ASIDE;
use crate::store::sqlite::LOCK;

/// Being made ready; of no use after a crash.
pub(crate) const STAGING: &str = "restore.staging";
/// Decided; what was there moves aside.
const COMMITTED: &str = "restore.committed";
/// What was there is aside; what is new moves to its place.
const INSTALLING: &str = "restore.installing";
/// The new content, in each of these.
pub(crate) const NEW: &str = "new";
/// The file in each of these that names the folder in which the old content is kept.
pub(crate) const ASIDE_FILE: &str = "aside";

/// Called between any two steps; an error ends the work there, as a crash would.
pub(crate) type Step<'a> = &'a mut dyn FnMut(&'static str) -> io::Result<()>;

/// Decides for what is in the staging folder.
pub(super) fn decide(folder: &Path, step: Step<'_>) -> io::Result<()> {
    let staging = folder.join(STAGING);
    sync_folder(&staging)?;
    step("synced")?;
    fs::rename(staging, folder.join(COMMITTED))?;
    sync_folder(folder)?;
    step("decided")
}

/// Completes what a crash interrupted. Only for who holds the folder's lock.
pub(crate) fn recover(folder: &Path) -> io::Result<()> {
    let is_decided = [COMMITTED, INSTALLING]
        .iter()
        .any(|name| folder.join(name).exists());
    if is_decided {
        warn!(folder = %folder.display(), "a restore that was interrupted is completed");
    }
    finish(folder, &mut |_| Ok(()))
}

/// Completes a restore that was decided, if there is one, and removes one that was not. Only for who
/// holds the folder's lock.
pub(super) fn finish(folder: &Path, step: Step<'_>) -> io::Result<()> {
    let committed = folder.join(COMMITTED);
    if committed.exists() {
        let aside = folder.join(aside_name(&committed)?);
        move_aside(folder, &aside, step)?;
        step("aside")?;
        fs::rename(&committed, folder.join(INSTALLING))?;
        sync_folder(folder)?;
        step("installing")?;
    }
    let installing = folder.join(INSTALLING);
    if installing.exists() {
        move_in(&installing.join(NEW), folder, step)?;
        step("installed")?;
        fs::remove_dir_all(&installing)?;
        sync_folder(folder)?;
        step("finished")?;
    }
    let staging = folder.join(STAGING);
    if staging.exists() {
        fs::remove_dir_all(&staging)?;
    }
    Ok(())
}

/// Whether there is anything that a restore would move aside.
pub(super) fn has_content(folder: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(folder)? {
        if is_content(&entry?.file_name().to_string_lossy()) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a restore moves this aside: everything but the lock, which is held, and what restores
/// made.
fn is_content(name: &str) -> bool {
    let ours = [STAGING, COMMITTED, INSTALLING, LOCK];
    !ours.contains(&name) && !name.starts_with(ASIDE)
}

fn aside_name(committed: &Path) -> io::Result<String> {
    let name = fs::read_to_string(committed.join(ASIDE_FILE))?;
    if name.starts_with(ASIDE) && !name.contains(['/', '\\']) {
        Ok(name)
    } else {
        Err(io::ErrorKind::InvalidData.into())
    }
}

fn move_aside(folder: &Path, aside: &Path, step: Step<'_>) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    // An attempt before may have made it.
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(aside)?;
    for name in names(folder)? {
        if is_content(&name.to_string_lossy()) {
            fs::rename(folder.join(&name), aside.join(&name))?;
            step("moved aside")?;
        }
    }
    if names(aside)?.is_empty() {
        fs::remove_dir(aside)?;
    } else {
        sync_folder(aside)?;
    }
    sync_folder(folder)
}

fn move_in(new: &Path, folder: &Path, step: Step<'_>) -> io::Result<()> {
    let names = match names(new) {
        Ok(names) => names,
        // Moved, and being removed.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for name in names {
        if name != LOCK {
            fs::rename(new.join(&name), folder.join(&name))?;
            step("moved in")?;
        }
    }
    sync_folder(folder)
}

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(folder)?;
    entries.map(|entry| Ok(entry?.file_name())).collect()
}

/// Makes the names in a folder durable.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
