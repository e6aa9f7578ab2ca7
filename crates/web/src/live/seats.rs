//! How many there may be of something at a time, in all and of one source.

use crate::budget::{Budget, Room};
use crate::source::Source;

/// Places for what takes long: a budget of which each takes one.
#[derive(Debug, Clone)]
pub(crate) struct Seats(Budget);

/// A place, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    _room: Room,
}

impl Seats {
    /// At most `max` in all, and `per_source_max` of one source.
    pub(crate) fn new(max: usize, per_source_max: usize) -> Self {
        Self(Budget::new(max, per_source_max))
    }

    /// A place; `None`: all that count are taken.
    pub(crate) fn take(&self, source: Option<Source>) -> Option<Seat> {
        let mut room = self.0.room(source);
        room.grow(1).ok()?;
        Some(Seat { _room: room })
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn there_are_so_many_places_in_all_and_for_one_source_and_they_come_back() {
        let source = |number| Some(Source::V4(Ipv4Addr::new(192, 0, 2, number)));
        let seats = Seats::new(3, 2);
        let one = [
            seats.take(source(1)).unwrap(),
            seats.take(source(1)).unwrap(),
        ];
        assert!(seats.take(source(1)).is_none());
        let _other = seats.take(source(2)).unwrap();
        assert!(seats.take(None).is_none() && seats.take(source(3)).is_none());
        drop(one);
        assert!(seats.take(source(1)).is_some() && seats.take(None).is_some());
    }
}
