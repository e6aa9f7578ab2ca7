//! The machine's owner: the key to which a grant may be sealed.

use std::io;
use std::path::{Path, PathBuf};

use share_model::seam::{Files, SystemEntropy, SystemFiles};
use share_model::{OwnerKey, Secret};

use crate::error::CliError;
use crate::{minting, registry_arg};

/// Bytes of the file that holds the key.
const FILE_BYTES_MAX: u64 = 1024;

/// The machine's key, if it has one; it opens refs that are sealed to it.
pub(crate) fn held() -> Result<Option<OwnerKey>, CliError> {
    match registry_arg::data_folder() {
        Some(folder) => read(&path_in(&folder)),
        None => Ok(None),
    }
}

/// The machine's key, made if it has none.
pub(crate) fn held_or_made() -> Result<OwnerKey, CliError> {
    let folder = registry_arg::data_folder().ok_or_else(|| {
        CliError::usage("there is no home folder for this machine's key")
            .hint("set SHARE_REGISTRY to the registry's file: the key lies beside it")
    })?;
    held_or_made_in(&folder)
}

fn held_or_made_in(folder: &Path) -> Result<OwnerKey, CliError> {
    let path = path_in(folder);
    if let Some(key) = read(&path)? {
        return Ok(key);
    }
    let key = OwnerKey::random(&SystemEntropy::default());
    let text = Secret::from_bytes(*key.expose()).to_text() + "\n";
    let made = SystemFiles
        .create_private_dir(folder)
        .and_then(|()| minting::place_new(&path, text.as_bytes()));
    match made {
        Ok(()) => Ok(key),
        // Another process was first: its key is the machine's.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| unreadable(&path))
        }
        Err(error) => Err(CliError::refused(format!(
            "write this machine's key to `{}`",
            path.display()
        ))
        .caused_by(error)),
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join("owner.key")
}

fn read(path: &Path) -> Result<Option<OwnerKey>, CliError> {
    let bytes = match SystemFiles.read(path, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path).caused_by(error)),
    };
    if is_open_to_others(path) {
        return Err(CliError::refused(format!(
            "this machine's key in `{}` is open to others than its owner",
            path.display()
        ))
        .hint(format!(
            "`chmod 600 {}`; if somebody may have read it, ask for refs that are sealed to a new key",
            path.display()
        )));
    }
    let text = String::from_utf8(bytes).map_err(|_| unreadable(path))?;
    let seed = Secret::from_text(text.trim()).ok_or_else(|| unreadable(path))?;
    Ok(Some(OwnerKey::from_bytes(*seed.expose())))
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    std::fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> bool {
    false
}

fn unreadable(path: &Path) -> CliError {
    CliError::refused(format!(
        "`{}` does not hold this machine's key",
        path.display()
    ))
    .hint("what is sealed to the key opens with it only: bring the file back from a backup")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_read_by_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("data");
        let made = held_or_made_in(&folder).unwrap();
        assert_eq!(held_or_made_in(&folder).unwrap().id(), made.id());
        let path = path_in(&folder);
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = held_or_made_in(&folder).unwrap_err();
        assert!(error.to_string().contains("is open to others"), "{error}");
    }

    #[test]
    fn a_key_is_stored_as_base64url_and_nothing_else_is_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_in(folder.path());
        assert!(read(&path).unwrap().is_none());
        let text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n";
        minting::place_new(&path, text.as_bytes()).unwrap();
        let key = read(&path).unwrap().unwrap();
        assert_eq!(key.expose(), &[0; 32]);
        std::fs::remove_file(&path).unwrap();
        minting::place_new(&path, b"AAAA\n").unwrap();
        let error = read(&path).unwrap_err();
        assert!(error.to_string().contains("does not hold"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), b"AAAA\n");
    }
}
