//! The `share` command of the same build.

use std::path::{Path, PathBuf};

/// Where it lies: two folders above the test that asks.
///
/// # Panics
///
/// If it was not built.
#[must_use]
pub fn share_binary() -> PathBuf {
    let program = std::env::current_exe().expect("this program has a path");
    let folder = program.parent().and_then(Path::parent);
    let share = folder.expect("it lies in `deps`").join("share");
    let missing = "build it with `cargo build -p share-cli`, or test the whole workspace";
    assert!(share.is_file(), "no {}: {missing}", share.display());
    share
}
