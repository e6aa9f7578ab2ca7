//! The server of a demo: a process of its own, behind the fault proxy.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use share_faults::{Child, KillCount};

use crate::demo::client::at_file;
use crate::demo::command;
use crate::error::CliError;

/// How long a server may take to answer, or to drain.
const DEADLINE: Duration = Duration::from_secs(15);

/// How servers are started; each new one goes on with the same data.
#[derive(Debug)]
pub(super) struct ServerPlace {
    /// This very program.
    pub(super) program: PathBuf,
    pub(super) data: PathBuf,
    /// Where a backup goes.
    pub(super) backup: PathBuf,
    /// The proxy's address, which stands in every ref.
    pub(super) advertise: SocketAddr,
    pub(super) kills: KillCount,
}

/// A running server.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    /// Where it listens: the way around the proxy.
    pub(super) address: SocketAddr,
}

impl ServerPlace {
    /// Starts a server and waits until it listens.
    pub(super) async fn start(&self) -> Result<Server, CliError> {
        let mut command = Command::new(&self.program);
        command.arg("serve").arg("--data").arg(&self.data);
        command.args([
            "--listen",
            "127.0.0.1:0",
            "--no-http",
            "--advertise",
            &self.advertise.to_string(),
        ]);
        command.stdin(Stdio::null());
        let attempted = |error| CliError::refused("start the server").caused_by(error);
        let mut child = Child::start(command, &self.kills).map_err(attempted)?;
        let is_ready = |line: &str| address(line).is_some();
        let line = child
            .wait_for_line(is_ready, DEADLINE)
            .await
            .map_err(attempted)?;
        let address = address(&line)
            .ok_or_else(|| CliError::refused(format!("the server's address is not in `{line}`")))?;
        Ok(Server { child, address })
    }

    /// Copies all that the running server stores.
    pub(super) async fn backup(&self) -> Result<(), CliError> {
        let mut command = Command::new(&self.program);
        command.arg("backup").arg(&self.backup).arg("--force");
        command.arg("--factory").arg(at_file(&self.factory_ref()));
        command::run(command, "back the server up").await
    }

    /// Puts the last backup in the place of what the server, which is gone, had stored.
    pub(super) async fn restore(&self) -> Result<(), CliError> {
        let mut command = Command::new(&self.program);
        command.arg("restore").arg(&self.backup);
        command.arg("--data").arg(&self.data);
        command::run(command, "restore the server").await
    }

    /// The file that holds the right to create shares.
    pub(super) fn factory_ref(&self) -> PathBuf {
        self.data.join("factory.ref")
    }
}

impl Server {
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Kills it and verifies that it is gone.
    pub(super) async fn kill(&mut self) -> Result<(), CliError> {
        let killed = self.child.sigkill().await;
        killed.map(drop).map_err(|error| {
            let seen = self.child.transcript();
            CliError::refused(format!("kill the server, whose output was:\n{seen}\n"))
                .caused_by(error)
        })
    }

    /// Asks it to end; it must do so in order.
    pub(super) async fn drain(mut self) -> Result<(), CliError> {
        let attempted = |error| CliError::refused("drain the server").caused_by(error);
        let status = self
            .child
            .sigterm_and_wait(DEADLINE)
            .await
            .map_err(attempted)?;
        if status.success() {
            return Ok(());
        }
        let seen = self.child.transcript();
        Err(CliError::refused(format!(
            "the server ended with {status}; its output:\n{seen}"
        )))
    }

    /// The end of what it said, for a message.
    pub(super) fn said(&self) -> String {
        self.child.transcript().to_string()
    }
}

/// The address in the line with which a server says that it is ready.
fn address(line: &str) -> Option<SocketAddr> {
    line.strip_prefix("listening on ")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_a_ready_server_holds_its_address() {
        let address = address("listening on 127.0.0.1:7420");
        assert_eq!(address, Some("127.0.0.1:7420".parse().unwrap()));
        assert_eq!(super::address("listening on port 7420"), None);
        assert_eq!(super::address("recovering 127.0.0.1:7420"), None);
    }
}
