//! The conversion layer, from outside.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod fields;
mod kinds;
mod limits;
mod malformed;
mod round_trip;
mod seeds;
mod values;
mod vectors;
