//! Files that a simulated process left open when it died.
//!
//! The system closes the files of a process that ends, and so ends their locks. A simulated process
//! ends by being dropped, and what its parts hold of each other in a circle is not: the lock that
//! such a part has would keep the next process of the machine out.

use std::fs;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::Path;

/// Closes the files below `root` with one of these names that are still open in this process; says
/// how many. Those who have them must never be run again. Elsewhere than on Linux: none.
pub(crate) fn close_left_open(root: &Path, names: &[&str]) -> usize {
    let Ok(root) = fs::canonicalize(root) else {
        return 0;
    };
    let Ok(open) = fs::read_dir("/proc/self/fd") else {
        return 0;
    };
    let left: Vec<RawFd> = open
        .flatten()
        .filter(|entry| {
            let file = fs::read_link(entry.path()).unwrap_or_default();
            let is_named = file
                .file_name()
                .is_some_and(|name| names.iter().any(|it| name == *it));
            is_named && file.starts_with(&root)
        })
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for file in &left {
        #[expect(
            unsafe_code,
            reason = "whoever owned the file was leaked, and is never run again"
        )]
        // SAFETY: the descriptor is open, and nobody else will ever use it or close it.
        drop(unsafe { OwnedFd::from_raw_fd(*file) });
    }
    left.len()
}

#[cfg(test)]
mod tests {
    use share_model::seam::{Files, SystemFiles};

    use super::*;

    #[test]
    fn a_lock_that_nobody_lets_go_of_ends_with_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let held = SystemFiles.try_lock(&path).unwrap();
        assert!(held.is_some());
        std::mem::forget(held);
        assert!(SystemFiles.try_lock(&path).unwrap().is_none());
        assert_eq!(close_left_open(folder.path(), &["other"]), 0);
        assert_eq!(close_left_open(folder.path(), &["lock"]), 1);
        assert!(SystemFiles.try_lock(&path).unwrap().is_some());
    }
}
