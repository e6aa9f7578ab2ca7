//! How much may happen in a run.

use share_model::Limits;

/// What may be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Plain,
    /// Depends on the outbox's own last op.
    AfterOwn,
    /// Depends on the last op of another outbox.
    AfterOther,
    /// Never fits the document.
    Invalid,
    /// An atomic group of two.
    Group,
    /// An atomic group of two, of which the second never fits.
    InvalidGroup,
}

/// The bounds of an exploration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope {
    pub(crate) kinds: &'static [Kind],
    pub(crate) ops: u8,
    /// Outboxes of their own.
    pub(crate) clients: u8,
    /// Copies of outboxes.
    pub(crate) copies: u8,
    /// Connections left, by loss or by the client's death.
    pub(crate) kills: u8,
    pub(crate) server_kills: u8,
    /// Answers lost on connections that go on.
    pub(crate) losses: u8,
    pub(crate) backups: u8,
    pub(crate) restores: u8,
    /// Restores may also keep the history id.
    pub(crate) keeps_history: bool,
    pub(crate) abandons: u8,
    /// Tries of a rejected op while the exploration lasts.
    pub(crate) retries: u8,
    pub(crate) prunes: u8,
    pub(crate) bumps: u8,
    /// Words on what is settled, sent by themselves.
    pub(crate) settles: u8,
    /// Calls without an answer per connection; one means: nothing is pipelined on a claim.
    pub(crate) in_flight: usize,
    /// Ops of a batch.
    pub(crate) batch: usize,
    /// Writers that may be open at once.
    pub(crate) open_writers: u32,
    /// Connections made; bounds runs in which outboxes retire one another for ever.
    pub(crate) connects: u8,
}

impl Scope {
    pub(crate) const BASE: Self = Self {
        kinds: &[Kind::Plain],
        ops: 2,
        clients: 1,
        copies: 0,
        kills: 0,
        server_kills: 0,
        losses: 0,
        backups: 0,
        restores: 0,
        keeps_history: false,
        abandons: 0,
        retries: 1,
        prunes: 0,
        bumps: 0,
        settles: 1,
        in_flight: 2,
        batch: 2,
        open_writers: 64,
        connects: u8::MAX,
    };

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            open_writers_max: self.open_writers,
            ..Limits::DEFAULT
        }
    }

    /// Whether nothing but the order of sending decides the order in the log.
    pub(crate) fn is_plain(&self) -> bool {
        self.prunes == 0 && self.kinds.iter().all(|kind| *kind == Kind::Plain)
    }
}

/// How much of it has happened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub(crate) struct Used {
    pub(crate) ops: u8,
    pub(crate) copies: u8,
    pub(crate) kills: u8,
    pub(crate) server_kills: u8,
    pub(crate) losses: u8,
    pub(crate) backups: u8,
    pub(crate) restores: u8,
    pub(crate) abandons: u8,
    pub(crate) prunes: u8,
    pub(crate) bumps: u8,
    pub(crate) settles: u8,
    /// Counted only where it is bounded.
    pub(crate) connects: u8,
}
