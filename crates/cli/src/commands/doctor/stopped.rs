//! Shares whose replay stands still until a person does something.

use serde::Serialize;
use share_client::{ShareStatus, Stop};
use share_model::Reaction;

use super::Look;
use crate::age;
use crate::counts::ops;
use crate::printable::printable;

/// A share that stands still.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stopped {
    share: String,
    code: &'static str,
    message: String,
    at: u64,
    pending: u64,
    hint: &'static str,
    commands: Vec<String>,
    #[serde(skip)]
    since: String,
}

/// One that is gone stands still for good: nobody can do anything about that, only about its ops.
pub(super) fn look(look: &Look<'_>) -> Vec<Stopped> {
    let now = age::now();
    let stopped = look.shares.iter().filter_map(|status| {
        let stop = status.stopped.as_ref()?;
        let is_gone = stop.code.reaction() == Reaction::Stop;
        (!is_gone).then(|| Stopped::of(status, stop, (look, age::between(stop.at, now))))
    });
    stopped.collect()
}

impl Stopped {
    fn of(status: &ShareStatus, stop: &Stop, (look, since): (&Look<'_>, String)) -> Self {
        let state = &look.state;
        let newer = match stop.code.reaction() {
            Reaction::Person | Reaction::RedeemNewest => "a newer ref, from the share's owner",
            _ => "the share's ref, again or a newer one",
        };
        Self {
            share: status.share.to_string(),
            code: stop.code.name(),
            message: stop.message.clone(),
            at: stop.at.get(),
            pending: status.pending,
            hint: stop.hint(),
            commands: vec![
                format!("share use @FILE{state} # {newer}"),
                format!("share replay{state}"),
            ],
            since,
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let Self {
            share,
            code,
            pending,
            hint,
            since,
            ..
        } = self;
        let message = printable(&self.message);
        let mut lines = vec![
            format!(
                "needs you: share {share} stands still for {since}: {message} ({code}); {} \
                 kept",
                ops(*pending)
            ),
            format!("  {hint}"),
        ];
        lines.extend(
            self.commands
                .iter()
                .map(|command| format!("  do: `{command}`")),
        );
        lines
    }
}
