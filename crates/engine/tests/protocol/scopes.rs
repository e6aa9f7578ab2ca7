//! The scopes that are explored, by name.

use super::scope::{Kind, Scope};

const KINDS: &[Kind] = &[
    Kind::Plain,
    Kind::AfterOwn,
    Kind::AfterOther,
    Kind::Invalid,
    Kind::Group,
    Kind::InvalidGroup,
];

/// Small enough for every interleaving. Batches of one op, so that two of them are pipelined.
const SMALL: Scope = Scope {
    batch: 1,
    settles: 0,
    ..Scope::BASE
};

/// A connection lost and an answer lost, with two batches pipelined on a claim.
pub(crate) const LOSSES: Scope = Scope {
    kills: 2,
    losses: 1,
    in_flight: 3,
    ..SMALL
};

/// The server dies as well, and what is settled is told.
pub(crate) const SERVER_DIES: Scope = Scope {
    kills: 1,
    losses: 1,
    server_kills: 1,
    settles: 1,
    in_flight: 3,
    ..SMALL
};

pub(crate) const COPY: Scope = Scope { copies: 1, ..SMALL };

pub(crate) const COPY_AND_LOSS: Scope = Scope {
    ops: 1,
    copies: 1,
    kills: 1,
    ..SMALL
};

pub(crate) const THREE_COPIES: Scope = Scope {
    ops: 1,
    copies: 2,
    in_flight: 1,
    ..SMALL
};

pub(crate) const TWO_RESTORES: Scope = Scope {
    backups: 2,
    restores: 2,
    settles: 1,
    ..SMALL
};

pub(crate) const COPY_AND_RESTORE: Scope = Scope {
    ops: 1,
    copies: 1,
    backups: 1,
    restores: 1,
    in_flight: 1,
    ..SMALL
};

/// A hole that is filled after the backup.
pub(crate) const LATE_HOLE: Scope = Scope {
    kinds: &[Kind::Plain, Kind::AfterOther],
    clients: 2,
    backups: 1,
    restores: 1,
    in_flight: 1,
    ..SMALL
};

/// An op that is given up after the backup, and a copy that wants it.
pub(crate) const LATE_DEAD_LETTER: Scope = Scope {
    abandons: 1,
    ..COPY_AND_RESTORE
};

pub(crate) const KEPT_HISTORY: Scope = Scope {
    kinds: &[Kind::Plain, Kind::Invalid],
    backups: 1,
    restores: 1,
    keeps_history: true,
    ..SMALL
};

/// An answer is lost behind the claim's, and then the server goes back in time.
pub(crate) const LOSS_AND_RESTORE: Scope = Scope {
    backups: 1,
    restores: 1,
    losses: 1,
    ..SMALL
};

pub(crate) const PRUNED: Scope = Scope {
    backups: 1,
    restores: 1,
    prunes: 1,
    ..SMALL
};

pub(crate) const ABANDONED: Scope = Scope {
    kinds: &[Kind::Plain, Kind::Invalid],
    kills: 1,
    losses: 1,
    abandons: 1,
    batch: 2,
    settles: 1,
    ..SMALL
};

pub(crate) const COPY_AND_ABANDONED: Scope = Scope {
    kinds: &[Kind::Plain, Kind::Invalid],
    ops: 1,
    copies: 1,
    abandons: 1,
    ..SMALL
};

pub(crate) const GROUPS: Scope = Scope {
    kinds: &[Kind::Plain, Kind::Group, Kind::InvalidGroup],
    ops: 3,
    kills: 1,
    batch: 2,
    ..SMALL
};

pub(crate) const COPIED_GROUP: Scope = Scope {
    kinds: &[Kind::Group, Kind::InvalidGroup],
    copies: 1,
    abandons: 1,
    in_flight: 1,
    ..SMALL
};

pub(crate) const DEPENDENCIES: Scope = Scope {
    kinds: &[Kind::Plain, Kind::AfterOwn, Kind::AfterOther],
    clients: 2,
    batch: 2,
    ..SMALL
};

pub(crate) const BUMP: Scope = Scope {
    bumps: 1,
    kills: 1,
    in_flight: 3,
    ..SMALL
};

/// Room for one writer: two outboxes retire each other.
pub(crate) const RETIRED: Scope = Scope {
    clients: 2,
    open_writers: 1,
    connects: 5,
    settles: 2,
    ..SMALL
};

/// What random runs have.
const LONG: Scope = Scope {
    ops: 5,
    kills: 4,
    losses: 3,
    server_kills: 1,
    settles: 3,
    in_flight: 3,
    batch: 3,
    ..Scope::BASE
};

pub(crate) const LONG_COPIES: Scope = Scope { copies: 2, ..LONG };

pub(crate) const LONG_ANYTHING: Scope = Scope {
    kinds: KINDS,
    copies: 2,
    backups: 2,
    restores: 2,
    abandons: 2,
    bumps: 1,
    ..LONG
};

pub(crate) const LONG_DEPENDENCIES: Scope = Scope {
    kinds: KINDS,
    clients: 2,
    backups: 2,
    restores: 2,
    abandons: 2,
    ..LONG
};

pub(crate) const LONG_RESTORES: Scope = Scope {
    backups: 2,
    restores: 2,
    ..LONG
};

pub(crate) const LONG_PRUNED: Scope = Scope {
    copies: 1,
    backups: 2,
    restores: 2,
    prunes: 3,
    ..LONG
};

pub(crate) const LONG_KEPT_HISTORY: Scope = Scope {
    copies: 1,
    keeps_history: true,
    ..LONG_DEPENDENCIES
};

/// Without copies: a lane that each of its holders has left stays open for ever.
pub(crate) const LONG_RETIRED: Scope = Scope {
    open_writers: 1,
    settles: 6,
    ..LONG_DEPENDENCIES
};

/// Random runs, by name.
pub(crate) const RANDOM: &[(&str, Scope)] = &[
    ("losses", LONG),
    ("copies", LONG_COPIES),
    ("anything", LONG_ANYTHING),
    ("dependencies", LONG_DEPENDENCIES),
    ("restores", LONG_RESTORES),
    ("pruned", LONG_PRUNED),
    ("kept history", LONG_KEPT_HISTORY),
    ("retired", LONG_RETIRED),
];
