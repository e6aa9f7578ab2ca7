//! The way to a server where RPC is blocked: the same stored batches by HTTP (`schema/http.capnp`).

mod asking;
mod lane;
mod link;
mod poster;
mod queue;
mod status;

pub(super) use asking::{create, delete, publish, served};
pub use link::HttpLink;
