//! The conversion layer, from outside.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod authority;
mod authority_fields;
mod authority_limits;
mod fields;
mod kinds;
mod limits;
mod malformed;
mod posted;
mod round_trip;
mod seeds;
mod to_redeem;
mod values;
mod vectors;
mod version_1;
