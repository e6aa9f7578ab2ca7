//! The client of a demo: `share push` as a process of its own, whose outbox outlives it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use share_faults::{Child, KillCount};
use share_model::seam::{Files, SystemFiles};

use crate::demo::command;
use crate::error::CliError;

/// The longest pause between two tries to reach the server. Short: the demo breaks connections
/// many times, and nobody wants to watch back-off.
const RETRY_MS_MAX: u32 = 40;

/// How long a client may take to hand over what it holds and end.
const DEADLINE: Duration = Duration::from_secs(20);

/// How clients are started; each new one goes on with the same outbox.
#[derive(Debug)]
pub(super) struct ClientPlace {
    /// This very program.
    pub(super) program: PathBuf,
    /// The file with the share's ref, which leads through the proxy.
    pub(super) share_ref: PathBuf,
    /// The outbox.
    pub(super) state: PathBuf,
    pub(super) batch_ops: u32,
    pub(super) in_flight: u32,
    pub(super) kills: KillCount,
}

/// A running client.
#[derive(Debug)]
pub(super) struct Client {
    child: Child,
}

impl ClientPlace {
    /// Creates a share, whose owner's ref is kept for the clients.
    pub(super) async fn create_share(&self, factory_ref: &Path) -> Result<(), CliError> {
        let attempted = |error| CliError::refused("create a share").caused_by(error);
        let mut command = Command::new(&self.program);
        command.args(["create", "--title", "demo"]);
        command.arg("--factory").arg(at_file(factory_ref));
        command.arg("--state").arg(&self.state);
        command.stdin(Stdio::null());
        let mut child = Child::start(command, &KillCount::default()).map_err(attempted)?;
        let is_ref = |line: &str| line.starts_with("share://");
        let line = child
            .wait_for_line(is_ref, DEADLINE)
            .await
            .map_err(attempted)?;
        let status = child.wait(DEADLINE).await.map_err(attempted)?;
        if !status.success() {
            let seen = child.transcript();
            return Err(CliError::refused(format!(
                "`share create` ended with {status}; its output:\n{seen}"
            )));
        }
        SystemFiles
            .write_private(&self.share_ref, line.as_bytes())
            .map_err(|error| {
                CliError::refused(format!("write `{}`", self.share_ref.display())).caused_by(error)
            })
    }

    /// Copies the folder of a client that is gone, as a restored backup or a cloned machine would.
    /// `number` tells copies apart.
    pub(super) async fn copy(&self, number: u64) -> Result<(), CliError> {
        // By a process of its own, as for the copy's replay: closing any descriptor of a file gives
        // up all locks that a process has on it, SQLite's among them.
        let mut copying = Command::new("cp");
        copying.arg("-R").arg(self.folder()?);
        copying.arg(self.folder_of_copy(number)?);
        command::run(copying, "copy the client's folder").await
    }

    /// Lets a copy send what it holds.
    pub(super) async fn replay_copy(&self, number: u64) -> Result<(), CliError> {
        let file = self.state.file_name().ok_or_else(no_folder)?;
        let mut command = Command::new(&self.program);
        command.arg("replay").arg("--state");
        command.arg(self.folder_of_copy(number)?.join(file));
        command::run(command, "let the copy of the client send what it holds").await
    }

    fn folder(&self) -> Result<&Path, CliError> {
        self.state.parent().ok_or_else(no_folder)
    }

    fn folder_of_copy(&self, number: u64) -> Result<PathBuf, CliError> {
        Ok(self
            .folder()?
            .with_file_name(format!("client-copy-{number}")))
    }

    /// Starts a client that reads the recording from `stdin`.
    pub(super) fn start(&self, stdin: Stdio) -> Result<Client, CliError> {
        let mut command = Command::new(&self.program);
        command
            .arg("push")
            .arg(at_file(&self.share_ref))
            .arg("-")
            .arg("--state")
            .arg(&self.state);
        for (option, value) in [
            ("--batch-ops", self.batch_ops),
            ("--in-flight", self.in_flight),
            ("--retry-max-ms", RETRY_MS_MAX),
        ] {
            command.arg(option).arg(value.to_string());
        }
        command.stdin(stdin);
        Child::start(command, &self.kills)
            .map(|child| Client { child })
            .map_err(|error| CliError::refused("start the client").caused_by(error))
    }
}

fn no_folder() -> CliError {
    CliError::refused("the client has no folder")
}

/// A ref's file as an argument.
pub(super) fn at_file(path: &Path) -> OsString {
    let mut argument = OsString::from("@");
    argument.push(path);
    argument
}

impl Client {
    pub(super) fn pid(&self) -> u32 {
        self.child.pid()
    }

    /// Kills it and verifies that it is gone.
    pub(super) async fn kill(&mut self) -> Result<(), CliError> {
        let killed = self.child.sigkill().await;
        killed.map(drop).map_err(|error| {
            let seen = self.child.transcript();
            CliError::refused(format!("kill the client, whose output was:\n{seen}\n"))
                .caused_by(error)
        })
    }

    /// Waits until it has handed over everything and ended well; its input must have an end.
    pub(super) async fn finish(mut self) -> Result<(), CliError> {
        let attempted = |error| CliError::refused("wait for the client's end").caused_by(error);
        let status = self.child.wait(DEADLINE).await.map_err(attempted)?;
        if status.success() {
            return Ok(());
        }
        let seen = self.child.transcript();
        Err(CliError::refused(format!(
            "the client ended with {status}; its output:\n{seen}"
        )))
    }

    /// The end of what it said, for a message.
    pub(super) fn said(&self) -> String {
        self.child.transcript().to_string()
    }
}
