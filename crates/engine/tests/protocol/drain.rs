//! Draining: everybody reconnects, retries and gives up until nothing is left to do.

use std::collections::{BTreeSet, HashSet};

use super::events::Event;
use super::outbox::{OpKey, Stand};
use super::world::{CALMS, Checked, Violation, World};

/// Tries of a rejected op before it is given up, once nothing else is left to do.
const TRIES: u8 = 4;
/// More steps than any drain within the scopes here takes.
const STEPS_MAX: usize = 3000;

/// Worlds from which a drain is known to end well.
#[derive(Debug, Default)]
pub(crate) struct Drained(HashSet<u128>);

impl Drained {
    /// Drains the world, along the one path that a drain takes.
    pub(crate) fn drain(&mut self, mut world: World) -> Checked {
        let mut path = vec![];
        for _ in 0..STEPS_MAX {
            let hash = world.hash(false);
            if self.0.contains(&hash) {
                self.0.extend(path);
                return Ok(());
            }
            if path.contains(&hash) {
                return Err(Violation::new("LIVELOCK", world.next_of_drain()));
            }
            path.push(hash);
            let Some(event) = world.next_of_drain() else {
                world.check_quiet()?;
                self.0.extend(path);
                return Ok(());
            };
            world.step(event)?;
        }
        Err(Violation::new("STUCK", world.next_of_drain()))
    }
}

impl World {
    /// What a drain does next: depends on the world alone.
    pub(crate) fn next_of_drain(&self) -> Option<Event> {
        self.network_event()
            .or_else(|| self.any(|world, c| world.connection_event(c)))
            .or_else(|| self.retry_event())
            .or_else(|| self.any(|world, c| world.may_settle(c).then_some(Event::Settle(c))))
            .or_else(|| self.any(|world, c| world.calm_event(c, CALMS - 1)))
            .or_else(|| self.give_up_event())
            .or_else(|| self.any(|world, c| world.calm_event(c, CALMS)))
    }

    fn any(&self, of: impl Fn(&Self, usize) -> Option<Event>) -> Option<Event> {
        (0..self.clients.len()).find_map(|c| of(self, c))
    }

    fn network_event(&self) -> Option<Event> {
        for (c, conns) in self.conns.iter().enumerate() {
            for (at, conn) in conns.iter().enumerate() {
                if !conn.requests.is_empty() {
                    return Some(Event::Serve(c, at));
                }
                if !conn.replies.is_empty() {
                    return Some(Event::Deliver(c, at));
                }
            }
        }
        None
    }

    /// Nothing is under way: connects, sends, or leaves a connection whose answer was lost.
    fn connection_event(&self, c: usize) -> Option<Event> {
        let client = &self.clients[c];
        if !client.is_connected {
            return (!client.backs_off).then_some(Event::Connect(c));
        }
        if !client.is_claimed || client.sent > 0 {
            return Some(Event::Leave(c));
        }
        self.may_send(c).then_some(Event::Send(c, self.scope.batch))
    }

    fn calm_event(&self, c: usize, calms_max: u8) -> Option<Event> {
        let client = &self.clients[c];
        (client.backs_off && client.calms <= calms_max).then_some(Event::Calm(c))
    }

    /// The rejected row that was tried least often.
    fn least_tried(&self) -> Option<(u8, usize, u64)> {
        let mut least = None;
        for (c, client) in self.clients.iter().enumerate() {
            for (seq, row) in client.numbered() {
                let found = (row.tries, c, seq);
                if row.stand == Stand::Rejected && least.is_none_or(|least| found < least) {
                    least = Some(found);
                }
            }
        }
        least
    }

    fn retry_event(&self) -> Option<Event> {
        let (tries, c, seq) = self.least_tried()?;
        (tries < TRIES).then_some(Event::Retry(c, seq))
    }

    fn give_up_event(&self) -> Option<Event> {
        let (_, c, seq) = self.least_tried()?;
        Some(Event::GiveUp(c, seq))
    }

    /// What must hold when nothing is left to do.
    fn check_quiet(&self) -> Checked {
        let mut accounted: BTreeSet<OpKey> = BTreeSet::new();
        for client in &self.clients {
            for row in client.held() {
                let (key, is_there) = (row.op.key, self.server.has(row.op.fingerprint));
                let kind = match row.stand {
                    Stand::Applied if !is_there && !self.was_decided_by_a_copy(client.id, key) => {
                        "ACKED-LOST"
                    }
                    Stand::Dead if is_there && !self.was_decided_by_a_copy(client.id, key) => {
                        "DEAD-BUT-APPLIED"
                    }
                    Stand::Doubt => "DOUBT-WITHOUT-CAUSE",
                    Stand::Applied | Stand::Dead => {
                        accounted.insert(key);
                        continue;
                    }
                    Stand::Unsent | Stand::Stored | Stand::Rejected => "PENDING",
                };
                return Err(Violation::new(kind, (client.id, key)));
            }
        }
        for (key, op) in &self.ops {
            let is_there = self.server.has(op.fingerprint);
            if !is_there && !accounted.contains(key) && !self.ghost.pruned.contains(key) {
                return Err(Violation::new("MISSING", key));
            }
            if !is_there && self.ghost.acked.contains(key) && !self.is_excused(*key) {
                return Err(Violation::new("ACKED-NOT-BACK", key));
            }
        }
        Ok(())
    }

    /// Whether copies of one outbox decided differently about an op, one of them before a restore
    /// and one after it: who comes later finds the floor moved past that op, and what it had been
    /// told before stands in its outbox.
    fn was_decided_by_a_copy(&self, client: u8, key: OpKey) -> bool {
        !self.ghost.copied.is_empty()
            && self.ghost.given_up.contains(&key)
            && self.ghost.unasked.contains(&(client, key))
    }

    /// Whether an op that was acked before a restore can't be back: nobody held it any more, someone
    /// gave it up in a copy, or that is so of what it depends on.
    fn is_excused(&self, key: OpKey) -> bool {
        self.ghost.pruned.contains(&key)
            || self.ghost.given_up.contains(&key)
            || self.ops[&key]
                .depends_on
                .iter()
                .any(|on| !self.server.has(self.ops[on].fingerprint) && self.is_excused(*on))
    }
}
