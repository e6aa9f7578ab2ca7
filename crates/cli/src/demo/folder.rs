//! The folder in which a run keeps its files.

use std::path::{Path, PathBuf};

use share_model::seam::{Files, SystemFiles};
use tempfile::TempDir;

use crate::error::CliError;
use crate::ui;

/// A folder that is new or empty at the beginning.
#[derive(Debug)]
pub(super) enum DataFolder {
    /// The user's; stays.
    Given(PathBuf),
    /// Removed when it is closed or dropped.
    Temporary(TempDir),
    /// Not removed.
    Kept(PathBuf),
}

impl DataFolder {
    /// The folder that the user named, else a temporary one.
    pub(super) fn open(given: Option<&Path>, keep: bool) -> Result<Self, CliError> {
        let Some(path) = given else {
            let folder = tempfile::Builder::new()
                .prefix("share-demo-")
                .tempdir()
                .map_err(|error| CliError::refused("make a temporary folder").caused_by(error))?;
            return Ok(if keep {
                Self::Kept(folder.keep())
            } else {
                Self::Temporary(folder)
            });
        };
        let attempted = || CliError::refused(format!("use the folder `{}`", path.display()));
        SystemFiles
            .create_private_dir(path)
            .map_err(|error| attempted().caused_by(error))?;
        let mut entries = path
            .read_dir()
            .map_err(|error| attempted().caused_by(error))?;
        if entries.next().is_some() {
            return Err(
                CliError::refused(format!("the folder `{}` is not empty", path.display()))
                    .hint("give a folder that is new or empty to `--data`"),
            );
        }
        let path = std::path::absolute(path).map_err(|error| attempted().caused_by(error))?;
        Ok(Self::Given(path))
    }

    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Given(path) | Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }

    /// Removes it, or says where it is.
    pub(super) fn close(self) -> Result<(), CliError> {
        match self {
            Self::Given(path) | Self::Kept(path) => {
                ui::note(format!("all files are in {}", path.display()));
                Ok(())
            }
            Self::Temporary(folder) => folder
                .close()
                .map_err(|error| CliError::refused("remove the temporary folder").caused_by(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_temporary_folder_goes_and_a_kept_or_given_one_stays() {
        let temporary = DataFolder::open(None, false).unwrap();
        let path = temporary.path().to_owned();
        assert!(path.is_dir());
        drop(temporary);
        assert!(!path.exists());
        let kept = DataFolder::open(None, true).unwrap();
        let path = kept.path().to_owned();
        kept.close().unwrap();
        assert!(path.is_dir());
        std::fs::remove_dir(&path).unwrap();
        let given = DataFolder::open(Some(&path), false).unwrap();
        given.close().unwrap();
        assert!(path.is_dir());
        std::fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn a_folder_with_something_in_it_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mine"), "").unwrap();
        let error = DataFolder::open(Some(folder.path()), false)
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("is not empty"), "{error}");
        assert!(folder.path().join("mine").exists());
    }
}
