//! The file with the factory's ref, in the data folder, for whoever may read that folder.

use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use share_model::{FactoryRef, GrantId, Secret, Security};

use crate::seams::Seams;
use crate::server::ServerError;

/// The file's name in the data folder.
pub(crate) const FILE: &str = "factory.ref";
/// Bytes of the file; a ref has fewer.
const FILE_BYTES_MAX: u64 = 8192;

/// A new ref, without addresses.
pub(super) fn mint(seams: &Seams) -> FactoryRef {
    FactoryRef {
        addresses: Vec::new(),
        grant: GrantId::new(&*seams.clock, &*seams.entropy),
        security: Security::ByAddress,
        secret: Secret::random(&*seams.entropy),
    }
}

/// The ref that the file has; `None`: there is no file.
pub(crate) fn read_file(seams: &Seams, file: &Path) -> Result<Option<FactoryRef>, ServerError> {
    let bytes = match seams.files.read(file, FILE_BYTES_MAX) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed("read", file, source)),
    };
    let text = String::from_utf8_lossy(&bytes);
    FactoryRef::from_str(text.trim())
        .map(Some)
        .map_err(|source| ServerError::FactoryFile {
            file: file.to_owned(),
            source,
        })
}

/// Replaces the file, durably.
pub(super) fn write_file(
    seams: &Seams,
    file: &Path,
    factory: &FactoryRef,
) -> Result<(), ServerError> {
    let text = format!("{}\n", factory.expose());
    seams
        .files
        .write_private(file, text.as_bytes())
        .map_err(|source| failed("write", file, source))
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> ServerError {
    let path: PathBuf = path.to_owned();
    ServerError::File {
        doing,
        path,
        source,
    }
}
