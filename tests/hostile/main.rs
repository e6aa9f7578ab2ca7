//! Hostile peers (`crates/hostile`) against a real server: whatever they send, those who behave
//! come through, and the server holds no more memory than it may (`docs/design.md` §9).
//!
//! The server is a process of its own, for its memory is what is measured. That needs Linux's
//! `/proc`, and its addresses 127.0.0.2 and so on: elsewhere these tests are skipped.

mod announced;
mod bystander;
mod flooded;
mod granted;
mod hoarded;
mod idle;
mod malformed;
mod scene;
mod server;
mod shares;
mod slow;
