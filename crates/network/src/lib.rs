//! Cap'n Proto messages over a connection that a hostile peer can't hurt.

mod standing;

pub use standing::Standing;
