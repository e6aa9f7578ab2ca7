//! The machine's processes. Linux tells all of it in `/proc`; another Unix tells only that a number
//! is free; elsewhere nothing can be told.

use super::{Holders, ProcessId, ProcessState, Processes};

/// A process has one set of holders, however many handles on it there are.
static HOLDERS: Holders = Holders::new();

/// The machine's processes.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemProcesses;

impl Processes for SystemProcesses {
    fn me(&self) -> ProcessId {
        let pid = std::process::id();
        let seen = proc_of_this_namespace(pid).then(|| stat(pid)).flatten();
        ProcessId {
            pid,
            started: seen.map(|stat| stat.started),
            boot: line("/proc/sys/kernel/random/boot_id"),
            namespace: namespace(),
            host: host(),
        }
    }

    fn state_of(&self, process: &ProcessId) -> ProcessState {
        state_seen_by(&self.me(), process)
    }

    fn holders(&self) -> &Holders {
        &HOLDERS
    }
}

fn state_seen_by(me: &ProcessId, process: &ProcessId) -> ProcessState {
    let is_same_boot = me.boot.is_some() && me.boot == process.boot;
    if !is_same_boot {
        return match me.boot.is_some() && process.boot.is_some() && me.host == process.host {
            // The machine was started again, and nothing outlives that.
            true => ProcessState::Gone,
            false => by_number_only(me, process),
        };
    }
    if me.namespace.is_none() || me.namespace != process.namespace {
        return ProcessState::Unknown;
    }
    let (Some(_), Some(started)) = (me.started, process.started) else {
        return by_number_only(me, process);
    };
    match stat(process.pid) {
        Some(stat) if stat.started == started && !stat.has_ended => ProcessState::Alive,
        Some(_) => ProcessState::Gone,
        // It may be hidden from this user.
        None => by_number_only(me, process),
    }
}

/// That a number is free says that its process is gone; that it is taken says nothing.
#[cfg(unix)]
fn by_number_only(me: &ProcessId, process: &ProcessId) -> ProcessState {
    let is_here = me.host == process.host
        && me.namespace == process.namespace
        && me.boot.is_some() == process.boot.is_some();
    let pid = i32::try_from(process.pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    match pid {
        Some(pid) if is_here => match rustix::process::test_kill_process(pid) {
            Err(rustix::io::Errno::SRCH) => ProcessState::Gone,
            _ => ProcessState::Unknown,
        },
        _ => ProcessState::Unknown,
    }
}

#[cfg(not(unix))]
fn by_number_only(_: &ProcessId, _: &ProcessId) -> ProcessState {
    ProcessState::Unknown
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    /// Field 22.
    started: u64,
    /// It only waits for its parent to take note.
    has_ended: bool,
}

fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&read(&format!("/proc/{pid}/stat"))?)
}

/// The name, in parentheses, is the program's to choose, parentheses and spaces included: what
/// follows the last one is the system's.
fn parse_stat(text: &[u8]) -> Option<Stat> {
    let name_end = text.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(&text[name_end + 1..]).ok()?;
    // Of those behind the name the first is field 3.
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    let threads: u64 = fields.nth(16)?.parse().ok()?;
    let started = fields.nth(1)?.parse().ok()?;
    // A zombie with other threads has only lost its first one.
    let has_ended = matches!(state, "Z" | "X" | "x") && threads <= 1;
    Some(Stat { started, has_ended })
}

/// Whether `/proc` shows the processes among which this one has its number.
fn proc_of_this_namespace(pid: u32) -> bool {
    std::fs::read_link("/proc/self").is_ok_and(|own| own.as_os_str() == &*pid.to_string())
}

/// Numbers mean something within a namespace of processes, starts within one of time.
fn namespace() -> Option<String> {
    let link = |kind: &str| {
        let link = std::fs::read_link(format!("/proc/self/ns/{kind}")).ok()?;
        link.into_os_string().into_string().ok()
    };
    let pid = link("pid")?;
    // Older systems have one time for all.
    let time = link("time").unwrap_or_default();
    Some(format!("{pid} {time}"))
}

fn host() -> String {
    let known = line("/etc/machine-id").or_else(|| line("/proc/sys/kernel/hostname"));
    known.unwrap_or_else(node_name)
}

#[cfg(unix)]
fn node_name() -> String {
    let name = rustix::system::uname();
    name.nodename().to_string_lossy().into_owned()
}

