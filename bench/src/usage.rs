//! What a process has used of the machine, where the system says it.

use std::io;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Clock ticks of a second: what Linux has told programs on every machine for decades.
const TICKS: u64 = 100;

/// Processor time of a process so far, its own and the kernel's for it; none where the system does not
/// say.
pub(crate) fn cpu(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(Duration::from_millis(ticks_of(&stat)? * 1000 / TICKS))
}

/// The sum of the two times in the text of `/proc/PID/stat`.
fn ticks_of(stat: &str) -> Option<u64> {
    // The program's name stands in parentheses, and may have spaces and parentheses in it.
    let (_, behind_name) = stat.rsplit_once(')')?;
    let mut fields = behind_name.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(user + system)
}

/// What a process says of its memory under `name`, as `VmRSS` or `VmHWM`; none where the system does not
/// say.
pub(crate) fn memory_kib(pid: u32, name: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mut lines = status.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    value.trim().trim_end_matches(" kB").parse().ok()
}

/// Writes so many GiB of memory, and gives them back.
///
/// # Errors
///
/// If there are not as many.
pub(crate) fn touch_memory(gib: u32) -> io::Result<()> {
    const GIB: usize = 1 << 30;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for _ in 0..gib {
        let mut piece = Vec::new();
        piece.try_reserve_exact(GIB).map_err(io::Error::other)?;
        // Zeros might not be written at all.
        piece.resize(GIB, 1);
        pieces.push(piece);
    }
    drop(std::hint::black_box(pieces));
    Ok(())
}

/// Lets this process, and those that it starts, have as many files open as it may at all: each
/// connection is one.
///
/// # Errors
///
/// As the system refuses.
pub(crate) fn raise_files() -> io::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, raised)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_with_anything_in_it() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 500 0 0 0 123 45 0 0 20 0 4 0 99 1 2 3";
        assert_eq!(ticks_of(stat), Some(168));
        assert_eq!(ticks_of("7 (a) S 1"), None);
    }
}
