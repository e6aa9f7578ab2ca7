//! What may happen next.

use super::outbox::{Client, Stand, Want};
use super::scope::Kind;
use super::world::World;

/// One step of a run. Clients are named by their number, a client's connections by their age.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    Enqueue(usize, Kind),
    Connect(usize),
    /// Sends the next stored batch, or cuts one of at most so many ops.
    Send(usize, usize),
    /// Tells what is settled.
    Settle(usize),
    Retry(usize, u64),
    /// A person gives an op up.
    Abandon(usize, u64),
    /// A client gives an op up that stays rejected: in a drain only.
    GiveUp(usize, u64),
    /// The server takes a request.
    Serve(usize, usize),
    /// The client gets an answer.
    Deliver(usize, usize),
    /// An answer is lost; the connection goes on.
    Lose(usize),
    /// The connection breaks, or the client dies.
    Kill(usize),
    /// The client gives up waiting on a connection: in a drain only.
    Leave(usize),
    /// The client tries again after a back-off: in a drain only.
    Calm(usize),
    Copy(usize),
    Prune(usize),
    KillServer,
    Backup,
    Restore {
        keeps_history: bool,
    },
    Bump,
}

impl World {
    /// Everything that may happen next.
    pub(crate) fn enabled(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for c in 0..self.clients.len() {
            self.of_client(c, &mut events);
            self.of_connections(c, &mut events);
            self.of_rows(c, &mut events);
        }
        self.of_world(&mut events);
        events
    }

    fn of_client(&self, c: usize, events: &mut Vec<Event>) {
        let (scope, used, client) = (&self.scope, &self.used, &self.clients[c]);
        for kind in scope.kinds {
            let ops = if matches!(kind, Kind::Group | Kind::InvalidGroup) {
                2
            } else {
                1
            };
            let has_other = || self.other_last(c).is_some();
            let fits = match kind {
                Kind::AfterOwn => !client.lane.is_empty(),
                Kind::AfterOther => has_other(),
                _ => true,
            };
            if fits && used.ops + ops <= scope.ops {
                events.push(Event::Enqueue(c, *kind));
            }
        }
        if !client.is_connected {
            if !client.backs_off && used.connects < scope.connects {
                events.push(Event::Connect(c));
            }
        } else {
            if self.may_send(c) {
                events.push(Event::Send(c, 1));
                if self.cuts_next(c) && scope.batch > 1 {
                    events.push(Event::Send(c, scope.batch));
                }
            }
            if used.settles < scope.settles && self.may_settle(c) {
                events.push(Event::Settle(c));
            }
            if used.kills < scope.kills {
                events.push(Event::Kill(c));
            }
        }
        if used.copies < scope.copies {
            events.push(Event::Copy(c));
        }
        if used.prunes < scope.prunes && self.may_prune(c) {
            events.push(Event::Prune(c));
        }
    }

    /// Whether the next send would cut a batch.
    fn cuts_next(&self, c: usize) -> bool {
        let client = &self.clients[c];
        client.sent == client.batches.len()
    }

    pub(crate) fn may_send(&self, c: usize) -> bool {
        let client = &self.clients[c];
        let Some(conn) = self.conns[c].last().filter(|_| client.is_connected) else {
            return false;
        };
        let unsent = |client: &Client| client.rows.iter().any(|row| row.stand == Stand::Unsent);
        conn.in_flight() < self.scope.in_flight
            && (client.is_claimed || self.scope.in_flight > 1)
            && (client.sent < client.batches.len() || unsent(client))
    }

    pub(crate) fn may_settle(&self, c: usize) -> bool {
        let client = &self.clients[c];
        client.is_connected
            && client.is_claimed
            && client.batches.is_empty()
            && !client.rows.iter().any(|row| row.stand == Stand::Unsent)
            && client.settled() > client.told
            && self.conns[c]
                .last()
                .is_some_and(|conn| conn.in_flight() < self.scope.in_flight)
    }

    fn may_prune(&self, c: usize) -> bool {
        let client = &self.clients[c];
        !client.earlier.is_empty() || client.settled() > client.pruned
    }

    fn of_connections(&self, c: usize, events: &mut Vec<Event>) {
        let client = &self.clients[c];
        for (at, conn) in self.conns[c].iter().enumerate() {
            if !conn.requests.is_empty() {
                events.push(Event::Serve(c, at));
            }
            let is_current = client.is_connected && at + 1 == self.conns[c].len();
            if !conn.replies.is_empty() {
                events.push(Event::Deliver(c, at));
                if is_current && self.used.losses < self.scope.losses {
                    events.push(Event::Lose(c));
                }
            }
        }
    }

    fn of_rows(&self, c: usize, events: &mut Vec<Event>) {
        let may_abandon = self.used.abandons < self.scope.abandons;
        let mut groups = Vec::new();
        for (seq, row) in self.clients[c].numbered() {
            if row.group > 0 {
                if groups.contains(&row.group) {
                    continue;
                }
                groups.push(row.group);
            }
            if row.stand == Stand::Rejected && row.tries <= self.scope.retries {
                events.push(Event::Retry(c, seq));
            }
            let is_open = !row.stand.is_final() && row.want == Want::Apply;
            if may_abandon && is_open && !row.was_applied {
                events.push(Event::Abandon(c, seq));
            }
        }
    }

    fn of_world(&self, events: &mut Vec<Event>) {
        let (scope, used) = (&self.scope, &self.used);
        if used.server_kills < scope.server_kills {
            events.push(Event::KillServer);
        }
        if used.backups < scope.backups {
            events.push(Event::Backup);
        }
        if used.restores < scope.restores && self.backup.is_some() {
            let keeps_history = false;
            events.push(Event::Restore { keeps_history });
            if scope.keeps_history {
                let keeps_history = true;
                events.push(Event::Restore { keeps_history });
            }
        }
        if used.bumps < scope.bumps {
            events.push(Event::Bump);
        }
    }
}