#[cfg(not(unix))]
fn node_name() -> String {
    String::new()
}

fn line(path: &str) -> Option<String> {
    let text = String::from_utf8(read(path)?).ok()?;
    let line = text.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The beginning of a small file of the system's.
fn read(path: &str) -> Option<Vec<u8>> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).ok()?;
    file.take(4096).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAIL: &str = "S 1 5 5 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 THREADS 0 8421 1000 2000";

    fn stat_of(name: &str, state: &str, threads: &str) -> Option<Stat> {
        let tail = TAIL.replacen('S', state, 1).replace("THREADS", threads);
        parse_stat(format!("7 ({name}) {tail}").as_bytes())
    }

    #[test]
    fn a_program_that_is_named_like_the_fields_behind_its_name_changes_nothing() {
        for name in [
            "share",
            "a b",
            ") Z 1 2",
            "(((",
            "x) S 1 1 1 0 -1 1 1 0 0 0 0",
        ] {
            let stat = stat_of(name, "S", "4").unwrap();
            assert_eq!((stat.started, stat.has_ended), (8421, false), "{name}");
        }
        assert_eq!(parse_stat(b""), None);
        assert_eq!(parse_stat(b"7 (share) S 1 5"), None);
        assert_eq!(parse_stat(b"7 (share) \xff"), None);
    }

    #[test]
    fn a_zombie_has_ended_unless_others_of_its_threads_go_on() {
        let has_ended = |state, threads| stat_of("share", state, threads).unwrap().has_ended;
        assert!(has_ended("Z", "1") && has_ended("Z", "0"));
        assert!(!has_ended("Z", "2") && !has_ended("T", "1") && !has_ended("D", "1"));
    }

    #[cfg(target_os = "linux")]
    mod on_linux {
        use std::process::{Child, Command, Stdio};

        use super::*;

        /// Lives until its standard input is closed.
        fn child() -> Child {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::null());
            command.spawn().unwrap()
        }

        fn id(child: &Child) -> ProcessId {
            ProcessId {
                pid: child.id(),
                started: stat(child.id()).map(|stat| stat.started),
                ..SystemProcesses.me()
            }
        }

        #[test]
        fn a_process_is_alive_until_it_is_killed_also_before_its_parent_takes_note() {
            let mut child = child();
            let id = id(&child);
            assert_eq!(SystemProcesses.state_of(&id), ProcessState::Alive);
            child.kill().unwrap();
            // Dead and not yet reaped: the kill takes a moment to be carried out.
            let ended = (0..1_000_000).any(|_| {
                std::thread::yield_now();
                SystemProcesses.state_of(&id) == ProcessState::Gone
            });
            assert!(ended);
            child.wait().unwrap();
            assert_eq!(SystemProcesses.state_of(&id), ProcessState::Gone);
        }

        #[test]
        fn a_number_that_is_used_again_is_another_process() {
            let me = SystemProcesses.me();
            assert_eq!(SystemProcesses.state_of(&me), ProcessState::Alive);
            let before = ProcessId {
                started: me.started.map(|started| started - 1),
                ..me
            };
            assert_eq!(SystemProcesses.state_of(&before), ProcessState::Gone);
        }

        #[test]
        fn a_restart_of_the_machine_ends_all_and_what_is_elsewhere_is_not_known() {
            let me = SystemProcesses.me();
            let other = || Some("another".to_owned());
            let before_the_restart = ProcessId {
                boot: other(),
                ..me.clone()
            };
            let elsewhere = ProcessId {
                host: "another".into(),
                ..before_the_restart.clone()
            };
            let in_a_container = ProcessId {
                namespace: other(),
                ..me
            };
            let states = [before_the_restart, elsewhere, in_a_container]
                .map(|process| SystemProcesses.state_of(&process));
            use ProcessState::{Gone, Unknown};
            assert_eq!(states, [Gone, Unknown, Unknown]);
        }

        /// As on a Unix without `/proc`: a free number says something, a taken one nothing.
        #[test]
        fn without_a_start_only_a_free_number_tells() {
            let mut child = child();
            let unseen = ProcessId {
                started: None,
                ..id(&child)
            };
            assert_eq!(SystemProcesses.state_of(&unseen), ProcessState::Unknown);
            child.kill().unwrap();
            child.wait().unwrap();
            assert_eq!(SystemProcesses.state_of(&unseen), ProcessState::Gone);
        }
    }
}
