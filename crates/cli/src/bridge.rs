//! The bridge: the HTTP face beside the agent. What it is told is durable in the outbox before it
//! answers, and goes to the share's server when that is there (`docs/design.md` §10).
//!
//! [`record`] is what is kept of each share that was handed out, [`server`] what the server is asked
//! for it, [`creating_link`] makes it before its ops are replayed, [`endings`] deletes it again.

mod backend;
mod creating_link;
mod endings;
mod limits;
mod public_url;
mod record;
mod running;
mod server;
mod shares;
#[cfg(test)]
mod tests;
mod values;

pub(crate) use backend::Bridge;
pub(crate) use limits::BridgeLimits;
pub(crate) use running::{BridgeOptions, RunningBridge};
pub(crate) use server::Target;
