//! The server's certificate: its own, kept in the data folder, or one from files.

use std::io;
use std::path::{Path, PathBuf};

use share_network::tls::{Identity, make_certificate};
use tracing::info;

use super::error::ServerError;
use super::options::CertificateSource;
use crate::seams::Seams;

/// The self-made certificate in the data folder.
pub(crate) const CERTIFICATE_FILE: &str = "tls.cert.pem";
/// Its key. Written before the certificate: where the certificate is, the key has been.
pub(crate) const KEY_FILE: &str = "tls.key.pem";
/// Bytes of either file: room for a chain to an authority.
pub(crate) const FILE_BYTES_MAX: u64 = 256 << 10;

/// Where certificate and key are.
pub(super) struct Place<'a> {
    pub(super) data: &'a Path,
    pub(super) source: &'a CertificateSource,
}

impl Place<'_> {
    /// What the server shows; makes the self-made certificate if there is none, for `hosts`.
    pub(super) fn open(&self, seams: &Seams, hosts: &[String]) -> Result<Identity, ServerError> {
        let CertificateSource::SelfMade = self.source else {
            return self.read(seams);
        };
        let (certificate, key) = self.files();
        match (exists(seams, &certificate)?, exists(seams, &key)?) {
            (true, true) => {}
            // Refs pin the certificate: another one would end them all, unasked.
            (true, false) => return Err(ServerError::KeyMissing { certificate, key }),
            // A key alone was never served.
            (false, _) => make(seams, &certificate, &key, hosts)?,
        }
        self.read(seams)
    }

    /// Reads the files as they are now.
    pub(super) fn read(&self, seams: &Seams) -> Result<Identity, ServerError> {
        let (certificate, key) = self.files();
        let read = |path: &Path| {
            let bytes = seams.files.read(path, FILE_BYTES_MAX);
            bytes.map_err(|source| failed("read", path, source))
        };
        let (certificates, key) = (read(&certificate)?, read(&key)?);
        Identity::from_pem(&certificates, &key).map_err(|source| ServerError::Certificate {
            file: certificate,
            source,
        })
    }

    fn files(&self) -> (PathBuf, PathBuf) {
        match self.source {
            CertificateSource::SelfMade => {
                (self.data.join(CERTIFICATE_FILE), self.data.join(KEY_FILE))
            }
            CertificateSource::Files { certificate, key } => (certificate.clone(), key.clone()),
        }
    }
}

fn exists(seams: &Seams, file: &Path) -> Result<bool, ServerError> {
    match seams.files.read(file, FILE_BYTES_MAX) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(failed("read", file, source)),
    }
}

fn make(
    seams: &Seams,
    certificate: &Path,
    key: &Path,
    hosts: &[String],
) -> Result<(), ServerError> {
    let made = make_certificate(hosts).map_err(|source| ServerError::Certificate {
        file: certificate.to_owned(),
        source,
    })?;
    let write = |path: &Path, text: &str| {
        let written = seams.files.write_private(path, text.as_bytes());
        written.map_err(|source| failed("write", path, source))
    };
    write(key, &made.key)?;
    write(certificate, &made.certificate)?;
    info!(file = %certificate.display(), "certificate made");
    Ok(())
}

fn failed(doing: &'static str, path: &Path, source: io::Error) -> ServerError {
    ServerError::File {
        doing,
        path: path.to_owned(),
        source,
    }
}
