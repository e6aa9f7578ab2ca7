//! One file per command: its arguments and what it does.

pub(crate) mod append;
pub(crate) mod backup;
pub(crate) mod create;
pub(crate) mod doctor;
pub(crate) mod health;
pub(crate) mod lease;
pub(crate) mod list;
pub(crate) mod open;
pub(crate) mod outbox;
pub(crate) mod push;
pub(crate) mod release;
pub(crate) mod replay;
pub(crate) mod restore;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod tail;
pub(crate) mod use_ref;
