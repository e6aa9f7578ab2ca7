//! The HTTP face over real connections, in front of a backend in memory.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod bodies;
mod bounds;
mod browsers;
mod client;
mod data;
mod double;
mod following;
mod live;
mod local;
mod log;
mod pages;
mod private;
mod replaying;
mod routes;
mod scene;
mod serving;
mod stream;
