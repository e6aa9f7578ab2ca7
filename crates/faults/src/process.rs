//! Real processes: started, waited for, killed, and verified to be gone.

mod output;

use std::{
    io,
    os::unix::process::ExitStatusExt,
    process::{Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, Signal, kill_process, test_kill_process},
};
use tokio::time::timeout;

use self::output::Output;
pub use self::output::Transcript;

/// How many processes were really killed; clones count together.
#[derive(Debug, Clone, Default)]
pub struct KillCount(Arc<AtomicU64>);

impl KillCount {
    /// The kills so far, each verified.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What went wrong with a child process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the messages name the fields")]
pub enum ProcessError {
    /// It could not be started.
    #[error("`{program}` could not be started")]
    Start { program: String, source: io::Error },
    /// The system refused to signal it or to wait for it.
    #[error("process {pid} could not be signalled or waited for")]
    Control { pid: u32, source: io::Error },
    /// It had ended by itself before the kill.
    #[error("process {pid} had already ended with {status} when it was to be killed")]
    EndedBeforeKill { pid: u32, status: ExitStatus },
    /// It was killed and reaped, yet something still answers to its id.
    #[error("process {pid} still exists after it was killed and reaped")]
    NotGone { pid: u32 },
    /// It did not end in time.
    #[error("process {pid} did not end within {deadline:?}; its output:\n{seen}")]
    NotEnded {
        pid: u32,
        deadline: Duration,
        seen: Transcript,
    },
    /// The line that was waited for did not come in time.
    #[error("process {pid} did not print the line within {deadline:?}; its output:\n{seen}")]
    LineTimeout {
        pid: u32,
        deadline: Duration,
        seen: Transcript,
    },
    /// It closed its stdout before the line that was waited for.
    #[error("process {pid} closed its stdout without printing the line; its output:\n{seen}")]
    OutputEnded { pid: u32, seen: Transcript },
}

/// A running child process; dropping it kills it.
///
/// Only the process itself is signalled, not what it has started in turn.
#[derive(Debug)]
pub struct Child {
    process: tokio::process::Child,
    pid: Pid,
    output: Output,
    kills: KillCount,
}

impl Child {
    /// Starts `command` with stdout and stderr piped; stdin stays as the command says. `kills`
    /// counts this process too, once it was killed. Needs a runtime with I/O and time enabled.
    ///
    /// # Errors
    ///
    /// [`ProcessError::Start`] if the program can't be run.
    pub fn start(command: Command, kills: &KillCount) -> Result<Child, ProcessError> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut process = tokio::process::Command::from(command)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|source| ProcessError::Start { program, source })?;
        let pid = process.id().and_then(|id| i32::try_from(id).ok());
        let pid = pid.and_then(Pid::from_raw);
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        Ok(Child {
            process,
            pid: pid.expect("a child that was not waited for has a positive id"),
            output: Output::read(
                stdout.expect("stdout was just piped"),
                stderr.expect("stderr was just piped"),
            ),
            kills: kills.clone(),
        })
    }

    /// The id of the process, also when it has ended.
    pub fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The last lines that it has printed, for a message.
    pub fn transcript(&self) -> Transcript {
        self.output.transcript()
    }

    /// The next line of stdout; `None` when it is closed.
    ///
    /// No line is lost: a process that prints more than anyone reads is held back, as by any pipe.
    /// A line longer than 1 MiB comes in pieces of that size.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: a line not returned is the next one still.
    pub async fn next_line(&mut self) -> Option<String> {
        self.output.next_line().await
    }

    /// Reads stdout up to the first line that is `wanted`, and returns it.
    ///
    /// # Errors
    ///
    /// [`ProcessError::LineTimeout`] or [`ProcessError::OutputEnded`], with what was seen so far.
    pub async fn wait_for_line(
        &mut self,
        mut wanted: impl FnMut(&str) -> bool,
        deadline: Duration,
    ) -> Result<String, ProcessError> {
        let line = timeout(deadline, async {
            while let Some(line) = self.output.next_line().await {
                if wanted(&line) {
                    return Some(line);
                }
            }
            // What it said on stderr is likely the reason, and may still be under way.
            self.output.ended().await;
            None
        })
        .await;
        let (pid, seen) = (self.pid(), self.transcript());
        match line {
            Ok(Some(line)) => Ok(line),
            Ok(None) => Err(ProcessError::OutputEnded { pid, seen }),
            Err(_) => Err(ProcessError::LineTimeout {
                pid,
                deadline,
                seen,
            }),
        }
    }

    /// Waits until the process ends by itself.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotEnded`] after `deadline`; the process lives on.
    pub async fn wait(&mut self, deadline: Duration) -> Result<ExitStatus, ProcessError> {
        match timeout(deadline, self.process.wait()).await {
            Ok(status) => status.map_err(|source| self.control(source)),
            Err(_) => Err(ProcessError::NotEnded {
                pid: self.pid(),
                deadline,
                seen: self.transcript(),
            }),
        }
    }

    /// Asks the process to end (SIGTERM) and waits for that. One that has ended already is fine.
    ///
    /// # Errors
    ///
    /// [`ProcessError::NotEnded`] after `deadline`; the process lives on.
    pub async fn sigterm_and_wait(
        &mut self,
        deadline: Duration,
    ) -> Result<ExitStatus, ProcessError> {
        // Reaped here, its id may be another process's by now; not reaped, it can't be.
        let ended = self.process.try_wait();
        if ended.map_err(|source| self.control(source))?.is_none() {
            kill_process(self.pid, Signal::TERM).map_err(|errno| self.control(errno.into()))?;
        }
        self.wait(deadline).await
    }

    /// Kills the process (SIGKILL), reaps it and verifies that it is gone; only then is it counted.
    /// No process can ignore it, but one stuck in the kernel ends late: bound the wait as you need.
    ///
    /// # Errors
    ///
    /// [`ProcessError::EndedBeforeKill`] if it was not this signal that ended it;
    /// [`ProcessError::NotGone`] if its id still answers.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the signal is sent; a second call then reaps, verifies and counts.
    pub async fn sigkill(&mut self) -> Result<ExitStatus, ProcessError> {
        let pid = self.pid();
        // Once it is reaped there is nothing to signal; until then its id is its own.
        if self.process.id().is_some() {
            let sent = self.process.start_kill();
            sent.map_err(|source| self.control(source))?;
        }
        let waited = self.process.wait().await;
        let status = waited.map_err(|source| self.control(source))?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            return Err(ProcessError::EndedBeforeKill { pid, status });
        }
        if test_kill_process(self.pid) != Err(Errno::SRCH) {
            return Err(ProcessError::NotGone { pid });
        }
        self.kills.0.fetch_add(1, Ordering::Relaxed);
        Ok(status)
    }

    fn control(&self, source: io::Error) -> ProcessError {
        ProcessError::Control {
            pid: self.pid(),
            source,
        }
    }
}
