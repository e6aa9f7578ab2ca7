//! A real server process, and what may be seen of it from outside.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use share_model::FactoryRef;

/// Lines of a log that are looked at.
const LINES: usize = 20;
/// What every panic says.
const PANICKED: &str = "panicked at";

/// A server with its data in a folder; killed when dropped.
pub(crate) struct Server {
    process: Child,
    folder: PathBuf,
    pub(crate) address: String,
}

impl Server {
    /// Starts `share serve` on loopback, with no more than `files` open files. What it says is kept in
    /// the folder.
    pub(crate) fn start(folder: &Path, files: Option<u32>) -> Self {
        raise_files();
        let mut command = Command::new("sh");
        let files = files.map_or_else(String::new, |files| format!("ulimit -n {files}; "));
        command.arg("-c").arg(format!("{files}exec \"$0\" \"$@\""));
        command.arg(share_tests::share_binary());
        command.args(["serve", "--no-http", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(folder.join("data"));
        command
            .env_clear()
            .env("HOME", folder)
            .env("PATH", "/usr/bin:/bin");
        let log = File::create(folder.join("serve.log")).expect("a log can be made");
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut process = command.spawn().expect("`share` starts");
        let mut out = BufReader::new(process.stdout.take().expect("stdout is a pipe"));
        let mut line = String::new();
        out.read_line(&mut line).expect("stdout is text");
        // A pipe that nobody reads would hold it up. Ends with the process.
        let mut rest = File::create(folder.join("serve.out")).expect("a log can be made");
        std::thread::spawn(move || std::io::copy(&mut out, &mut rest));
        let address = line.trim().strip_prefix("listening on ");
        Self {
            address: address.expect("the line has the address").to_owned(),
            process,
            folder: folder.to_owned(),
        }
    }

    /// With which shares are created.
    pub(crate) fn factory(&self) -> FactoryRef {
        let text = fs::read_to_string(self.folder.join("data/factory.ref"));
        let text = text.expect("the server has written its ref");
        text.trim().parse().expect("it is a ref")
    }

    /// The most memory that it has held so far, in bytes.
    pub(crate) fn peak_bytes(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = fs::read_to_string(path).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let line =
            line.unwrap_or_else(|| panic!("the server has ended; it said:\n{}", self.said()));
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>();
        kib.expect("it is a number") << 10
    }

    /// What it has logged: warnings, errors, and what it died of. Of very much only the end, and the
    /// panics.
    pub(crate) fn said(&self) -> String {
        let read = |name| fs::read(self.folder.join(name)).expect("the log is there");
        let all = [read("serve.out"), read("serve.log")].concat();
        let all = String::from_utf8_lossy(&all);
        let lines: Vec<&str> = all.lines().collect();
        let end = lines.len().saturating_sub(LINES);
        let panics = lines[..end].iter().filter(|line| line.contains(PANICKED));
        let told: Vec<&str> = panics.take(LINES).chain(&lines[end..]).copied().collect();
        told.join("\n")
    }

    pub(crate) fn has_panicked(&self) -> bool {
        self.said().contains(PANICKED)
    }

    /// Asks it to end, and waits for that.
    pub(crate) async fn drain(&mut self, deadline: Duration) -> ExitStatus {
        let pid = i32::try_from(self.process.id()).expect("an id is a positive number");
        let pid = Pid::from_raw(pid).expect("an id is a positive number");
        kill_process(pid, Signal::TERM).expect("a child can be signalled");
        let ended = async {
            let mut looks = tokio::time::interval(Duration::from_millis(20));
            loop {
                looks.tick().await;
                if let Some(status) = self.process.try_wait().expect("it is our child") {
                    return status;
                }
            }
        };
        let status = tokio::time::timeout(deadline, ended).await;
        status.expect("the server drains in time")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Lets this process, and what it starts, have as many files open as it may: a crowd of connections is
/// that many files on either side.
fn raise_files() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    setrlimit(Resource::Nofile, raised).expect("a limit may be raised to its maximum");
}
