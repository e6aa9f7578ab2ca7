//! The HTTP face's backend: unmodified opencode's shares, as shares like any other.
//!
//! A share that is created over HTTP has an owner's grant that follows from its secret, and a public
//! address, by which every request finds it. A sync's items become ops of a writer of the server's own,
//! whose outbox follows from the secret too: nothing is kept of a share but what the share itself keeps,
//! so a restart or a restore loses nothing. What a request says is compared with what stands in the
//! document, and appended only while that stands: repeats, overlaps and late arrivals change nothing.

mod answers;
mod backend;
mod create;
mod credentials;
mod cut;
mod data;
mod delete;
mod follow;
mod governing;
mod missed;
mod options;
mod redeeming;
mod sync;
mod writer;
mod writers;

pub(crate) use backend::HttpBackend;
pub use options::{HttpCreate, HttpLimits, HttpOptions};
