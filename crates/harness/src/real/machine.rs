//! What a process runs on: its clock, its files and the disk below SQLite, with what breaks of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use share_model::seam::{Clock, Files, SqliteSettings, SystemClock, SystemFiles};
use tokio::task::AbortHandle;

use super::clock::{Jump, JumpingClock};
use super::error::RealError;
use super::note::{Note, Notes};
use crate::disk::{CrashPoint, Disk, DiskFaults, Edge, SimulatedFiles};

/// How often a process notes the faults of its disk: what fired since is not noted if it is killed.
const DISK_LOOK: Duration = Duration::from_millis(10);

/// A time in the life of a process, written `FROM:TO`, in milliseconds after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first millisecond.
    pub from_ms: u64,
    /// The first one after it.
    pub to_ms: u64,
}

/// Where a process kills itself, written `EDGE:N`: at the n-th time that its disk comes to the edge,
/// 1 being the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KillAt {
    /// The edge.
    pub edge: Edge,
    /// Which time.
    pub nth: u64,
}

/// What breaks of a process's machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub struct MachineArgs {
    /// The greatest number of pages of a SQLite file: one more is refused as by a full disk
    #[arg(long, value_name = "PAGES")]
    pub pages_max: Option<u32>,
    /// A jump of the clock, in milliseconds after the start and by how many; may be repeated
    #[arg(long, value_name = "AT:BY", allow_hyphen_values = true)]
    pub clock_jump: Vec<Jump>,
    /// Kill this process by SIGKILL at the n-th time that its disk comes to an edge
    #[arg(long, value_name = "EDGE:N")]
    pub kill_at: Option<KillAt>,
    /// Decides which operations of the disk fail
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    pub disk_seed: u64,
    /// The disk is full for a time, in milliseconds after the start
    #[arg(long, value_name = "FROM:TO")]
    pub disk_full: Option<Span>,
    /// Writes that fail, per million
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub write_fails: u32,
    /// Writes that fail half-way, per million
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub write_torn: u32,
    /// Reads that fail, per million
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub read_fails: u32,
    /// Syncs that fail, per million
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub sync_fails: u32,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(from, to)| {
            Some(Self {
                from_ms: from.parse().ok()?,
                to_ms: to.parse().ok()?,
            })
        });
        let span = parsed.filter(|span| span.from_ms < span.to_ms);
        span.ok_or_else(|| format!("`{text}` is not of the form FROM:TO, in milliseconds"))
    }
}

impl FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once(':').and_then(|(edge, nth)| {
            Some(Self {
                edge: edge.parse().ok()?,
                nth: nth.parse().ok()?,
            })
        });
        let at = parsed.filter(|at| at.nth > 0);
        at.ok_or_else(|| format!("`{text}` is not of the form EDGE:N"))
    }
}

impl MachineArgs {
    /// As a command line says it.
    pub(super) fn arguments(&self) -> Vec<String> {
        let mut arguments = vec![format!("--disk-seed={}", self.disk_seed)];
        arguments.extend(self.pages_max.map(|pages| format!("--pages-max={pages}")));
        arguments.extend(
            self.clock_jump
                .iter()
                .map(|it| format!("--clock-jump={it}")),
        );
        arguments.extend(
            self.kill_at
                .map(|at| format!("--kill-at={}:{}", at.edge, at.nth)),
        );
        arguments.extend(
            self.disk_full
                .map(|span| format!("--disk-full={}:{}", span.from_ms, span.to_ms)),
        );
        let rates = [
            ("write-fails", self.write_fails),
            ("write-torn", self.write_torn),
            ("read-fails", self.read_fails),
            ("sync-fails", self.sync_fails),
        ];
        arguments.extend(rates.map(|(name, rate)| format!("--{name}={rate}")));
        arguments
    }

    fn faults(&self) -> DiskFaults {
        DiskFaults {
            no_space_per_million: 0,
            write_per_million: self.write_fails,
            short_write_per_million: self.write_torn,
            read_per_million: self.read_fails,
            sync_per_million: self.sync_fails,
        }
    }

    /// Whether the disk is the real one.
    fn has_plain_disk(&self) -> bool {
        self.kill_at.is_none() && self.disk_full.is_none() && self.faults() == DiskFaults::default()
    }
}

/// A process's machine. What its disk did is noted until this is dropped, which is to be after all
/// that uses it.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) files: Arc<dyn Files>,
    pub(super) sqlite: SqliteSettings,
    disk: Option<Arc<WatchedDisk>>,
    tasks: Vec<AbortHandle>,
}

#[derive(Debug)]
struct WatchedDisk {
    disk: Arc<Disk>,
    notes: Notes,
    /// What was noted, by kind.
    noted: Mutex<BTreeMap<String, u64>>,
}

