//! The HTTP face on the server's own backend: opencode's requests against real shares.

mod agent;
mod creating;
mod ending;
mod recordings;
mod refusing;
mod syncing;
mod trouble;
mod viewing;

pub(crate) use agent::ask;
