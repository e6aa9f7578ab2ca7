//! Real processes: their output, their end, and that a kill is a kill.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::{
    io,
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::Command,
    time::Duration,
};

use rustix::{
    io::Errno,
    process::{Pid, test_kill_process},
};
use share_faults::{Child, KillCount, ProcessError};
use tokio::{io::AsyncReadExt, net::UnixStream, time::timeout};

const DEADLINE: Duration = Duration::from_secs(10);
/// For waits that are meant to fail.
const SHORT: Duration = Duration::from_millis(50);

fn shell(script: &str, kills: &KillCount) -> Child {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Child::start(command, kills).unwrap()
}

fn exists(pid: u32) -> Result<(), Errno> {
    test_kill_process(Pid::from_raw(i32::try_from(pid).unwrap()).unwrap())
}

#[tokio::test]
async fn line_that_is_waited_for_is_returned_and_the_next_ones_follow() {
    let mut child = shell(
        "echo loading; echo ready on 7; echo after",
        &KillCount::default(),
    );
    let ready = child.wait_for_line(|line| line.starts_with("ready"), DEADLINE);
    assert_eq!(ready.await.unwrap(), "ready on 7");
    assert_eq!(child.next_line().await.as_deref(), Some("after"));
    assert_eq!(child.next_line().await, None);
    assert_eq!(child.wait(DEADLINE).await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn line_that_does_not_come_in_time_is_an_error_with_what_was_seen() {
    let script = "echo oops >&2; echo loading; exec sleep 1000";
    let mut child = shell(script, &KillCount::default());
    let loading = child.wait_for_line(|line| line == "loading", DEADLINE);
    loading.await.unwrap();
    let ready = child.wait_for_line(|line| line == "ready", SHORT).await;
    let error = ready.unwrap_err();
    assert!(matches!(error, ProcessError::LineTimeout { .. }));
    assert!(error.to_string().contains("stdout: loading"), "{error}");
    child.sigkill().await.unwrap();
}

#[tokio::test]
async fn end_before_the_line_is_an_error_with_the_reason_from_stderr() {
    let script = "exec >&-; echo port in use >&2; exit 3";
    let mut child = shell(script, &KillCount::default());
    let ready = child.wait_for_line(|line| line == "ready", DEADLINE).await;
    let error = ready.unwrap_err();
    assert!(matches!(error, ProcessError::OutputEnded { .. }));
    assert!(
        error.to_string().ends_with("\nstderr: port in use"),
        "{error}"
    );
    assert_eq!(child.wait(DEADLINE).await.unwrap().code(), Some(3));
}

#[tokio::test]
async fn no_line_of_stdout_is_lost_however_late_it_is_read() {
    let mut child = shell("seq 1 20000", &KillCount::default());
    let mut lines = Vec::new();
    while let Some(line) = timeout(DEADLINE, child.next_line()).await.unwrap() {
        lines.push(line);
    }
    let expected: Vec<String> = (1..=20_000).map(|number| number.to_string()).collect();
    assert_eq!(lines, expected);
    assert_eq!(child.transcript().to_string().lines().count(), 200);
}

#[tokio::test]
async fn killed_process_is_verified_gone_and_counted() {
    let kills = KillCount::default();
    for expected in 1..=2 {
        let mut child = shell("exec sleep 1000", &kills);
        assert_eq!(exists(child.pid()), Ok(()));
        let status = child.sigkill().await.unwrap();
        assert_eq!(status.signal(), Some(9));
        assert_eq!(exists(child.pid()), Err(Errno::SRCH));
        assert_eq!(kills.get(), expected);
    }
}

#[tokio::test]
async fn process_that_ended_by_itself_is_no_kill() {
    let kills = KillCount::default();
    for reaped in [true, false] {
        let mut child = shell("exit 4", &kills);
        assert_eq!(child.next_line().await, None);
        if reaped {
            child.wait(DEADLINE).await.unwrap();
        } else {
            child = ended_unreaped(child).await;
        }
        let error = child.sigkill().await.unwrap_err();
        let ProcessError::EndedBeforeKill { status, .. } = error else {
            panic!("{error}");
        };
        assert_eq!(status.code(), Some(4));
    }
    assert_eq!(kills.get(), 0);
}

/// Waits until the system shows the process as a zombie.
async fn ended_unreaped(child: Child) -> Child {
    let stat = format!("/proc/{}/stat", child.pid());
    let zombie = async {
        while !std::fs::read_to_string(&stat).unwrap().contains(") Z ") {
            tokio::task::yield_now().await;
        }
    };
    timeout(DEADLINE, zombie).await.unwrap();
    child
}

#[tokio::test]
async fn sigterm_ends_a_process_and_leaves_one_that_ignores_it() {
    let kills = KillCount::default();
    let mut child = shell("exec sleep 1000", &kills);
    let status = child.sigterm_and_wait(DEADLINE).await.unwrap();
    assert_eq!(status.signal(), Some(15));
    assert_eq!(child.sigterm_and_wait(DEADLINE).await.unwrap(), status);

    let mut child = shell("trap '' TERM; echo deaf; exec sleep 1000", &kills);
    child
        .wait_for_line(|line| line == "deaf", DEADLINE)
        .await
        .unwrap();
    let error = child.sigterm_and_wait(SHORT).await.unwrap_err();
    assert!(matches!(error, ProcessError::NotEnded { .. }));
    assert!(error.to_string().contains("stdout: deaf"), "{error}");
    assert_eq!(kills.get(), 0);
    let killed = timeout(DEADLINE, child.sigkill()).await.unwrap();
    assert_eq!(killed.unwrap().signal(), Some(9));
    assert_eq!(kills.get(), 1);
}

#[tokio::test]
async fn dropped_child_is_killed() {
    // The child holds the other end as its stdin: the end of the stream is the child's end.
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("sleep");
    command
        .arg("1000")
        .stdin(OwnedFd::from(theirs.into_std().unwrap()));
    let child = Child::start(command, &KillCount::default()).unwrap();
    assert_eq!(
        ours.try_read(&mut [0]).unwrap_err().kind(),
        io::ErrorKind::WouldBlock
    );
    drop(child);
    let end = timeout(DEADLINE, ours.read(&mut [0])).await.unwrap();
    assert_eq!(end.unwrap(), 0);
}

#[tokio::test]
async fn program_that_does_not_exist_is_named() {
    let error = Child::start(Command::new("/no/such/program"), &KillCount::default()).unwrap_err();
    assert_eq!(error.to_string(), "`/no/such/program` could not be started");
}
