//! What goes back in time: a server that is restored, an outbox that is copied.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use turmoil::Sim;

use super::{Chaos, Host, Later};
use crate::history::What;
use crate::sim::agent::{self, Agent};
use crate::sim::server;

/// Copies of outboxes in a run, at most.
const COPIES_MAX: u64 = 3;
/// How often a server goes back in a run, at most.
const BACK_MAX: u64 = 3;

/// Copies of the server's machine for the sake of a hole.
const KEPT_MAX: u64 = 12;
/// How long after its copy a machine may be put back at once.
const SPAN_MS: (u64, u64) = (100, 1_500);

/// What was kept to be put back.
#[derive(Debug, Default)]
pub(super) struct Back {
    /// The machine as it was, and the number of the next event then.
    machine: Option<(PathBuf, usize)>,
    kept: u64,
    went_back: u64,
}

impl Chaos {
    pub(super) fn go_back(&mut self, sim: &mut Sim<'_>, fault: &'static str) {
        if fault == "outbox-copied" {
            return self.copy_outbox(sim);
        }
        if !self.shares_are_made() || self.back.went_back == BACK_MAX {
            return;
        }
        if fault == "machine-put-back" {
            self.put_machine_back(sim);
        } else {
            self.restore(sim, fault == "backup-restored-without-journal");
        }
    }

    /// Restores the newest backup, or asks for one if there is none yet.
    fn restore(&mut self, sim: &mut Sim<'_>, journal_lost: bool) {
        let taken = self.world.board().backup.take();
        let Some((file, taken_at)) = taken else {
            self.world.board().backup_wanted = true;
            return;
        };
        let Some(host) = self.host("server") else {
            return;
        };
        // A restore wants a disk that works; that it is refused otherwise is shown elsewhere.
        self.heal("server");
        self.down_for_good(sim, &host);
        host.machine.end_locks();
        // One that was to die at a write has none any more.
        host.machine.disk.crash_at(None);
        host.machine.die_at_write(-1);
        let name = format!("restore-{}", self.back.went_back);
        match server::restore_backup(&self.world, &name, file, journal_lost) {
            Ok(owner_refs) => {
                self.back.went_back += 1;
                self.world.board().went_back = true;
                let fault = match journal_lost {
                    true => "backup-restored-without-journal",
                    false => "backup-restored",
                };
                self.world
                    .fault(fault, &format!("taken at event {taken_at}"));
                let what = What::Restored {
                    known: true,
                    taken_at,
                    journal_lost,
                };
                self.world.push("chaos", what);
                if let Some(path) = owner_refs {
                    self.take_owner_refs(&path);
                }
            }
            Err(error) => self.world.broken(format!(
                "restore-failed: the backup is not restored: {error}"
            )),
        }
        self.later(10, Later::Boot("server".to_owned()));
    }

    fn take_owner_refs(&self, path: &Path) {
        let text = fs::read_to_string(path).unwrap_or_default();
        for line in text.lines() {
            let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
            let reference = parsed.as_ref().and_then(|line| line.get("ref")?.as_str());
            match reference.and_then(|text| text.parse().ok()) {
                Some(reference) => self.world.board().owner_refs.push(reference),
                None => self
                    .world
                    .broken(format!("harness: no owner's ref: {line}")),
            }
        }
    }

    /// The server's machine is put back to an earlier copy of its disk, or such a copy is made.
    fn put_machine_back(&mut self, sim: &mut Sim<'_>) {
        let Some(host) = self.host("server") else {
            return;
        };
        self.down_for_good(sim, &host);
        let root = host.machine.root.clone();
        let done = match self.back.machine.take() {
            None => {
                self.back.kept += 1;
                let kept = root.with_file_name(format!("server-kept-{}", self.back.kept));
                let taken_at = self.world.history.next();
                let copied = copy_all(&root, &kept);
                self.back.machine = Some((kept, taken_at));
                // Of a short span nothing may be lost but what filled holes, which shows by nothing.
                if self.chance.permille(500) {
                    let span = self.chance.between(SPAN_MS.0, SPAN_MS.1);
                    self.later(span, Later::PutBack);
                }
                copied
            }
            Some((kept, taken_at)) => {
                self.back.went_back += 1;
                self.world.board().went_back = true;
                self.world
                    .fault("machine-put-back", &format!("as at event {taken_at}"));
                let what = What::Restored {
                    known: false,
                    taken_at,
                    journal_lost: false,
                };
                self.world.push("chaos", what);
                empty(&root).and_then(|()| copy_all(&kept, &root))
            }
        };
        if let Err(error) = done {
            self.world
                .broken(format!("harness: no copy of a machine: {error}"));
        }
        self.later(10, Later::Boot("server".to_owned()));
    }

