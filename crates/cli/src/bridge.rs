//! The bridge: the HTTP face beside the agent. What it is told is durable in the outbox before it
//! answers, and goes to the share's server when that is there (`docs/design.md` §10).
//!
//! [`record`] is what is kept of each share that was handed out, [`server`] what the server is asked
//! for it, [`creating_link`] makes it before its ops are replayed, [`endings`] deletes it again.
//! [`local`] is what a plugin inside the agent tells besides.

mod backend;
mod creating_link;
mod endings;
mod limits;
mod local;
mod plugin_token;
mod public_url;
mod record;
mod running;
mod server;
mod shares;
#[cfg(test)]
mod tests;
mod told;
mod values;

pub(crate) use limits::BridgeLimits;
pub(crate) use plugin_token::place as plugin_token_beside;
pub(crate) use running::{BridgeOptions, RunningBridge};
pub(crate) use server::Target;
