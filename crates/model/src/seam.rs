//! Seams between the rules and the world: clock, randomness, files, processes, the storage executor
//! and how SQLite is opened.
//!
//! Each has a real implementation and one for tests and simulations. Nothing else in the project
//! reads a clock, draws a random number, writes a file that holds a secret or starts a storage
//! thread.

mod clock;
mod direct;
mod entropy;
mod files;
mod fixed_file;
mod processes;
mod sqlite;
mod worker;

pub use clock::{Clock, SimulatedClock, Sleep, SystemClock};
pub use entropy::{Entropy, SeededEntropy, SystemEntropy};
pub use files::{FileLock, Files, SystemFiles};
pub use fixed_file::{FixedFile, SystemFixedFile};
pub use processes::{
    HolderId, Holders, ProcessId, ProcessState, Processes, SimulatedProcesses, SystemProcesses,
};
pub use sqlite::SqliteSettings;
pub use worker::{Executor, NotAccepted, Worker};
