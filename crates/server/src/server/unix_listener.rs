//! Listening on a Unix socket, for programs of the same user on the same machine.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use async_trait::async_trait;

use super::error::ServerError;
use super::listener::{Incoming, Listener, Listening, Reach, Transport};

/// The socket while it is being made, in a folder that only its owner can enter.
const NEW: &str = "s";

/// Listens on a Unix socket, which only its owner can connect to (mode 0600). Its file is removed
/// with this.
#[derive(Debug)]
pub struct UnixListener {
    listener: tokio::net::UnixListener,
    path: PathBuf,
    address: String,
    /// Device and number of the file: another server may have put its own in its place.
    file: (u64, u64),
}

impl UnixListener {
    /// Listens on the socket at this absolute path. A file that a dead server has left there is
    /// replaced. Of two servers that start there at the same moment, the later one has the path.
    ///
    /// # Errors
    ///
    /// If a server listens there, the path is of something else, or the socket can't be made.
    pub fn bind(path: &str) -> Result<Self, ServerError> {
        let address = format!("unix:{path}");
        let path = PathBuf::from(path);
        match bind(&path) {
            Ok((listener, file)) => Ok(Self {
                listener,
                path,
                address,
                file,
            }),
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
                Err(ServerError::PortInUse { address })
            }
            Err(source) => Err(ServerError::Listen { address, source }),
        }
    }
}

fn bind(path: &Path) -> io::Result<(tokio::net::UnixListener, (u64, u64))> {
    check_free(path)?;
    // Made where nobody else gets at it before its mode is set, and moved to its place as a whole.
    let folder = path.with_file_name(format!(".s{}", std::process::id()));
    let new = folder.join(NEW);
    let made = fs::DirBuilder::new()
        .mode(0o700)
        .create(&folder)
        .and_then(|()| {
            let listener = tokio::net::UnixListener::bind(&new)?;
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600))?;
            let file = identity(&new)?;
            fs::rename(&new, path)?;
            Ok((listener, file))
        });
    // The error that is returned matters; what is left over does not.
    let _ = fs::remove_file(&new);
    let _ = fs::remove_dir(&folder);
    made
}

/// Fails if something is there that must stay.
fn check_free(path: &Path) -> io::Result<()> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !there.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
        Err(error) => Err(error),
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let there = fs::symlink_metadata(path)?;
    Ok((there.dev(), there.ino()))
}

impl Drop for UnixListener {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|there| there == self.file) {
            // What stays is replaced by the next start.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[async_trait]
impl Listener for UnixListener {
    async fn accept(&mut self) -> io::Result<Incoming> {
        let (stream, _) = self.listener.accept().await?;
        let uid = stream.peer_cred()?.uid();
        Ok(Incoming {
            transport: Transport::Unix(stream.into_std()?),
            peer: format!("unix user {uid}"),
            reach: Reach::Machine,
        })
    }

    fn listening(&self) -> Vec<Listening> {
        vec![Listening {
            address: self.address.clone(),
            reach: Reach::Machine,
        }]
    }
}
