//! The registry's public surface, on real files.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod ahead;
mod crash;
mod drop_points;
mod factory;
mod files;
mod folder;
mod listing;
mod names;
mod opening;
mod refs;
