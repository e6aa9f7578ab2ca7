//! A TCP fault proxy and a process killer for demos and tests.
//!
//! [`FaultProxy`] stands between a client and a server and breaks their connections on purpose;
//! [`Child`] runs a real process and kills it, verified. Every fault is counted only when it has
//! really fired, so that a run can assert that it met the faults it claims to have survived.

mod pause;
mod process;
mod proxy;

pub use process::{Child, KillCount, ProcessError, Transcript};
pub use proxy::{
    Close, CountsTimeout, Direction, FaultProxy, ProxyCounts, ProxyError, ProxyOptions,
};
