//! The outbox's public surface, on real files.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod admission;
mod crash;
mod files;
mod folder;
mod migration;
mod resolve;
mod room;
mod streamed;
mod version_1;
mod version_2;
