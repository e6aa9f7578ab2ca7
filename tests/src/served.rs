//! A real server that speaks HTTP.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::time::Duration;

use share_faults::{Child, KillCount};
use tempfile::TempDir;

use crate::binary::share_binary;

/// For whatever comes about in the end.
const PATIENCE: Duration = Duration::from_secs(90);

/// `share serve`, which is killed when this is dropped.
#[derive(Debug)]
pub struct Served {
    /// Its process.
    pub child: Child,
    /// Where it serves HTTP.
    pub http: SocketAddr,
}

impl Served {
    /// Serves the data of `folder`, by HTTP at the address; a new server goes on with the same data.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start(folder: &TempDir, http: &str, kills: &KillCount) -> Self {
        let mut command = Command::new(share_binary());
        command
            .args(["serve", "--data", "data", "--listen", "127.0.0.1:0"])
            .args(["--http", http])
            .current_dir(folder.path())
            .env_clear()
            .env("HOME", folder.path())
            .stdin(Stdio::null());
        let mut child = Child::start(command, kills).expect("it can be started");
        let is_ready = |line: &str| line.starts_with("http on ");
        let line = child.wait_for_line(is_ready, PATIENCE).await;
        let line = line.expect("it says where it serves HTTP");
        let http = line.trim().strip_prefix("http on http://");
        let http = http.and_then(|http| http.parse().ok());
        let http = http.expect("it is an address");
        Self { child, http }
    }
}
