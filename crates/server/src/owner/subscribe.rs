//! Subscribing.

use share_engine::{Authority, Context, LogAnswers, Record, ShareState};
use share_model::{Cursor, LogPosition, Refusal, RefusalCode, planted};

use super::call::{Command, Ran};
use super::read::readable;
use super::share::Share;
use super::subscribers::Registration;

/// Asks to follow the log.
#[derive(Debug)]
pub(crate) struct SubscribeCall {
    pub(crate) authority: Authority,
    pub(crate) from: LogPosition,
}

/// A subscription that has begun.
#[derive(Debug)]
pub(crate) struct Subscribed {
    /// The share's durable position.
    pub(crate) position: LogPosition,
    pub(crate) start: Start,
    pub(crate) registration: Registration,
}

/// With what a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// The ops after this cursor.
    Tail(Cursor),
    /// The document: the log can't be read from where the reader stands.
    Document,
}

impl Command for SubscribeCall {
    type Answer = Subscribed;

    fn caller(&self) -> Option<&Authority> {
        Some(&self.authority)
    }

    fn run(&self, share: &mut Share, context: &Context, _log: &LogAnswers) -> Ran<Subscribed> {
        self.begin(share, context).into()
    }
}

impl SubscribeCall {
    fn begin(
        &self,
        share: &mut Share,
        context: &Context,
    ) -> Result<(Subscribed, Option<Record>), Refusal> {
        let state = readable(share, &self.authority, context)?;
        let position = LogPosition {
            history: Some(context.history),
            cursor: state.cursor(),
        };
        let start = start(state, self.from, context)?;
        let from = match start {
            Start::Tail(cursor) => cursor,
            Start::Document => Cursor::ZERO,
        };
        let grant = state.grant_of(&self.authority);
        let expires_at = grant.and_then(|grant| grant.expires_at);
        let by = self.authority.clone();
        let registration = share.subscribers.register(by, from, expires_at);
        share.notes.begin(context.now);
        let subscribed = Subscribed {
            position,
            start,
            registration: registration.ok_or_else(too_many)?,
        };
        Ok((subscribed, None))
    }
}

fn start(state: &ShareState, from: LogPosition, context: &Context) -> Result<Start, Refusal> {
    if from.history.is_none() && from.cursor != Cursor::ZERO {
        return Err(Refusal::new(
            RefusalCode::InvalidRequest,
            format!("from.cursor is {} without a from.history", from.cursor),
        ));
    }
    let is_known = from.history.is_none_or(|known| known == context.history);
    let is_in_log = (state.log_start()..=state.cursor()).contains(&from.cursor);
    if is_known && is_in_log && from.cursor > state.log_start() && planted!("tail-repeats") {
        return Ok(Start::Tail(Cursor::new(from.cursor.get() - 1)));
    }
    Ok(if is_known && is_in_log {
        Start::Tail(from.cursor)
    } else {
        Start::Document
    })
}

fn too_many() -> Refusal {
    Refusal::new(
        RefusalCode::QuotaExceeded,
        "the share has as many subscriptions as it may have",
    )
}
