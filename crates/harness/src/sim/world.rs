//! What all parts of a run share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_model::seam::{ProcessId, SimulatedProcesses};

use super::board::Board;
use super::machine::Machine;
use super::net::Wire;
use super::plan::Plan;
use crate::chance::Chance;
use crate::history::{History, What};

/// A run's world.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) history: History,
    pub(crate) wire: Wire,
    pub(crate) server: Arc<Machine>,
    /// All processes of the world see each other's fate.
    pub(crate) processes: SimulatedProcesses,
    folder: PathBuf,
    machines: Mutex<BTreeMap<String, Arc<Machine>>>,
    board: Mutex<Board>,
    is_calm: AtomicBool,
    trace: Mutex<String>,
    broken: Mutex<Vec<String>>,
}

impl World {
    /// The world of `plan`, below `folder`.
    pub(crate) fn new(plan: Plan, folder: &Path) -> Arc<Self> {
        let server = Machine::new("server", folder.join("server"), plan.seed);
        Arc::new(Self {
            history: History::new(),
            wire: Wire::default(),
            server,
            processes: SimulatedProcesses::new(ProcessId {
                pid: 1,
                started: None,
                boot: None,
                namespace: None,
                host: "nobody".into(),
            }),
            folder: folder.to_owned(),
            machines: Mutex::default(),
            board: Mutex::default(),
            is_calm: AtomicBool::new(false),
            trace: Mutex::default(),
            broken: Mutex::default(),
            plan,
        })
    }

    /// The machine of this name, made if it is new.
    pub(crate) fn machine(&self, name: &str) -> Arc<Machine> {
        let mut machines = self.machines.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || Machine::new(name, self.folder.join(name), self.plan.seed);
        Arc::clone(machines.entry(name.to_owned()).or_insert_with(made))
    }

    /// The draws of one actor.
    pub(crate) fn chance(&self, name: &str) -> Chance {
        Chance::new(self.plan.seed, name)
    }

    pub(crate) fn push(&self, actor: &str, what: What) {
        self.history.push(actor, what);
    }

    /// A fault fired.
    pub(crate) fn fault(&self, kind: &'static str, detail: &str) {
        let detail = detail.to_owned();
        self.push("chaos", What::Fault { kind, detail });
    }

    /// A line that is compared between two runs of a seed, and nothing else.
    pub(crate) fn trace(&self, line: &str) {
        let mut trace = self.trace.lock().unwrap_or_else(PoisonError::into_inner);
        trace.push_str(line);
        trace.push('\n');
    }

    pub(crate) fn take_trace(&self) -> String {
        std::mem::take(&mut *self.trace.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Something is so wrong that no history says it.
    pub(crate) fn broken(&self, what: String) {
        self.trace(&what);
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.push(what);
    }

    pub(crate) fn take_broken(&self) -> Vec<String> {
        std::mem::take(&mut *self.broken.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// No more faults, no more work: all is to come to its end.
    pub(crate) fn calm(&self) {
        self.is_calm.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.is_calm.load(Ordering::Relaxed)
    }
}
