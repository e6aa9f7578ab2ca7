//! The newest events of a stage, bounded in bytes.

use std::collections::VecDeque;

use bytes::Bytes;
use share_model::Cursor;

/// What an event takes beyond its text.
const EVENT_BYTES: usize = 64;

/// Consecutive events, each from the cursor at which the one before ended.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Event>,
    /// Where the last event leads, or where the ring began.
    head: Cursor,
    bytes: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct Event {
    from: Cursor,
    to: Cursor,
    text: Bytes,
}

/// What follows a cursor.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum After {
    /// An event, and where it leads.
    Event(Bytes, Cursor),
    /// Nothing yet.
    Nothing,
    /// No event begins there.
    Elsewhere,
}

impl Ring {
    /// No event yet; the first one begins at `head`.
    pub(super) fn new(head: Cursor, bytes_max: usize) -> Self {
        Self {
            events: VecDeque::new(),
            head,
            bytes: 0,
            bytes_max,
        }
    }

    /// Where the last event leads.
    pub(super) fn head(&self) -> Cursor {
        self.head
    }

    /// Takes the event that leads from the head to `to`; the oldest ones may go.
    pub(super) fn push(&mut self, text: Bytes, to: Cursor) {
        self.bytes += text.len() + EVENT_BYTES;
        self.events.push_back(Event {
            from: self.head,
            to,
            text,
        });
        self.head = to;
        while self.bytes > self.bytes_max && self.events.len() > 1 {
            if let Some(oldest) = self.events.pop_front() {
                self.bytes -= oldest.text.len() + EVENT_BYTES;
            }
        }
    }

    /// What follows `cursor`.
    pub(super) fn after(&self, cursor: Cursor) -> After {
        if cursor == self.head {
            return After::Nothing;
        }
        match self
            .events
            .binary_search_by_key(&cursor, |event| event.from)
        {
            Ok(at) => After::Event(self.events[at].text.clone(), self.events[at].to),
            Err(_) => After::Elsewhere,
        }
    }

    /// Forgets all that it holds, and begins at `head`.
    pub(super) fn restart(&mut self, head: Cursor) {
        self.clear();
        self.head = head;
    }

    /// Forgets all that it holds.
    pub(super) fn clear(&mut self) {
        self.events.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(ring: &Ring, cursor: u64) -> Option<(usize, u64)> {
        match ring.after(Cursor::new(cursor)) {
            After::Event(text, to) => Some((text.len(), to.get())),
            After::Nothing => Some((0, cursor)),
            After::Elsewhere => None,
        }
    }

    fn push(ring: &mut Ring, bytes: usize, to: u64) {
        ring.push(vec![b'x'; bytes].into(), Cursor::new(to));
    }

    #[test]
    fn an_event_is_found_by_where_it_begins_and_nowhere_else() {
        let mut ring = Ring::new(Cursor::new(5), 10_000);
        assert_eq!(after(&ring, 5), Some((0, 5)));
        push(&mut ring, 1, 6);
        push(&mut ring, 2, 9);
        push(&mut ring, 3, 10);
        assert_eq!(after(&ring, 5), Some((1, 6)));
        assert_eq!(after(&ring, 6), Some((2, 9)));
        assert_eq!(after(&ring, 9), Some((3, 10)));
        assert_eq!(after(&ring, 10), Some((0, 10)));
        for elsewhere in [0, 4, 7, 8, 11, u64::MAX] {
            assert_eq!(after(&ring, elsewhere), None, "{elsewhere}");
        }
    }

    #[test]
    fn a_ring_over_its_bytes_gives_up_the_oldest_events_and_never_the_newest() {
        let mut ring = Ring::new(Cursor::ZERO, 3 * (EVENT_BYTES + 10));
        for to in 1..=3 {
            push(&mut ring, 10, to);
        }
        assert_eq!(after(&ring, 0), Some((10, 1)));
        push(&mut ring, 10, 4);
        assert_eq!(after(&ring, 0), None);
        assert_eq!(after(&ring, 1), Some((10, 2)));
        push(&mut ring, 9999, 5);
        assert_eq!((after(&ring, 3), after(&ring, 4)), (None, Some((9999, 5))));
        push(&mut ring, 10, 6);
        assert_eq!((after(&ring, 4), after(&ring, 5)), (None, Some((10, 6))));
        assert_eq!(ring.bytes, EVENT_BYTES + 10);
    }
}
