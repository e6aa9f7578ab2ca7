//! The outbox's public surface, on real files.

mod admission;
mod crash;
mod files;
mod folder;
mod room;
