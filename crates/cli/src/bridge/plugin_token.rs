//! What the plugin proves itself with: it runs as the same user, who alone can read the file.

use std::io;
use std::path::{Path, PathBuf};

use share_model::seam::{Entropy, Files};
use share_model::{Secret, SecretHash};

use super::running::folder_beside;
use crate::error::CliError;

/// The file's name, beside the records.
const FILE: &str = "plugin.token";

/// Bytes of the file.
const FILE_BYTES_MAX: u64 = 1024;

/// Where the token of the bridge with this outbox is.
pub(crate) fn place(state_file: &Path) -> PathBuf {
    folder_beside(state_file).join(FILE)
}

/// The hash of the token in `path`; the file is made if it is missing.
///
/// # Errors
///
/// If it can't be read, made, or holds something else.
pub(super) fn open(
    path: &Path,
    files: &dyn Files,
    entropy: &dyn Entropy,
) -> Result<SecretHash, CliError> {
    let failed = |what: &str| CliError::refused(format!("{what} the file `{}`", path.display()));
    match files.read(path, FILE_BYTES_MAX) {
        Ok(bytes) => {
            let text = str::from_utf8(&bytes).unwrap_or_default();
            let token = Secret::from_text(text.trim()).ok_or_else(|| {
                failed("understand").hint("remove it: the bridge makes another one")
            })?;
            Ok(token.hash())
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let token = Secret::random(entropy);
            let text = format!("{}\n", token.to_text());
            let written = files.write_private(path, text.as_bytes());
            written.map_err(|error| failed("write").caused_by(error))?;
            Ok(token.hash())
        }
        Err(error) => Err(failed("read").caused_by(error)),
    }
}