impl Machine {
    /// The machine, whose disk holds `folder`; makes the folder if it is missing. Needs a
    /// [`tokio::task::LocalSet`].
    pub(super) fn start(
        args: &MachineArgs,
        folder: &Path,
        notes: &Notes,
    ) -> Result<Self, RealError> {
        let telling = JumpingClock::tell(args.clock_jump.clone(), notes.clone());
        let mut machine = Self {
            clock: Arc::new(JumpingClock::new(args.clock_jump.clone())),
            files: Arc::new(SystemFiles),
            sqlite: SqliteSettings {
                vfs: None,
                pages_max: args.pages_max,
            },
            disk: None,
            tasks: vec![tokio::task::spawn_local(telling).abort_handle()],
        };
        if !args.has_plain_disk() {
            machine.put_disk(args, folder, notes)?;
        }
        Ok(machine)
    }

    fn put_disk(
        &mut self,
        args: &MachineArgs,
        folder: &Path,
        notes: &Notes,
    ) -> Result<(), RealError> {
        let made = SystemFiles.create_private_dir(folder);
        let disk = made.and_then(|()| Disk::new(folder, args.disk_seed));
        let disk = disk.map_err(RealError::file("open the disk of", folder))?;
        let noted = notes.clone();
        disk.on_crash(move |edge| kill_myself(edge, &noted));
        let point = args.kill_at.map(|at| CrashPoint::Edge(at.edge, at.nth));
        disk.crash_at(point);
        disk.set_faults(args.faults());
        if let Some(span) = args.disk_full {
            let filling = fill(Arc::clone(&disk), span);
            self.tasks
                .push(tokio::task::spawn_local(filling).abort_handle());
        }
        self.sqlite.vfs = Some(Disk::vfs().to_owned());
        self.files = Arc::new(SimulatedFiles::new(Arc::clone(&disk)));
        let watched = Arc::new(WatchedDisk {
            disk,
            notes: notes.clone(),
            noted: Mutex::default(),
        });
        let watching = watch(Arc::clone(&watched));
        self.tasks
            .push(tokio::task::spawn_local(watching).abort_handle());
        self.disk = Some(watched);
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        if let Some(disk) = &self.disk {
            disk.note();
        }
    }
}

impl WatchedDisk {
    /// Notes each fault that fired since the last time. The crash point notes itself.
    fn note(&self) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = self.disk.counts().faults();
        for (kind, number) in faults.iter().filter(|(kind, _)| kind.starts_with("disk")) {
            let before = noted.get(kind).copied().unwrap_or(0);
            (before..*number).for_each(|_| {
                self.notes.write(Note::Fault {
                    kind: kind.clone(),
                    detail: String::new(),
                });
            });
        }
        *noted = faults;
    }
}

async fn watch(disk: Arc<WatchedDisk>) {
    loop {
        SystemClock.sleep(DISK_LOOK).await;
        disk.note();
    }
}

async fn fill(disk: Arc<Disk>, span: Span) {
    SystemClock.sleep(Duration::from_millis(span.from_ms)).await;
    disk.set_full(true);
    let length = Duration::from_millis(span.to_ms - span.from_ms);
    SystemClock.sleep(length).await;
    disk.set_full(false);
}

/// Dies as by a power switch, but for what the kernel has of the files.
fn kill_myself(edge: &str, notes: &Notes) {
    notes.write(Note::Fault {
        kind: "kill at edge".to_owned(),
        detail: edge.to_owned(),
    });
    // If it fails, the disk is frozen all the same: nothing is changed any more.
    let _ = kill_process(getpid(), Signal::KILL);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_line_says_is_what_was_meant() {
        #[derive(Debug, clap::Parser)]
        struct Command {
            #[command(flatten)]
            machine: MachineArgs,
        }
        let meant = MachineArgs {
            pages_max: Some(1),
            clock_jump: vec!["3:-4".parse().unwrap(), "5:6".parse().unwrap()],
            kill_at: Some("wal.sync.before:7".parse().unwrap()),
            disk_seed: 8,
            disk_full: Some("9:10".parse().unwrap()),
            write_fails: 11,
            write_torn: 12,
            read_fails: 13,
            sync_fails: 14,
        };
        let words = std::iter::once("x".to_owned()).chain(meant.arguments());
        let read: Command = clap::Parser::parse_from(words);
        assert_eq!(read.machine, meant);
        assert!("wal.sync.before:0".parse::<KillAt>().is_err());
        assert!("wal.sync:1".parse::<KillAt>().is_err());
        assert!("9:9".parse::<Span>().is_err());
    }
}