    /// The machine is copied while a quiet outbox has a hole: what fills it may be lost.
    pub(super) fn keep_a_hole(&mut self, sim: &mut Sim<'_>) {
        let has_hole = std::mem::take(&mut self.world.board().has_hole);
        let may = self.shares_are_made()
            && self.back.machine.is_none()
            && self.back.kept < KEPT_MAX
            && self.back.went_back < BACK_MAX;
        if has_hole && may {
            self.put_machine_back(sim);
        }
    }

    /// The machine is put back if that is still to be done, and all still breaks.
    pub(super) fn put_back_soon(&mut self, sim: &mut Sim<'_>) {
        let may = self.calm_at.is_none() && self.back.went_back < BACK_MAX;
        if may && self.back.machine.is_some() {
            self.put_machine_back(sim);
        }
    }

    /// The server is down, and nothing of it is still to reach its disk.
    fn down_for_good(&mut self, sim: &mut Sim<'_>, host: &Host) {
        self.later.retain(|(_, later)| !matches!(later, Later::Boot(name) | Later::Begin(name) if name == "server"));
        self.stop(sim, &host.machine.clone(), false);
        if host.machine.disk.has_unsynced()
            && let Err(error) = host.machine.disk.power_cut()
        {
            self.world.trace(&format!("no power cut: {error}"));
        }
        host.machine.disk.thaw();
    }

    /// Copies an agent's folder: now, or when it has been cut off for a while and holds what nobody has.
    fn copy_outbox(&mut self, sim: &mut Sim<'_>) {
        if self.copies == COPIES_MAX {
            return;
        }
        let Some(original) = self.an_agent() else {
            return;
        };
        if self.chance.permille(500) {
            return self.copy_outbox_of(sim, &original.name);
        }
        sim.partition(original.name.as_str(), "server");
        let wait = self.chance.between(300, 2_500);
        let more = self.chance.between(1, 4_000);
        self.later(wait, Later::Copy(original.name.clone()));
        self.later(wait + more, Later::Repair(original.name));
    }

    /// Copies a process's folder as it is at this moment, and runs the copy.
    pub(super) fn copy_outbox_of(&mut self, sim: &mut Sim<'_>, name: &str) {
        let Some(original) = self.host(name).filter(|_| self.calm_at.is_none()) else {
            return;
        };
        let Some(agent) = &original.agent else {
            return;
        };
        if !original.machine.root.join("share.sqlite").exists() {
            return;
        }
        self.copies += 1;
        let name = format!("{}-copy-{}", agent.folder, self.copies);
        let machine = self.world.machine(&name);
        if let Err(error) = copy_all(&original.machine.root, &machine.root) {
            self.world
                .broken(format!("harness: no copy of an outbox: {error}"));
            return;
        }
        self.world
            .fault("outbox-copied", &format!("{} to {name}", agent.folder));
        let what = What::Copied {
            from: agent.folder.clone(),
            to: name.clone(),
        };
        self.world.push("chaos", what);
        let copy = Agent {
            name: name.clone(),
            folder: name.clone(),
            refs: agent.refs.clone(),
        };
        self.world.board().processes.push(name.clone());
        let (world, running) = (self.world.clone(), copy.clone());
        sim.host(name.as_str(), move || {
            agent::run(world.clone(), running.clone())
        });
        self.hosts.push(Host {
            name: name.clone(),
            machine: machine.clone(),
            agent: Some(copy),
        });
        // It is alone for a while, or dies when it has claimed the lane.
        match self.chance.below(3) {
            0 => {
                sim.partition(name.as_str(), "server");
                let alone = self.chance.between(1_000, 8_000);
                self.later(alone, Later::Repair(name));
            }
            1 if self.world.plan.has("agent-kill-at-write") => {
                let write = self.chance.between(1, 6);
                machine.die_at_write(i64::try_from(write).unwrap_or(1));
            }
            _ => {}
        }
    }
}

/// Copies a folder with all in it, but for what SQLite makes anew from the rest.
fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy_all(&path, &target)?;
        } else if !entry.file_name().to_string_lossy().ends_with("-shm") {
            fs::copy(&path, &target)?;
        }
    }
    Ok(())
}

/// Removes all in a folder.
fn empty(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => fs::remove_dir_all(&path)?,
            false => fs::remove_file(&path)?,
        }
    }
    Ok(())
}
