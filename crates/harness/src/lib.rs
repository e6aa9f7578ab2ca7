//! Failure injection: proves the promises of `docs/design.md` by breaking everything on purpose,
//! reproducibly from a seed.
//!
//! One seed is one run: a simulated network, clock and disk, with the server and the client
//! library as they ship. Whatever happens goes into a [`history`], and a checker that shares no code
//! with what it checks says whether the promises held.

pub mod disk;
pub mod history;
pub mod real;
