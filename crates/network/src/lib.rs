//! Cap'n Proto messages over a connection that a hostile peer can't hurt.
//!
//! The library's own connection (`capnp_rpc::twoparty`) takes the memory that a header announces,
//! queues answers without bound for a peer that does not read, and waits for ever. [`VatNetwork`] is
//! the same with a bound on everything: see [`NetworkLimits`] for one connection and [`BudgetLimits`]
//! for all of them. It reads and writes many messages at a time.

mod answers;
mod bell;
mod budget;
mod error;
mod frame;
mod limits;
mod link;
mod message;
mod network;
mod questions;
mod queue;
mod reading;
mod standing;
mod tcp;
pub mod tls;
mod window;
mod writing;

pub use answers::{AnswerGate, Turn};
pub use budget::{Budget, BudgetLimits};
pub use error::NetworkError;
pub use frame::{Frame, FrameError, FrameLimits, FrameReader};
pub use limits::NetworkLimits;
pub use network::{Ended, VatNetwork};
pub use standing::{Party, Standing, Trying};
pub use tcp::set_tcp_options;
