//! Cap'n Proto messages over a connection that a hostile peer can't hurt.

pub mod tls;
