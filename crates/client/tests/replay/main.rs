//! The replay against a scripted server in memory, on virtual time.

mod answers;
mod claims;
mod drop_points;
mod flushing;
mod refusals;
mod server;
mod world;
