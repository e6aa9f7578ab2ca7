//! A command of this program that is run to its end.

use std::process::{Command, Stdio};
use std::time::Duration;

use share_faults::{Child, KillCount};

use crate::error::CliError;

/// How long it may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Runs it; it must end well.
pub(super) async fn run(mut command: Command, what: &str) -> Result<(), CliError> {
    let attempted = |error| CliError::refused(what).caused_by(error);
    command.stdin(Stdio::null());
    let mut child = Child::start(command, &KillCount::default()).map_err(attempted)?;
    let status = child.wait(DEADLINE).await.map_err(attempted)?;
    if status.success() {
        return Ok(());
    }
    let seen = child.transcript();
    Err(CliError::refused(format!(
        "{what}: it ended with {status}; its output:\n{seen}"
    )))
}
