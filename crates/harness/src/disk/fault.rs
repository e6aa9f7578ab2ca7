//! Which faults a disk has, and what an operation that meets one is told.

use super::edge::Edge;

/// How often each fault happens, per million operations that could meet it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DiskFaults {
    /// A write that makes a file longer finds no space; nothing of it is written.
    pub no_space_per_million: u32,
    /// A write fails; nothing of it is written.
    pub write_per_million: u32,
    /// A write fails after a part of it was written: for want of space where it makes the file
    /// longer, else by an error of the device.
    pub short_write_per_million: u32,
    /// A read fails.
    pub read_per_million: u32,
    /// A sync fails. What it was to make durable is not, and later syncs don't make it so either
    /// unless it is written again: the operating system takes it for written.
    pub sync_per_million: u32,
}

/// Where a machine dies: the disk freezes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashPoint {
    /// In the n-th operation from now that changes something, 1 being the next: at one of its edges,
    /// by the disk's randomness.
    Operation(u64),
    /// At the n-th time from now that an edge is reached, 1 being the next.
    Edge(Edge, u64),
}

/// Why an operation failed; `E`: as the real file fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure<E> {
    /// No space is left.
    NoSpace,
    /// An error of the device.
    Device,
    /// The machine is dead.
    Frozen,
    /// The machine died in this operation.
    Crashed(Edge),
    /// Not by the simulation.
    Real(E),
}
