//! Processes that do as a test says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{Holders, ProcessId, ProcessState, Processes};

/// One process among others whose fate is set.
#[derive(Debug)]
pub struct SimulatedProcesses {
    me: ProcessId,
    holders: Holders,
    /// Shared by all processes of one world.
    states: Arc<Mutex<BTreeMap<ProcessId, ProcessState>>>,
}

impl SimulatedProcesses {
    /// The process `me`, alive, in a world of its own.
    pub fn new(me: ProcessId) -> Self {
        let first = Self {
            me: me.clone(),
            holders: Holders::new(),
            states: Arc::default(),
        };
        first.set(&me, ProcessState::Alive);
        first
    }

    /// Another process, alive, in the same world.
    pub fn beside(&self, other: ProcessId) -> Self {
        self.set(&other, ProcessState::Alive);
        Self {
            me: other,
            holders: Holders::new(),
            states: Arc::clone(&self.states),
        }
    }

    /// What can be told of `process` from now on, by every process of this world.
    pub fn set(&self, process: &ProcessId, state: ProcessState) {
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states.insert(process.clone(), state);
    }
}

impl Processes for SimulatedProcesses {
    fn me(&self) -> ProcessId {
        self.me.clone()
    }

    /// Of a process of which nothing was said nothing is known.
    fn state_of(&self, process: &ProcessId) -> ProcessState {
        let states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        states
            .get(process)
            .copied()
            .unwrap_or(ProcessState::Unknown)
    }

    fn holders(&self) -> &Holders {
        &self.holders
    }
}
