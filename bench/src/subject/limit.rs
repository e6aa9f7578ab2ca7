//! The limit server as a process of its own: this program again.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use share_faults::{Child, KillCount};

use crate::error::BenchError;
use crate::limit::READY;

/// How long its file may take to be written.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running limit server; dropping it kills it.
pub(crate) struct LimitServer {
    child: Child,
    address: String,
}

impl LimitServer {
    pub(super) async fn start(folder: &Path) -> Result<Self, BenchError> {
        let mut command = Command::new(std::env::current_exe()?);
        command
            .arg("limit")
            .arg("--log")
            .arg(folder.join("limit.log"));
        let mut child = Child::start(command, &KillCount::default())?;
        let line = child
            .wait_for_line(|line| line.starts_with(READY), PATIENCE)
            .await?;
        let address = line[READY.len()..].to_owned();
        Ok(Self { child, address })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// `HOST:PORT`.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Ends it; there is nothing in it that anybody wants back.
    pub(super) async fn stop(mut self) -> Result<(), BenchError> {
        self.child.sigkill().await?;
        Ok(())
    }
}
