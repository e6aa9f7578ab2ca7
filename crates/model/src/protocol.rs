//! Versions of the protocol.

/// The version of the protocol that this build speaks; sent at redeem.
pub const PROTOCOL_VERSION: u32 = 1;

/// The oldest version of the protocol that this build still answers.
pub const PROTOCOL_VERSION_MIN: u32 = 1;
