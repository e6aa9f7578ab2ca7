//! A simulated machine: its folder and disk, its clock, and whether its processes live.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use share_model::seam::{
    Clock, Files, ProcessId, ProcessState, Processes, SimulatedProcesses, SqliteSettings,
};

use super::clock::SimClock;
use crate::disk::{Disk, SimulatedFiles, close_left_open};

/// A machine. What runs on it is a host of the simulation with the same name.
#[derive(Debug)]
pub(crate) struct Machine {
    pub(crate) name: String,
    /// All that it has on disk.
    pub(crate) root: PathBuf,
    pub(crate) disk: Arc<Disk>,
    clock: Arc<SimClock>,
    /// It has stopped where it stood: nothing that its processes still do is seen by anybody. Whoever
    /// runs the simulation ends them.
    is_dead: AtomicBool,
    /// Why, if nobody has seen to it yet.
    unburied: Mutex<Option<String>>,
    /// Writes to the network until it stops; below zero: never.
    writes_left: AtomicI64,
    /// How often it was started.
    boots: AtomicU32,
    processes: Mutex<BTreeMap<String, Arc<SimulatedProcesses>>>,
}

impl Machine {
    pub(crate) fn new(name: &str, root: PathBuf, seed: u64) -> Arc<Self> {
        std::fs::create_dir_all(&root).expect("a folder for the machine can be made");
        let disk = Disk::new(&root, seed).expect("the folder is there");
        let machine = Arc::new(Self {
            name: name.to_owned(),
            root,
            disk,
            clock: Arc::default(),
            is_dead: AtomicBool::new(false),
            unburied: Mutex::default(),
            writes_left: AtomicI64::new(-1),
            boots: AtomicU32::new(0),
            processes: Mutex::default(),
        });
        let watched = Arc::downgrade(&machine);
        machine.disk.on_crash(move |edge| {
            if let Some(machine) = watched.upgrade() {
                machine.die(edge);
            }
        });
        machine
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock) as _
    }

    pub(crate) fn jump_clock(&self, by_ms: i64) {
        self.clock.jump(by_ms);
    }

    pub(crate) fn files(&self) -> Arc<dyn Files> {
        Arc::new(SimulatedFiles::new(Arc::clone(&self.disk)))
    }

    pub(crate) fn sqlite(&self) -> SqliteSettings {
        SqliteSettings {
            vfs: Some(Disk::vfs().to_owned()),
            pages_max: None,
        }
    }

    /// Stops where it stands.
    pub(crate) fn die(&self, why: &str) {
        *self.lock_unburied() = Some(why.to_owned());
        self.is_dead.store(true, Ordering::Relaxed);
        self.writes_left.store(-1, Ordering::Relaxed);
    }

    pub(crate) fn is_dead(&self) -> bool {
        self.is_dead.load(Ordering::Relaxed)
    }

    /// Stops at the write to the network with this number, from 1, counted from now.
    pub(crate) fn die_at_write(&self, number: i64) {
        self.writes_left.store(number, Ordering::Relaxed);
    }

    /// Before a write to the network: whether it still happens.
    pub(crate) fn may_write(&self) -> bool {
        if self.is_dead() {
            return false;
        }
        if self.writes_left.load(Ordering::Relaxed) > 0
            && self.writes_left.fetch_sub(1, Ordering::Relaxed) == 1
        {
            self.disk.freeze();
            self.die("write to the network");
            return false;
        }
        true
    }

    fn lock_unburied(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.unburied.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It has stopped by itself, and nobody has seen to it.
    pub(crate) fn is_unburied(&self) -> bool {
        self.lock_unburied().is_some()
    }

    /// Where it stopped.
    pub(crate) fn why_dead(&self) -> String {
        self.lock_unburied().clone().unwrap_or_default()
    }

    /// Somebody has seen to it.
    pub(crate) fn bury(&self) {
        *self.lock_unburied() = None;
    }

    /// A process has ended.
    pub(crate) fn process_ended(&self, name: &str) {
        if let Some(process) = self.lock().remove(name) {
            process.set(&process.me(), ProcessState::Gone);
        }
    }

    /// Its processes have ended; of what they wrote without a sync a power cut takes what it will.
    pub(crate) fn processes_ended(&self) {
        for process in std::mem::take(&mut *self.lock()).into_values() {
            process.set(&process.me(), ProcessState::Gone);
        }
    }

    /// Nothing runs on it: what its processes left in circles has no locks any more.
    pub(crate) fn end_locks(&self) {
        close_left_open(&self.root, &["lock", "data.journal"]);
    }

    /// The machine runs again, with nothing on it.
    pub(crate) fn boot(&self) {
        self.processes_ended();
        self.end_locks();
        self.disk.thaw();
        self.is_dead.store(false, Ordering::Relaxed);
        self.writes_left.store(-1, Ordering::Relaxed);
    }

    /// A process of this name begins, in the place of its predecessor: this is how it sees the
    /// processes of its world.
    pub(crate) fn begin(&self, among: &SimulatedProcesses, name: &str) -> Arc<SimulatedProcesses> {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed) + 1;
        let me = ProcessId {
            pid: 1000 + boot,
            started: Some(u64::from(boot)),
            boot: Some("1".into()),
            namespace: Some("1".into()),
            host: self.name.clone(),
        };
        let process = Arc::new(among.beside(me));
        let earlier = self.lock().insert(name.to_owned(), Arc::clone(&process));
        if let Some(earlier) = earlier {
            earlier.set(&earlier.me(), ProcessState::Gone);
        }
        process
    }

    /// How often a process began here.
    pub(crate) fn boots(&self) -> u32 {
        self.boots.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<SimulatedProcesses>>> {
        self.processes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
