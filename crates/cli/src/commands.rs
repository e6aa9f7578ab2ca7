//! One file per command: its arguments and what it does.

pub(crate) mod append;
pub(crate) mod create;
pub(crate) mod health;
pub(crate) mod outbox;
pub(crate) mod push;
pub(crate) mod replay;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod tail;
pub(crate) mod use_ref;
