//! Failure injection: proves the promises of `docs/design.md` by breaking everything on purpose,
//! reproducibly from a seed.
//!
//! One seed is one run: a simulated network, clock and disk, with the server and the client library
//! as they ship ([`sim`]). Whatever happens goes into a [`history`], and a checker that shares no
//! code with what it checks ([`check`]) says whether the promises held; what led to a broken one is
//! told as a [`story`]. Runs are judged ([`verdict`]) in processes of their own ([`worker`]), and many of
//! them come to a [`report`].

#[cfg(feature = "planted")]
pub mod bugs;
pub mod chance;
pub mod check;
pub mod disk;
pub mod history;
pub mod panics;
pub mod real;
mod recording;
pub mod report;
pub mod sim;
pub mod story;
pub mod verdict;
pub mod worker;
