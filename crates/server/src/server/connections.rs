//! Which connections there are, and which one gives way to the next.
//!
//! A peer that has proven an authority keeps its connection. One that has not is there on trust: when
//! there are as many connections as there may be, of one address or in all, the oldest of those gives
//! way that does not try to prove one right now; if all of them try, the oldest. So nobody holds the
//! others off by connecting and doing nothing, nor pushes out by it who is about to prove something.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use share_network::Standing;
use tokio_util::sync::CancellationToken;

use super::source::Source;

/// So many are looked at to find one that does not try: as many as one address has by default. If all
/// of them try, the oldest gives way whatever those after them do, so that a crowd that tries costs no
/// more than a look at so many.
const LOOKED_AT_MAX: usize = 256;

/// The connections of a server. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Connections {
    table: Arc<Mutex<Table>>,
    max: usize,
    per_source_max: usize,
}

/// A place among the connections, until this is dropped or it gives way.
#[derive(Debug)]
pub(super) struct Seat {
    number: u64,
    source: Option<Source>,
    standing: Standing,
    gives_way: CancellationToken,
    connections: Connections,
}

/// Why a connection gets no seat: every connection that counts has proven an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// As many as there may be of one address.
    #[error("there are {max} connections of its address, which is the limit")]
    OfSource { max: usize },
    /// As many as there may be.
    #[error("there are {max} connections, which is the limit")]
    InAll { max: usize },
}

#[derive(Debug, Default)]
struct Table {
    /// Counts the seats that were given: an older one has a lower number.
    given: u64,
    seats: BTreeMap<u64, Member>,
    /// Those that had proven nothing when they were looked at last.
    unproven: BTreeSet<u64>,
    sources: BTreeMap<Source, OfSource>,
}

#[derive(Debug)]
struct Member {
    source: Option<Source>,
    standing: Standing,
    gives_way: CancellationToken,
}

/// The seats of one source.
#[derive(Debug, Default)]
struct OfSource {
    count: usize,
    /// As [`Table::unproven`].
    unproven: BTreeSet<u64>,
}

