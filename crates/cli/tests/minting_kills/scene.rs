//! A server behind a proxy, and commands that go through it.

use std::io::{ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use share_faults::{Close, Direction, FaultProxy, ProxyOptions};
use tokio::task::{spawn_blocking, yield_now};
use tokio::time::timeout;

use crate::making::Making;
use crate::running::{Ended, Place, Serving};

/// For machines that have much else to do.
const PATIENCE: Duration = Duration::from_secs(60);
/// `write(1, …)`, as the kernel names what a process waits in.
#[cfg(target_arch = "x86_64")]
const PRINTS: &str = "1 0x1 ";
#[cfg(target_arch = "aarch64")]
const PRINTS: &str = "64 0x1 ";

pub(crate) struct Scene {
    pub(crate) place: Place,
    _serving: Serving,
    pub(crate) proxy: FaultProxy,
}

impl Scene {
    /// Refs of the owner, of the root, and of a factory grant; each directly, and by the proxy as
    /// `via-…`.
    pub(crate) async fn new() -> Self {
        let place = Place::new();
        let serving = place.serve_a_share();
        let upstream = serving.address.parse().expect("an address");
        let proxy = FaultProxy::start(upstream, ProxyOptions::default()).await;
        let proxy = proxy.expect("a proxy");
        place.write("factory.ref", &place.read("server/factory.ref"));
        let team = place.share(&["grant", "@factory.ref", "--shares", "1000"]);
        place.write("team.ref", &team.out);
        for name in ["owner.ref", "factory.ref", "team.ref"] {
            let text = place.read(name);
            assert!(text.contains(&serving.address), "it names where to go");
            let text = text.replace(&serving.address, &proxy.local_addr().to_string());
            place.write(&format!("via-{name}"), &text);
        }
        Self {
            place,
            _serving: serving,
            proxy,
        }
    }

    /// Looks until it is so; the proxy goes on meanwhile.
    pub(crate) async fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        until(what, is_so).await;
    }

    async fn until_closed(&self) {
        let closed = self.proxy.wait_until(|counts| counts.open == 0, PATIENCE);
        closed.await.expect("every connection is closed");
    }

    async fn until_held(&self, before: u64) {
        let held = self
            .proxy
            .wait_until(|counts| counts.partitions > before, PATIENCE)
            .await;
        held.expect("something is held");
    }

    /// Starts the command, and holds its request back, which it has stored.
    pub(crate) async fn start_held(&self, making: &Making) -> Running {
        // The end of a connection would be held too.
        self.until_closed().await;
        self.proxy.partition(Direction::Up);
        let command = self.start_beside(making).await;
        assert_eq!(making.requests(self).len(), 1, "it is stored first");
        command
    }

    /// Starts the command while requests are held back, and waits until this one is too.
    pub(crate) async fn start_beside(&self, making: &Making) -> Running {
        let before = self.proxy.counts().partitions;
        let command = self.start(making.args);
        self.until_held(before).await;
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        let mut command = self.place.command(args);
        command.stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Running(command.spawn().expect("the command starts"))
    }

    /// Starts the command with a standard output that takes nothing, as long as the other end is
    /// held.
    pub(crate) fn start_unread(&self, args: &[&str]) -> (Running, UnixStream) {
        let (mut full, nobody) = UnixStream::pair().expect("a pair of sockets");
        full.set_nonblocking(true).expect("it can be set");
        for size in [4096, 1] {
            loop {
                match full.write(&vec![0; size]) {
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        full.set_nonblocking(false).expect("it can be set");
        let mut command = self.place.command(args);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command.stdout(Stdio::from(OwnedFd::from(full)));
        (
            Running(command.spawn().expect("the command starts")),
            nobody,
        )
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end().await
    }

    /// Drops all that the proxy holds.
    pub(crate) async fn lose_connections(&self) {
        self.proxy.cut(Close::Reset);
        self.until_closed().await;
        self.proxy.heal(Direction::Up);
        self.proxy.heal(Direction::Down);
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let looking = async {
        while !is_so() {
            yield_now().await;
        }
    };
    timeout(PATIENCE, looking).await.expect(what);
}

/// A command that runs through the proxy.
pub(crate) struct Running(Child);

impl Running {
    /// Looks until the command is held up in printing something.
    pub(crate) async fn until_it_prints(&self) {
        let path = format!("/proc/{}/syscall", self.0.id());
        until("it is held up in printing", || {
            std::fs::read_to_string(&path).is_ok_and(|waits| waits.starts_with(PRINTS))
        })
        .await;
    }

    /// Kills the command, as it stands, and verifies that it is gone.
    pub(crate) fn kill(mut self) {
        self.0.kill().expect("the command can be killed");
        let status = self.0.wait().expect("the command is reaped");
        assert_eq!(status.signal(), Some(9), "it had not ended before");
        let process = format!("/proc/{}", self.0.id());
        assert!(!Path::new(&process).exists(), "it is gone");
    }

    /// Waits for its end, while the proxy goes on.
    pub(crate) async fn end(self) -> Ended {
        let ended = spawn_blocking(move || self.0.wait_with_output()).await;
        let output = ended.expect("it is waited for").expect("it ends");
        Ended {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).expect("stdout is text"),
            err: String::from_utf8(output.stderr).expect("stderr is text"),
        }
    }
}
