//! What a stream holds as long as it is read.

use super::seats::Seat;
use crate::hangup::{Hangup, Watching};
use crate::tokens::InUse;

/// Given back when the stream has ended, or its reader has gone.
#[derive(Debug)]
pub(crate) struct Held {
    _seat: Seat,
    _watching: Watching,
    _token: Option<InUse>,
}

impl Held {
    /// A place among those that read; what opened the stream does not run out meanwhile.
    pub(crate) fn new(seat: Seat, hangup: &Hangup, token: Option<InUse>) -> Self {
        Self {
            _seat: seat,
            _watching: hangup.watch(),
            _token: token,
        }
    }
}
