//! Where the machine's registry is, and what a session is called in it.

use std::path::{Path, PathBuf};

use share_client::{Registry, RegistryError, RegistryOptions, SessionName};

use crate::error::CliError;

/// The `--registry` option.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RegistryArg {
    /// The registry file [default: SHARE_REGISTRY, else share-sessions/registry.sqlite under
    /// XDG_DATA_HOME, else under ~/.local/share]
    #[arg(
        long,
        value_name = "FILE",
        env = "SHARE_REGISTRY",
        hide_env = true,
        hide_env_values = true
    )]
    registry: Option<PathBuf>,
}

/// The names of a session.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct NameArgs {
    /// The project's name, 1 to 512 bytes
    project: String,
    /// The session's name within the project, 1 to 512 bytes
    session: String,
}

impl NameArgs {
    pub(crate) fn name(self) -> Result<SessionName, CliError> {
        SessionName::new(self.project, self.session)
            .map_err(|error| CliError::usage("that can't be a session").caused_by(error))
    }
}

impl RegistryArg {
    fn path(&self) -> Result<PathBuf, CliError> {
        if let Some(path) = &self.registry {
            return Ok(path.clone());
        }
        default_path(std::env::var_os("XDG_DATA_HOME"), std::env::home_dir()).ok_or_else(|| {
            CliError::usage("there is no home folder for the registry")
                .hint("name the file with `--registry FILE`, or set SHARE_REGISTRY")
        })
    }

    /// The folder of what the machine keeps: the registry, and what lies beside it.
    pub(crate) fn folder(&self) -> Result<PathBuf, CliError> {
        Ok(folder_of(&self.path()?))
    }

    /// Opens the registry, if there is one.
    pub(crate) fn open_if_there(&self) -> Result<Option<Registry>, CliError> {
        let path = self.path()?;
        match path.exists() {
            true => open(&path).map(Some),
            false => Ok(None),
        }
    }

    /// Opens the registry; makes it if there is none.
    pub(crate) fn open(&self) -> Result<Registry, CliError> {
        open(&self.path()?)
    }

    /// Opens the registry that is there.
    pub(crate) fn open_existing(&self) -> Result<Registry, CliError> {
        let path = self.path()?;
        if !path.exists() {
            return Err(
                CliError::refused(format!("there is no registry at `{}`", path.display()))
                    .hint("name the file with `--registry FILE`; `share open` makes one"),
            );
        }
        open(&path)
    }
}

/// The folder of what the machine keeps, by the environment; `None` if there is no home folder.
pub(crate) fn data_folder() -> Option<PathBuf> {
    let path = match std::env::var_os("SHARE_REGISTRY") {
        Some(path) if !path.is_empty() => Some(PathBuf::from(path)),
        _ => default_path(std::env::var_os("XDG_DATA_HOME"), std::env::home_dir()),
    };
    path.map(|path| folder_of(&path))
}

fn folder_of(registry: &Path) -> PathBuf {
    let folder = registry.parent();
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new(".")).to_owned()
}

fn open(path: &Path) -> Result<Registry, CliError> {
    Registry::open(path, RegistryOptions::default())
        .map_err(|error| CliError::refused("open the registry").caused_by(error))
}

fn default_path(data_home: Option<std::ffi::OsString>, home: Option<PathBuf>) -> Option<PathBuf> {
    // By the rule for such variables a relative path is as good as none.
    let data_home = data_home
        .map(PathBuf::from)
        .filter(|path| path.is_absolute());
    let home = home.filter(|home| home.is_absolute());
    let data = data_home.or_else(|| Some(home?.join(".local/share")))?;
    Some(data.join("share-sessions/registry.sqlite"))
}

/// The error of something that was attempted with a session.
pub(crate) fn failed(attempted: &str, name: &SessionName, error: RegistryError) -> CliError {
    let hint = match &error {
        RegistryError::OtherFactory { .. } => Some("`share release` frees the name"),
        RegistryError::NotRegistered { .. } => {
            Some("`share list` shows the sessions that are registered")
        }
        _ => None,
    };
    let failed = CliError::refused(format!("{attempted} session {name}")).caused_by(error);
    match hint {
        Some(hint) => failed.hint(hint),
        None => failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_registry_stands_in_the_users_data_folder() {
        let path = |data: Option<&str>, home: Option<&str>| {
            default_path(data.map(Into::into), home.map(Into::into))
        };
        let in_home = Some("/home/ann/.local/share/share-sessions/registry.sqlite".into());
        let home = Some("/home/ann");
        assert_eq!(
            path(Some("/data"), home),
            Some("/data/share-sessions/registry.sqlite".into())
        );
        assert_eq!(path(None, home), in_home);
        // Never in the current folder.
        assert_eq!(path(Some(""), home), in_home);
        assert_eq!(path(Some("data"), home), in_home);
        assert_eq!(path(Some("data"), None), None);
        assert_eq!(path(None, Some("")), None);
    }
}
