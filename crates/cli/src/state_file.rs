//! Where the outbox is.

use std::path::{Path, PathBuf};

use share_client::{Outbox, OutboxOptions};

use crate::error::CliError;

/// The `--state` option.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct StateArg {
    /// The outbox file [default: SHARE_STATE, else .opencode/state/share.sqlite under the nearest
    /// folder with .git, else under the current one]
    #[arg(long, value_name = "FILE", env = "SHARE_STATE", hide_env = true)]
    state: Option<PathBuf>,
}

impl StateArg {
    /// The file that is meant.
    pub(crate) fn path(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.state {
            return Ok(path.clone());
        }
        let here = std::env::current_dir()
            .map_err(|error| CliError::refused("find the current folder").caused_by(error))?;
        Ok(default_path(&here))
    }

    /// Opens the outbox; makes it if there is none.
    pub(crate) fn open(&self, options: OutboxOptions) -> Result<Outbox, CliError> {
        let path = self.path()?;
        Outbox::open(&path, options).map_err(|error| {
            CliError::refused(format!("open the outbox `{}`", path.display())).caused_by(error)
        })
    }

    /// Opens the outbox that is there.
    pub(crate) fn open_existing(&self, options: OutboxOptions) -> Result<Outbox, CliError> {
        self.existing()?;
        self.open(options)
    }

    /// The file that is meant, if it is there.
    pub(crate) fn existing(&self) -> Result<PathBuf, CliError> {
        let path = self.path()?;
        if !path.exists() {
            return Err(
                CliError::refused(format!("there is no outbox at `{}`", path.display()))
                    .hint("name the file with `--state FILE`; `share append` makes one"),
            );
        }
        Ok(path)
    }

    /// What to add to a command so that it means the same outbox: empty, or begins with a space.
    pub(crate) fn as_typed(&self) -> String {
        let Some(path) = &self.state else {
            return String::new();
        };
        let path = path.display().to_string();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:,@%".contains(c);
        match path.chars().all(is_plain) {
            true => format!(" --state {path}"),
            false => format!(" --state '{}'", path.replace('\'', r"'\''")),
        }
    }
}

fn default_path(here: &Path) -> PathBuf {
    let root = here
        .ancestors()
        .find(|folder| folder.join(".git").exists())
        .unwrap_or(here);
    root.join(".opencode/state/share.sqlite")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outbox_stands_beside_the_nearest_git_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).unwrap();
        assert_eq!(
            default_path(&inner),
            inner.join(".opencode/state/share.sqlite")
        );
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        assert_eq!(
            default_path(&inner),
            folder.path().join(".opencode/state/share.sqlite")
        );
    }
}
