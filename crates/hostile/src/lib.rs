//! Hostile peers: what somebody sends who wants to hurt a server, over plain sockets.
//!
//! An [`Attack`] is a value with a name. It runs against a [`Target`] until it is told to stop, and
//! counts what it did ([`Counts`]): an attack that did nothing proves nothing.
//!
//! Nothing here is careful: a peer sends what it likes, in the wrong order, and does not read what
//! comes back. Messages are made with the library's own builders, or word by word where the library
//! would refuse to make them.

mod appending;
mod attack;
mod bytes;
mod calls;
mod deep;
mod getters;
mod guessing;
mod hoard;
mod message;

mod peer;
mod running;
mod session;
mod slow;
mod tally;
mod unread;
mod wild;

pub use attack::Attack;
pub use peer::Target;
pub use running::Running;
pub use tally::Counts;
