//! Showing a share as it grows.
//!
//! All who view a share under one grant share a *stage*: one task follows the share, keeps one
//! document with its view, and renders each change once, as an event that lies in a bounded ring.
//! A viewer is a cursor into that ring: no queue grows with it, and since it takes the event that
//! begins where it stands, it sees neither a gap nor a repeat. Whoever stands elsewhere begins again
//! with the whole page.
//!
//! A stage reads under its grant's authority and ends with it: what it holds is thrown away before
//! whoever ended the authority is answered.

mod event;
mod held;
mod limits;
mod position;
mod replay;
mod ring;
mod running;
mod seats;
mod stage;
mod stages;
mod tasks;
mod viewer;

pub(crate) use held::Held;
pub use limits::LiveLimits;
pub(crate) use position::seen_by;
pub(crate) use replay::Replays;
pub(crate) use seats::Seats;
pub(crate) use stage::At;
pub(crate) use stages::Stages;
pub(crate) use tasks::Tasks;
pub(crate) use viewer::{Around, Viewer};
