//! How many there may be of something at a time, in all and of one source.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::source::Source;

/// Places for what takes long.
#[derive(Debug, Clone)]
pub(crate) struct Seats {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    per_source_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_source: HashMap<Source, usize>,
}

/// A place, until this is dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    taken: Arc<Mutex<Taken>>,
    source: Option<Source>,
}

impl Seats {
    /// At most `max` in all, and `per_source_max` of one source.
    pub(crate) fn new(max: usize, per_source_max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            per_source_max,
        }
    }

    /// A place; `None`: all that count are taken.
    pub(crate) fn take(&self, source: Option<Source>) -> Option<Seat> {
        let mut taken = lock(&self.taken);
        if taken.in_all >= self.max {
            return None;
        }
        if let Some(source) = source {
            let of_source = taken.by_source.get(&source).copied().unwrap_or(0);
            if of_source >= self.per_source_max {
                return None;
            }
            taken.by_source.insert(source, of_source + 1);
        }
        taken.in_all += 1;
        Some(Seat {
            taken: Arc::clone(&self.taken),
            source,
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.in_all -= 1;
        if let Some(source) = self.source
            && let Some(of_source) = taken.by_source.get_mut(&source)
        {
            *of_source -= 1;
            if *of_source == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
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
        let other = seats.take(source(2)).unwrap();
        assert!(seats.take(None).is_none() && seats.take(source(3)).is_none());
        drop(one);
        assert!(seats.take(source(1)).is_some() && seats.take(None).is_some());
        drop(other);
        let taken = lock(&seats.taken);
        assert!(taken.in_all == 0 && taken.by_source.is_empty());
    }
}
