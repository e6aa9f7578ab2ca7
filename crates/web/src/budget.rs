//! Room for what all requests and answers together hold.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::source::Source;

/// Bytes that requests and answers may hold, in all and for one source. A request that gets none is
/// told to come again.
#[derive(Debug, Clone)]
pub(crate) struct Budget {
    taken: Arc<Mutex<Taken>>,
    max: usize,
    per_source_max: usize,
}

#[derive(Debug, Default)]
struct Taken {
    in_all: usize,
    by_source: HashMap<Source, usize>,
}

/// Room that was taken, until this is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    budget: Budget,
    source: Option<Source>,
    bytes: usize,
}

/// There is not so much room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there is no room for the request now")]
pub(crate) struct Full;

impl Budget {
    /// At most `max` bytes in all, and `per_source_max` of one source.
    pub(crate) fn new(max: usize, per_source_max: usize) -> Self {
        Self {
            taken: Arc::default(),
            max,
            per_source_max,
        }
    }

    /// No room yet, to be grown.
    pub(crate) fn room(&self, source: Option<Source>) -> Room {
        Room {
            budget: self.clone(),
            source,
            bytes: 0,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    /// Takes `more` bytes.
    ///
    /// # Errors
    ///
    /// If there is not so much; then nothing is taken.
    pub(crate) fn grow(&mut self, more: usize) -> Result<(), Full> {
        if more == 0 {
            return Ok(());
        }
        let mut taken = self.budget.lock();
        let in_all = taken.in_all.saturating_add(more);
        if in_all > self.budget.max {
            return Err(Full);
        }
        if let Some(source) = self.source {
            let of_source = taken.by_source.get(&source).copied().unwrap_or(0);
            let of_source = of_source.saturating_add(more);
            if of_source > self.budget.per_source_max {
                return Err(Full);
            }
            taken.by_source.insert(source, of_source);
        }
        taken.in_all = in_all;
        self.bytes += more;
        Ok(())
    }

    /// `bytes`, with this room as long as they are kept.
    pub(crate) fn keep(self, bytes: impl AsRef<[u8]> + Send + 'static) -> Bytes {
        Bytes::from_owner(Kept { bytes, _room: self })
    }
}

struct Kept<T> {
    bytes: T,
    _room: Room,
}

impl<T: AsRef<[u8]>> AsRef<[u8]> for Kept<T> {
    fn as_ref(&self) -> &[u8] {
        self.bytes.as_ref()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let mut taken = self.budget.lock();
        taken.in_all -= self.bytes;
        if let Some(source) = self.source
            && let Some(of_source) = taken.by_source.get_mut(&source)
        {
            *of_source -= self.bytes;
            if *of_source == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const A: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const B: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 2)));

    #[test]
    fn there_is_room_to_the_last_byte_in_all_and_of_each_source_and_it_comes_back() {
        let budget = Budget::new(10, 6);
        let [mut a, mut b, mut pipe] = [A, B, None].map(|of| budget.room(of));
        assert_eq!(a.grow(6), Ok(()));
        assert_eq!(a.grow(1), Err(Full));
        assert_eq!(budget.room(A).grow(1), Err(Full));
        assert_eq!(b.grow(4), Ok(()));
        assert_eq!(b.grow(1), Err(Full));
        assert_eq!(pipe.grow(1), Err(Full));
        drop(a);
        assert_eq!(pipe.grow(6), Ok(()));
        assert_eq!(pipe.grow(usize::MAX), Err(Full));
        drop((b, pipe));
        let taken = budget.lock();
        assert!(taken.in_all == 0 && taken.by_source.is_empty());
    }
}
