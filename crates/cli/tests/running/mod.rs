//! The real `share` binary: run to its end, or serving in the background.

pub(crate) mod story;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder of its own, in which commands run with nothing of the machine's environment that they
/// would listen to.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// A machine on which nothing was ever done.
    is_bare: bool,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        // The outbox goes under the nearest folder with .git: this one.
        std::fs::create_dir(folder.path().join(".git")).expect("a folder can be made");
        Self {
            folder,
            is_bare: false,
        }
    }

    /// A home folder with nothing in it, and an environment that names nothing else.
    pub(crate) fn bare() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder can be made"),
            is_bare: true,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("a file can be written");
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).expect("the file can be read")
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.path(".opencode/state/share.sqlite")
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_share"));
        command.args(args).current_dir(self.folder.path());
        if self.is_bare {
            command.env_clear().env("HOME", self.folder.path());
            return command;
        }
        command
            .env_remove("SHARE_REF")
            .env_remove("SHARE_STATE")
            .env_remove("SHARE_REGISTRY")
            .env_remove("SHARE_LOG");
        command.env("USER", "tester");
        // The machine's key and its registry.
        command.env("XDG_DATA_HOME", self.path("data"));
        command
    }

    /// Runs a command with nothing on its standard input.
    pub(crate) fn share(&self, args: &[&str]) -> Ended {
        self.share_with(args, "")
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn share_with(&self, args: &[&str], input: &str) -> Ended {
        run(self.command(args), input)
    }

    /// Runs a command whose standard output goes elsewhere.
    pub(crate) fn share_to(&self, args: &[&str], out: Stdio) {
        let mut command = self.command(args);
        command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(Stdio::null());
        command.status().expect("the command runs");
    }

    /// Runs a command with `SHARE_REF` set.
    pub(crate) fn share_by_environment(&self, args: &[&str], share_ref: &str) -> Ended {
        let mut command = self.command(args);
        command.env("SHARE_REF", share_ref);
        run(command, "")
    }

    /// Serves the folder `server` at `listen`.
    pub(crate) fn serve(&self, listen: &str) -> Serving {
        let mut command =
            self.command(&["serve", "--data", "server", "--listen", listen, "--no-http"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("the server starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("stdout is a pipe");
        BufReader::new(out)
            .read_line(&mut line)
            .expect("the server says when it is ready");
        let address = line.trim().strip_prefix("listening on ").map(str::to_owned);
        Serving {
            child,
            address: address.expect("the line has the address"),
        }
    }

    /// Serves at a free port, and makes a share whose owner's ref is in `owner.ref`.
    pub(crate) fn serve_a_share(&self) -> Serving {
        let serving = self.serve("127.0.0.1:0");
        let created = self.share(&["create", "--factory", "@server/factory.ref"]);
        assert_eq!(created.code, 0, "{created:?}");
        self.write("owner.ref", &created.out);
        serving
    }
}

fn run(mut command: Command, input: &str) -> Ended {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    // A command that ends before it has read everything is not this test's affair.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("the command ends");
    Ended {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).expect("stdout is text"),
        err: String::from_utf8(output.stderr).expect("stderr is text"),
    }
}

/// A server in the background; killed when dropped.
pub(crate) struct Serving {
    child: Child,
    pub(crate) address: String,
}

impl Serving {
    /// Kills the server as a power cut would.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().expect("the server can be killed");
        self.child.wait().expect("the server is reaped");
        self.address.clone()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn is(&self, code: i32, out: &str, err: &str) {
        assert_eq!((self.code, &*self.out, &*self.err), (code, out, err));
    }

    /// Ended with this code, said nothing on stdout, and all of `words` on stderr.
    #[track_caller]
    pub(crate) fn says(&self, code: i32, words: &[&str]) {
        assert_eq!((self.code, &*self.out), (code, ""), "{self:?}");
        for word in words {
            assert!(self.err.contains(word), "no `{word}` in {self:?}");
        }
    }
}

/// Bytes of a file.
pub(crate) fn bytes(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("the file can be read")
}
