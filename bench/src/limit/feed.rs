//! What durable appends are handed to subscribers from: one copy for all of them.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::sync::Arc;

/// Who is further behind than this is let go.
const BEHIND_BYTES_MAX: usize = 64 << 20;
/// Groups that go into one write.
const SLICES_MAX: usize = 32;

/// The end of the log, in groups as they were committed.
#[derive(Debug, Default)]
pub(crate) struct Feed {
    groups: VecDeque<Arc<Vec<u8>>>,
    /// How many groups were before the first one that is kept.
    dropped: u64,
    bytes: usize,
}

/// Where a subscriber is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    group: u64,
    byte: usize,
}

/// How a subscriber was served.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// It has everything.
    Everything,
    /// It takes no more now.
    Full,
    /// It is too far behind.
    Behind,
}

impl Feed {
    /// Where a subscriber begins that comes now.
    pub(crate) fn end(&self) -> Place {
        let group = self.dropped + self.groups.len() as u64;
        Place { group, byte: 0 }
    }

    /// Adds a group; the oldest give way if there are too many bytes.
    pub(crate) fn push(&mut self, group: Arc<Vec<u8>>) {
        self.bytes += group.len();
        self.groups.push_back(group);
        while self.bytes > BEHIND_BYTES_MAX && self.groups.len() > 1 {
            self.drop_first();
        }
    }

    /// Drops what is before the place of each subscriber.
    pub(crate) fn drop_before(&mut self, places: impl Iterator<Item = Place>) {
        let needed = places.map(|place| place.group).min();
        let needed = needed.unwrap_or_else(|| self.end().group);
        while self.dropped < needed && !self.groups.is_empty() {
            self.drop_first();
        }
    }

    fn drop_first(&mut self) {
        if let Some(group) = self.groups.pop_front() {
            self.bytes -= group.len();
            self.dropped += 1;
        }
    }

    /// Writes what is behind `place` to its subscriber, and moves it.
    ///
    /// # Errors
    ///
    /// As the stream fails.
    pub(crate) fn serve(&self, place: &mut Place, mut stream: impl Write) -> io::Result<Served> {
        loop {
            let Some(index) = place.group.checked_sub(self.dropped) else {
                return Ok(Served::Behind);
            };
            let index = usize::try_from(index).unwrap_or(usize::MAX);
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let (mut used, mut bytes) = (0, 0);
            let groups = self.groups.range(index.min(self.groups.len())..);
            for (slice, group) in slices.iter_mut().zip(groups) {
                let from = if used == 0 { place.byte } else { 0 };
                *slice = IoSlice::new(&group[from..]);
                (used, bytes) = (used + 1, bytes + group.len() - from);
            }
            if used == 0 {
                return Ok(Served::Everything);
            }
            match stream.write_vectored(&slices[..used]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.advance(place, written);
                    if written < bytes {
                        return Ok(Served::Full);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Served::Full),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn advance(&self, place: &mut Place, written: usize) {
        place.byte += written;
        let from = usize::try_from(place.group - self.dropped).unwrap_or(usize::MAX);
        for group in self.groups.range(from..) {
            if place.byte < group.len() {
                return;
            }
            place.byte -= group.len();
            place.group += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes at once, and then none.
    struct Slow<'a>(&'a mut Vec<u8>, usize);

    impl Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.1 == 0 {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            self.1 -= taken;
            Ok(taken)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let bytes: Vec<u8> = slices
                .iter()
                .flat_map(|slice| slice.iter().copied())
                .collect();
            self.write(&bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn feed_of(groups: usize) -> (Feed, Vec<u8>) {
        let mut feed = Feed::default();
        let mut all = Vec::new();
        for number in 0..groups {
            let group = vec![u8::try_from(number).unwrap(); 1 + number % 5];
            all.extend_from_slice(&group);
            feed.push(Arc::new(group));
        }
        (feed, all)
    }

    #[test]
    fn a_subscriber_gets_every_byte_once_however_little_it_takes() {
        let (feed, all) = feed_of(100);
        for step in [1, 3, 50, 1000] {
            let (mut place, mut taken) = (Feed::default().end(), Vec::new());
            while feed.serve(&mut place, Slow(&mut taken, step)).unwrap() == Served::Full {}
            assert!(taken == all, "in steps of {step}");
            assert_eq!(place, feed.end());
        }
    }

    #[test]
    fn what_every_subscriber_has_is_dropped_and_nothing_else() {
        let (mut feed, all) = feed_of(10);
        let (mut place, mut taken) = (Feed::default().end(), Vec::new());
        feed.serve(&mut place, Slow(&mut taken, 7)).unwrap();
        feed.drop_before([place, feed.end()].into_iter());
        assert!(feed.dropped > 0);
        feed.serve(&mut place, Slow(&mut taken, 1000)).unwrap();
        assert_eq!(taken, all);
        feed.drop_before([].into_iter());
        assert_eq!((feed.groups.len(), feed.bytes), (0, 0));
    }

    #[test]
    fn who_is_too_far_behind_is_told_so() {
        let mut feed = Feed::default();
        let mut place = feed.end();
        for _ in 0..3 {
            feed.push(Arc::new(vec![0; BEHIND_BYTES_MAX / 2]));
        }
        let served = feed.serve(&mut place, io::sink()).unwrap();
        assert_eq!(served, Served::Behind);
    }
}
