//! Which process this is, and whether another one still lives.

mod holders;
mod simulated;
mod system;

use std::fmt::Debug;

pub use holders::{HolderId, Holders};
pub use simulated::SimulatedProcesses;
pub use system::SystemProcesses;

/// A process, told apart from every other that had or will have its number: as much as can be
/// known of it. Two that are equal may be two only where a part is not known.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// Its number, in its own namespace.
    pub pid: u32,
    /// When it was started, in ticks since its machine was; numbers are used again, this is not.
    pub started: Option<u64>,
    /// Which start of its machine's system it belongs to.
    pub boot: Option<String>,
    /// Within what its number and its start mean something.
    pub namespace: Option<String>,
    /// Its machine or container.
    pub host: String,
}

/// What can be told of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessState {
    /// It runs, or was stopped and may go on.
    Alive,
    /// It has ended and will never do anything again.
    Gone,
    /// It can't be looked at from here.
    Unknown,
}

/// The processes of the machine.
pub trait Processes: Debug + Send + Sync {
    /// This process.
    fn me(&self) -> ProcessId;

    /// Whether `process` still lives. In doubt [`ProcessState::Unknown`]: who is said to be gone
    /// loses what it holds.
    fn state_of(&self, process: &ProcessId) -> ProcessState;

    /// What in this process holds a lease.
    fn holders(&self) -> &Holders;
}
