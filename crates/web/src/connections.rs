//! Which connections there are, and which one gives way to the next.
//!
//! One that waits for its next request is there for convenience: when there are as many as there may
//! be, of one address or in all, the oldest of those gives way. While a request is under way its
//! connection stays; each step of a request has a deadline.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::source::Source;

/// The connections of a face.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    table: Arc<Mutex<Table>>,
    max: usize,
    per_source_max: usize,
}

#[derive(Debug, Default)]
struct Table {
    /// Counts the seats that were given: an older one has a lower number.
    given: u64,
    seats: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    source: Option<Source>,
    requests: Arc<AtomicUsize>,
    gives_way: watch::Sender<bool>,
}

/// A place among the connections, until this is dropped or it gives way.
#[derive(Debug)]
pub(crate) struct Seat {
    number: u64,
    connections: Connections,
    requests: Arc<AtomicUsize>,
    gives_way: watch::Receiver<bool>,
}

/// A request that is under way, until this is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<AtomicUsize>);

/// Every connection that counts has a request under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("as many connections have requests under way as there may be")]
pub(crate) struct NoSeat;

impl Connections {
    /// At most `max` in all, and `per_source_max` of one source.
    pub(crate) fn new(max: usize, per_source_max: usize) -> Self {
        Self {
            table: Arc::default(),
            max,
            per_source_max,
        }
    }

    /// A seat for a new connection; another one may have to give way.
    ///
    /// # Errors
    ///
    /// If none of those that count can give way.
    pub(crate) fn seat(&self, source: Option<Source>) -> Result<Seat, NoSeat> {
        let mut table = self.lock();
        if source.is_some() && table.count(source) >= self.per_source_max {
            table.give_way(|member| member.source == source)?;
        }
        if table.seats.len() >= self.max {
            table.give_way(|_| true)?;
        }
        table.given += 1;
        let number = table.given;
        let requests = Arc::new(AtomicUsize::new(0));
        let (sender, gives_way) = watch::channel(false);
        let member = Member {
            source,
            requests: Arc::clone(&requests),
            gives_way: sender,
        };
        table.seats.insert(number, member);
        Ok(Seat {
            number,
            connections: self.clone(),
            requests,
            gives_way,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    fn count(&self, source: Option<Source>) -> usize {
        let of_source = self.seats.values().filter(|it| it.source == source);
        of_source.count()
    }

    fn give_way(&mut self, counts: impl Fn(&Member) -> bool) -> Result<(), NoSeat> {
        let idle = self
            .seats
            .iter()
            .find(|(_, member)| counts(member) && member.requests.load(Ordering::Acquire) == 0)
            .map(|(number, _)| *number);
        let member = idle.and_then(|number| self.seats.remove(&number));
        let member = member.ok_or(NoSeat)?;
        // Who no longer listens has ended already.
        member.gives_way.send_replace(true);
        Ok(())
    }
}

impl Seat {
    /// Marks a request as under way.
    pub(crate) fn under_way(&self) -> UnderWay {
        self.requests.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(&self.requests))
    }

    /// Ends when the connection has to end for another one.
    pub(crate) async fn gives_way(&self) {
        // The sender goes away with the seat, or after it has sent.
        let _ = self
            .gives_way
            .clone()
            .wait_for(|gives_way| *gives_way)
            .await;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.lock().seats.remove(&self.number);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const A: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const B: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 2)));

    fn ending(seats: &[&Seat]) -> Vec<bool> {
        seats.iter().map(|seat| *seat.gives_way.borrow()).collect()
    }

    #[test]
    fn for_one_more_than_there_may_be_the_oldest_idle_connection_gives_way() {
        let connections = Connections::new(3, 2);
        let first = connections.seat(A).unwrap();
        let busy = first.under_way();
        let second = connections.seat(A).unwrap();
        let other = connections.seat(B).unwrap();
        assert_eq!(ending(&[&first, &second, &other]), [false, false, false]);
        // Of its address first, and never one with a request.
        let third = connections.seat(A).unwrap();
        assert_eq!(ending(&[&first, &second, &other]), [false, true, false]);
        let _third_busy = third.under_way();
        assert_eq!(connections.seat(A).unwrap_err(), NoSeat);
        // Of all.
        let fourth = connections.seat(B).unwrap();
        assert_eq!(ending(&[&first, &third, &other]), [false, false, true]);
        let _fourth_busy = fourth.under_way();
        assert_eq!(connections.seat(None).unwrap_err(), NoSeat);
        drop(busy);
        connections.seat(None).unwrap();
        assert_eq!(ending(&[&first, &third, &fourth]), [true, false, false]);
    }

    #[test]
    fn nothing_is_left_of_connections_that_ended() {
        let connections = Connections::new(2, 2);
        let seats: Vec<_> = (0..9).map(|_| connections.seat(A).unwrap()).collect();
        drop(seats);
        assert!(connections.lock().seats.is_empty());
    }
}
