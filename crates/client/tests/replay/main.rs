//! The replay against a scripted server in memory, on virtual time.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod answers;
mod claims;
mod drop_points;
mod flushing;
mod leases;
mod letters;
mod over;
mod refusals;
mod repeats;
mod replan;
mod server;
mod streaming;
#[path = "../outbox/version_1.rs"]
mod version_1;
mod world;
