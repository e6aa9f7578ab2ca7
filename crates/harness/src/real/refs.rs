//! Files of refs, one a line, by which agents are told which shares they have.

use std::path::Path;

use share_model::ShareRef;
use share_model::seam::{Files, SystemFiles};

use super::error::RealError;

const BYTES_MAX: u64 = 1 << 20;

/// Replaces the file.
pub(super) fn write(path: &Path, refs: &[ShareRef]) -> Result<(), RealError> {
    let lines: Vec<_> = refs.iter().map(ShareRef::expose).collect();
    let written = SystemFiles.write_private(path, lines.join("\n").as_bytes());
    written.map_err(RealError::file("write the refs", path))
}

/// The refs of a file.
pub(super) fn read(path: &Path) -> Result<Vec<ShareRef>, RealError> {
    let bytes = SystemFiles.read(path, BYTES_MAX);
    let bytes = bytes.map_err(RealError::file("read the refs", path))?;
    let text = String::from_utf8_lossy(&bytes);
    text.lines()
        .map(|line| {
            line.parse().map_err(|source| RealError::Ref {
                path: path.to_owned(),
                source,
            })
        })
        .collect()
}
