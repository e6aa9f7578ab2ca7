//! The tests of the replay, with the scripted server reached by HTTP.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

#[path = "../replay/answers.rs"]
mod answers;
mod behind_proxy;
#[path = "../replay/claims.rs"]
mod claims;
#[path = "../replay/drop_points.rs"]
mod drop_points;
mod face;
#[path = "../replay/flushing.rs"]
mod flushing;
#[path = "../replay/leases.rs"]
mod leases;
mod left_out;
#[path = "../replay/letters.rs"]
mod letters;
mod over;
#[path = "../replay/refusals.rs"]
mod refusals;
#[path = "../replay/replan.rs"]
mod replan;
#[path = "../replay/server.rs"]
mod server;
#[path = "../outbox/version_1.rs"]
mod version_1;
#[path = "../replay/world.rs"]
mod world;