impl Connections {
    /// At most `max` in all, and `per_source_max` of one source.
    pub(super) fn new(max: usize, per_source_max: usize) -> Self {
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
    pub(super) fn seat(&self, source: Option<Source>) -> Result<Seat, Refused> {
        let mut table = self.lock();
        let of_source = source.and_then(|source| table.sources.get(&source));
        if of_source.is_some_and(|of| of.count >= self.per_source_max) {
            let max = self.per_source_max;
            let gave_way = source.is_some_and(|source| table.give_way(Some(source)));
            if !gave_way {
                return Err(Refused::OfSource { max });
            }
        }
        if table.seats.len() >= self.max && !table.give_way(None) {
            return Err(Refused::InAll { max: self.max });
        }
        let (standing, gives_way) = (Standing::default(), CancellationToken::new());
        let number = table.add(Member {
            source,
            standing: standing.clone(),
            gives_way: gives_way.clone(),
        });
        Ok(Seat {
            number,
            source,
            standing,
            gives_way,
            connections: self.clone(),
        })
    }

    /// Lets a connection that has proven nothing give way, the oldest that does not try to if there is
    /// one; `false`: all have proven something.
    pub(super) fn give_way(&self) -> bool {
        self.lock().give_way(None)
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Where the connection comes from.
    pub(super) fn source(&self) -> Option<Source> {
        self.source
    }

    /// What the peer has proven; whoever serves the connection tells it.
    pub(super) fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Cancelled when the connection has to end for another one.
    pub(super) fn gives_way(&self) -> &CancellationToken {
        &self.gives_way
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.connections.lock().remove(self.number);
    }
}

impl Table {
    fn add(&mut self, member: Member) -> u64 {
        self.given += 1;
        let number = self.given;
        if let Some(source) = member.source {
            let of_source = self.sources.entry(source).or_default();
            of_source.count += 1;
            of_source.unproven.insert(number);
        }
        self.unproven.insert(number);
        self.seats.insert(number, member);
        number
    }

    /// Ends a connection of a source, or of all, that has proven nothing.
    fn give_way(&mut self, source: Option<Source>) -> bool {
        let member = self
            .first_to_go(source)
            .and_then(|number| self.remove(number));
        match member {
            Some(member) => {
                member.gives_way.cancel();
                true
            }
            None => false,
        }
    }

    fn first_to_go(&mut self, source: Option<Source>) -> Option<u64> {
        let unproven = match source {
            Some(source) => &self.sources.get(&source)?.unproven,
            None => &self.unproven,
        };
        let (mut proven, mut trying, mut idle) = (Vec::new(), Vec::new(), None);
        for &number in unproven {
            match self.seats.get(&number).map(|member| &member.standing) {
                Some(standing) if standing.is_proven() => proven.push(number),
                Some(standing) if standing.is_trying() => trying.push(number),
                _ => idle = Some(number),
            }
            if idle.is_some() || trying.len() >= LOOKED_AT_MAX {
                break;
            }
        }
        let first = idle.or(trying.first().copied());
        // Looked at once: nothing that is proven becomes unproven.
        proven
            .into_iter()
            .for_each(|number| self.has_proven(number));
        first
    }

    fn has_proven(&mut self, number: u64) {
        self.unproven.remove(&number);
        let source = self.seats.get(&number).and_then(|member| member.source);
        if let Some(of_source) = source.and_then(|source| self.sources.get_mut(&source)) {
            of_source.unproven.remove(&number);
        }
    }

    /// Takes one away; it may have given way before.
    fn remove(&mut self, number: u64) -> Option<Member> {
        self.has_proven(number);
        let member = self.seats.remove(&number)?;
        if let Some(source) = member.source
            && let Some(of_source) = self.sources.get_mut(&source)
        {
            of_source.count -= 1;
            if of_source.count == 0 {
                self.sources.remove(&source);
            }
        }
        Some(member)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const A: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const B: Option<Source> = Some(Source::V4(Ipv4Addr::new(192, 0, 2, 2)));

    /// Which of the seats have to end.
    fn ending(seats: &[&Seat]) -> Vec<bool> {
        let ends = seats.iter().map(|seat| seat.gives_way().is_cancelled());
        ends.collect()
    }

    #[test]
    fn there_are_as_many_as_may_be_and_for_one_more_the_oldest_unproven_gives_way() {
        let connections = Connections::new(3, 9);
        let [first, second, third] = [A, B, A].map(|of| connections.seat(of).unwrap());
        assert_eq!(ending(&[&first, &second, &third]), [false, false, false]);
        first.standing().prove();
        let fourth = connections.seat(B).unwrap();
        assert_eq!(ending(&[&first, &second, &third]), [false, true, false]);
        third.standing().prove();
        fourth.standing().prove();
        let refused = connections.seat(A).unwrap_err();
        assert_eq!(refused, Refused::InAll { max: 3 });
        assert_eq!(ending(&[&first, &third, &fourth]), [false, false, false]);
        drop(third);
        connections.seat(A).unwrap();
    }

    #[test]
    fn an_address_has_as_many_as_it_may_have_and_takes_none_from_another() {
        let connections = Connections::new(9, 2);
        let other = connections.seat(B).unwrap();
        let [first, second] = [A, A].map(|of| connections.seat(of).unwrap());
        let third = connections.seat(A).unwrap();
        let all = [&other, &first, &second, &third];
        assert_eq!(ending(&all), [false, true, false, false]);
        second.standing().prove();
        third.standing().prove();
        let refused = connections.seat(A).unwrap_err();
        assert_eq!(refused, Refused::OfSource { max: 2 });
        // Nothing that counts by address.
        let pipes: Vec<_> = (0..5).map(|_| connections.seat(None).unwrap()).collect();
        assert!(
            ending(&pipes.iter().collect::<Vec<_>>())
                .iter()
                .all(|is| !is)
        );
        drop(second);
        connections.seat(A).unwrap();
    }

    #[test]
    fn who_is_redeeming_stays_while_an_idle_one_can_give_way_that_came_later() {
        let connections = Connections::new(4, 3);
        let other = connections.seat(B).unwrap();
        let [first, second, third] = [A, A, A].map(|of| connections.seat(of).unwrap());
        let trying = [&other, &first, &third].map(|seat| seat.standing().trying());
        // Of its address first, then of all: each time the only one that is idle, and never itself.
        let fourth = connections.seat(A).unwrap();
        let fifth = connections.seat(B).unwrap();
        let all = [&other, &first, &second, &third, &fourth, &fifth];
        assert_eq!(ending(&all), [false, false, true, false, true, false]);
        // Of those that all try the oldest.
        let _also = fifth.standing().trying();
        let sixth = connections.seat(B).unwrap();
        assert_eq!(ending(&all), [true, false, true, false, true, false]);
        // What failed is idle again.
        sixth.standing().prove();
        drop(trying);
        let _seventh = connections.seat(B).unwrap();
        assert_eq!(ending(&all), [true, true, true, false, true, false]);
    }

    #[test]
    fn of_so_many_that_try_none_gives_way_to_an_idle_one_and_of_one_more_the_oldest_does() {
        let connections = Connections::new(LOOKED_AT_MAX + 2, 2);
        let seats: Vec<_> = (0..LOOKED_AT_MAX + 2)
            .map(|_| connections.seat(None).unwrap())
            .collect();
        let [proven, trying @ .., idle] = seats.as_slice() else {
            unreachable!("there are more than two");
        };
        proven.standing().prove();
        let tries: Vec<_> = trying.iter().map(|seat| seat.standing().trying()).collect();
        let ends = |seat: &Seat| seat.gives_way().is_cancelled();

        let next = connections.seat(None).unwrap();
        assert!(ends(&trying[0]) && !ends(idle));
        let after = connections.seat(None).unwrap();
        assert!(ends(idle));
        let standing = [proven, &next, &after].into_iter().chain(&trying[1..]);
        assert!(standing.into_iter().all(|seat| !ends(seat)));
        drop(tries);
    }

    #[test]
    fn nothing_is_left_of_connections_that_ended() {
        let connections = Connections::new(2, 2);
        let seats: Vec<_> = (0..9).map(|_| connections.seat(A).unwrap()).collect();
        seats[8].standing().prove();
        drop(seats);
        let table = connections.lock();
        assert!(table.seats.is_empty() && table.unproven.is_empty() && table.sources.is_empty());
    }
}
