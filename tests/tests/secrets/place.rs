//! Real `share` processes whose every word is kept.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A folder in which processes run that log all they can.
pub(crate) struct Place(tempfile::TempDir);

/// What becomes of what a command says on its standard output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Out {
    /// Kept with the logs.
    Log,
    /// Handed over: it is a ref or a slug, and the caller's.
    HandedOver,
}

/// A process in the background; killed when dropped.
pub(crate) struct Running(Child);

impl Place {
    pub(crate) fn new() -> Self {
        let place = Self(tempfile::tempdir().expect("a temporary folder can be made"));
        // The outbox goes under the nearest folder with .git: the client's own.
        for folder in ["client/.git", "logs", "library"] {
            fs::create_dir_all(place.path(folder)).expect("a folder can be made");
        }
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).expect("the file can be read")
    }

    /// Appends to a log.
    pub(crate) fn log(&self, name: &str) -> File {
        let path = self.path("logs").join(name);
        let file = OpenOptions::new().create(true).append(true).open(path);
        file.expect("a log can be written")
    }

    /// Runs a command to its end, with `input` on its standard input.
    pub(crate) fn share(&self, args: &[&str], input: &str, out: Out) -> String {
        let mut child = self.spawn(args, Stdio::piped());
        let mut stdin = child.stdin.take().expect("stdin is a pipe");
        stdin.write_all(input.as_bytes()).expect("input is taken");
        drop(stdin);
        let mut said = String::new();
        let mut stdout = child.stdout.take().expect("stdout is a pipe");
        stdout.read_to_string(&mut said).expect("stdout is text");
        let status = child.wait().expect("the command ends");
        if out == Out::Log {
            let written = self.log("stdout.log").write_all(said.as_bytes());
            written.expect("a log can be written");
        }
        let errors = || self.read(&format!("logs/{}.log", args[0]));
        assert!(status.success(), "{args:?}: {status}, {}", errors());
        said
    }

    /// Runs a command that goes on, up to its first line; what it says then is kept with the logs.
    pub(crate) fn start(&self, args: &[&str]) -> (Running, String) {
        let mut child = self.spawn(args, Stdio::null());
        let mut out = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("stdout is text");
        // By now it runs for certain: right after the start others may still see nothing of it.
        self.look_at(&child);
        let mut log = self.log("stdout.log");
        log.write_all(line.as_bytes())
            .expect("a log can be written");
        // Ends with the process.
        std::thread::spawn(move || std::io::copy(&mut out, &mut log));
        (Running(child), line.trim().to_owned())
    }

    /// Serves, at `listen`; also gives the address.
    pub(crate) fn serve(&self, listen: &str) -> (Running, String) {
        let args = [
            "serve",
            "--data",
            "../server",
            "--listen",
            listen,
            "--no-http",
        ];
        let (running, line) = self.start(&args);
        let address = line.strip_prefix("listening on ").map(str::to_owned);
        (running, address.expect("the line has the address"))
    }

    /// Starts a process, and keeps what others on the machine see of it.
    fn spawn(&self, args: &[&str], stdin: Stdio) -> Child {
        let mut command = Command::new(share_tests::share_binary());
        command.args(args).current_dir(self.path("client"));
        command.env_clear().env("HOME", self.path("client/home"));
        command.env("USER", "tester").env("RUST_BACKTRACE", "full");
        command.env("SHARE_LOG", "trace").env("RUST_LOG", "trace");
        command.stdin(stdin).stdout(Stdio::piped());
        command.stderr(self.log(&format!("{}.log", args[0])));
        let child = command.spawn().expect("`share` starts");
        self.look_at(&child);
        child
    }

    /// Keeps what others on the machine see of a process; that is nothing where it has not quite begun,
    /// or has ended already.
    fn look_at(&self, child: &Child) {
        let mut seen = self.log("proc.log");
        for name in ["cmdline", "environ"] {
            let content = fs::read(format!("/proc/{}/{name}", child.id()));
            let written = seen.write_all(&content.expect("a child that was not reaped is there"));
            written.expect("a log can be written");
        }
    }
}

impl Running {
    /// Asks the process to end, and waits for that.
    pub(crate) fn end(mut self) {
        let pid = i32::try_from(self.0.id()).expect("an id is a positive number");
        let pid = rustix::process::Pid::from_raw(pid).expect("an id is a positive number");
        let asked = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        asked.expect("a child can be signalled");
        let status = self.0.wait().expect("the process ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
