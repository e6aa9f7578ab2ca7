//! The claimed writers of a share's connections.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use share_engine::{Appender, Authority};
use share_model::{OutboxId, Refusal};

/// Names an appender of one owner. The appender lives as long as its ticket.
#[derive(Debug, Clone)]
pub(crate) struct AppenderTicket {
    number: Arc<u64>,
    outbox: OutboxId,
}

impl AppenderTicket {
    /// The outbox whose lane the appender appends to.
    pub(super) fn outbox(&self) -> OutboxId {
        self.outbox
    }
}

/// The appenders whose tickets live, and what they were before the round that runs.
#[derive(Debug)]
pub(super) struct Appenders {
    held: BTreeMap<u64, Held>,
    /// Appenders as they were before the round changed them, in the order of the changes.
    before: Vec<(u64, Appender)>,
    last: u64,
    max: usize,
}

#[derive(Debug)]
struct Held {
    appender: Appender,
    /// By whom it was claimed.
    authority: Authority,
    ticket: Weak<u64>,
    /// A quota has ended it: what is pipelined behind gets the same refusal.
    refused: Option<Refusal>,
}

impl Appenders {
    pub(super) fn new(max: usize) -> Self {
        Self {
            held: BTreeMap::new(),
            before: Vec::new(),
            last: 0,
            max,
        }
    }

    /// Whether there is room for one more, after those are gone whose tickets are.
    pub(super) fn has_room(&mut self) -> bool {
        self.held.retain(|_, held| held.ticket.strong_count() > 0);
        self.held.len() < self.max
    }

    /// Keeps an appender as long as its ticket lives.
    pub(super) fn insert(&mut self, appender: Appender, authority: Authority) -> AppenderTicket {
        self.last += 1;
        let (number, outbox) = (Arc::new(self.last), appender.outbox());
        let held = Held {
            appender,
            authority,
            ticket: Arc::downgrade(&number),
            refused: None,
        };
        self.held.insert(self.last, held);
        AppenderTicket { number, outbox }
    }

    /// Whose the live ones are.
    pub(super) fn live(&self) -> impl Iterator<Item = &Authority> {
        let held = self.held.values();
        held.filter(|held| held.ticket.strong_count() > 0)
            .map(|held| &held.authority)
    }

    pub(super) fn get(&self, ticket: &AppenderTicket) -> Option<&Appender> {
        self.held.get(&ticket.number).map(|held| &held.appender)
    }

    /// The appender, to be changed; [`Appenders::roll_back`] undoes it.
    pub(super) fn get_mut(&mut self, ticket: &AppenderTicket) -> Option<&mut Appender> {
        let held = self.held.get_mut(&ticket.number)?;
        self.before.push((*ticket.number, held.appender.clone()));
        Some(&mut held.appender)
    }

    /// Ends an appender by this refusal; that stays when the round is rolled back.
    pub(super) fn refuse(&mut self, ticket: &AppenderTicket, refusal: &Refusal) {
        if let Some(held) = self.held.get_mut(&ticket.number) {
            held.refused.get_or_insert_with(|| refusal.clone());
        }
    }

    /// The refusal that has ended an appender, if it was no rule's.
    pub(super) fn refusal(&self, ticket: &AppenderTicket) -> Option<&Refusal> {
        self.held.get(&ticket.number)?.refused.as_ref()
    }

    /// The round is durable.
    pub(super) fn keep(&mut self) {
        self.before.clear();
    }

    /// The round's state was thrown away: an appender that it ended may not be at its end.
    pub(super) fn roll_back(&mut self) {
        while let Some((key, appender)) = self.before.pop() {
            if let Some(held) = self.held.get_mut(&key) {
                held.appender = appender;
            }
        }
    }
}
