//! The disk's limit: the same bytes into one preallocated file, with a `fdatasync` for each group.
//!
//! No server can acknowledge durable ops faster than this on the same disk, so every figure stands
//! beside it, from the same run.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use tokio::time::Instant;

use crate::load::Load;
use crate::report::Samples;

/// The file is written round and round; it is never grown while time is taken.
const FILE_BYTES: usize = 256 << 20;

/// Writes what all writers of `load` send at once, then syncs, for `duration`.
///
/// # Errors
///
/// As the file system fails.
pub(crate) fn run(folder: &Path, load: Load, duration: Duration) -> io::Result<Samples> {
    let path = folder.join("probe");
    let mut file = preallocated(&path)?;
    let group = vec![0x5a; load.writers * load.batch_ops * load.op_bytes];
    let group_ops = (load.writers * load.batch_ops) as u64;
    let mut samples = Samples::default();
    let (begin, mut at) = (Instant::now(), 0);
    while begin.elapsed() < duration {
        if at + group.len() > FILE_BYTES {
            file.seek(SeekFrom::Start(0))?;
            at = 0;
        }
        let before = Instant::now();
        file.write_all(&group)?;
        file.sync_data()?;
        samples.add(before.elapsed(), group_ops);
        at += group.len();
    }
    samples.end(begin.elapsed());
    std::fs::remove_file(path)?;
    Ok(samples)
}

/// A file that is written over from its front.
///
/// # Errors
///
/// As the file system fails.
pub(crate) fn preallocated(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    let block = vec![0; 1 << 20];
    for _ in 0..FILE_BYTES / block.len() {
        file.write_all(&block)?;
    }
    file.sync_all()?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file)
}
