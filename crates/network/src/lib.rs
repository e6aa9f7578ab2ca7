//! Cap'n Proto messages over a connection that a hostile peer can't hurt.

mod frame;
mod standing;

pub use frame::{Frame, FrameError, FrameLimits, FrameReader};
pub use standing::Standing;
