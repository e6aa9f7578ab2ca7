//! Delegations and their events, for a person and for a script.

use serde::Serialize;
use share_client::{AgentSession, Delegation, LeaseEvent, Scope};
use share_model::UnixMs;

use crate::error::CliError;
use crate::origin::short;
use crate::printable::{self, printable};
use crate::ui;

/// One delegated cycle.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DelegationLine<'a> {
    share: String,
    /// Empty: the whole share.
    scope: &'a str,
    parent: &'a str,
    cycle: u64,
    /// waiting, claimed, or how it ended.
    state: &'static str,
    child: Option<&'a str>,
    /// The event of the claim.
    claim_id: Option<String>,
    /// Milliseconds since 1970, as all times here.
    delegated_at: u64,
    claimed_at: Option<u64>,
    /// Unless something is appended before.
    expires_at: Option<u64>,
    ended_at: Option<u64>,
    ops: OpsLine,
}

/// The ops that were enqueued under the claim.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpsLine {
    enqueued: u64,
    pending: u64,
    settled: u64,
    dead_letters: u64,
    in_doubt: u64,
    /// Ended, and no more in the outbox.
    dropped: u64,
}

impl<'a> DelegationLine<'a> {
    pub(super) fn of(it: &'a Delegation) -> Self {
        let claim = it.claim.as_ref();
        let ops = &it.ops;
        Self {
            share: it.share.to_string(),
            scope: it.of.scope.as_str(),
            parent: it.of.parent.id(),
            cycle: it.of.cycle.get(),
            state: match (it.ended, claim) {
                (Some((_, ending)), _) => ending.name(),
                (None, Some(_)) => "claimed",
                (None, None) => "waiting",
            },
            child: claim.map(|claim| claim.child.id()),
            claim_id: claim.map(|claim| claim.id.to_string()),
            delegated_at: it.at.get(),
            claimed_at: claim.map(|claim| claim.at.get()),
            expires_at: claim.and_then(|claim| claim.expires_at).map(UnixMs::get),
            ended_at: it.ended.map(|(at, _)| at.get()),
            ops: OpsLine {
                enqueued: ops.enqueued,
                pending: ops.pending,
                settled: ops.settled,
                dead_letters: ops.dead_letters,
                in_doubt: ops.in_doubt,
                dropped: ops.dropped,
            },
        }
    }

    pub(super) fn show(&self, json: bool) -> Result<(), CliError> {
        if json {
            return printable::json(self);
        }
        let Self {
            share,
            cycle,
            state,
            ops,
            ..
        } = self;
        let (scope, parent) = (named(self.scope), short(self.parent));
        let child = self.child.map_or_else(|| "nobody".to_owned(), short);
        ui::data(format!(
            "{share}  cycle {cycle} of {scope}, {parent} to {child}: {state}{}",
            ops.text()
        ))
    }
}

impl OpsLine {
    /// Empty, or begins with a semicolon.
    fn text(&self) -> String {
        if self.enqueued == 0 {
            return String::new();
        }
        let parts = [
            (self.pending, "pending"),
            (self.settled, "settled"),
            (self.dead_letters, "dead letters"),
            (self.in_doubt, "in doubt"),
            (self.dropped, "no more held"),
        ];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        format!("; ops {}: {}", self.enqueued, parts.join(", "))
    }
}

/// Something that happened.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventLine<'a> {
    id: String,
    /// Milliseconds since 1970.
    at: u64,
    kind: &'static str,
    share: String,
    /// Empty: the whole share.
    scope: &'a str,
    parent: &'a str,
    cycle: u64,
    /// Who has claimed the cycle, or had.
    child: Option<&'a str>,
    /// Who did it or tried to; null: the clock, or the end of another delegation.
    session: Option<&'a str>,
    ops: u64,
    /// The key that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
}

impl<'a> EventLine<'a> {
    pub(super) fn of(it: &'a LeaseEvent) -> Self {
        Self {
            id: it.id.to_string(),
            at: it.at.get(),
            kind: it.kind.name(),
            share: it.share.to_string(),
            scope: it.of.scope.as_str(),
            parent: it.of.parent.id(),
            cycle: it.of.cycle.get(),
            child: it.child.as_ref().map(AgentSession::id),
            session: it.session.as_ref().map(AgentSession::id),
            ops: it.ops,
            key: it.key.as_deref(),
        }
    }

    pub(super) fn show(&self, json: bool) -> Result<(), CliError> {
        if json {
            return printable::json(self);
        }
        let Self {
            at, kind, cycle, ..
        } = self;
        let (scope, parent) = (named(self.scope), short(self.parent));
        let by = self.session.map_or_else(|| "-".to_owned(), short);
        let ops = match self.ops {
            0 => String::new(),
            ops => format!("; ops {ops}"),
        };
        let key = self
            .key
            .map_or(String::new(), |key| format!("; key {}", printable(key)));
        ui::data(format!(
            "{at}  {by}  {kind}  cycle {cycle} of {scope}, delegated by {parent}{ops}{key}"
        ))
    }
}

/// A scope for a person.
fn named(scope: &str) -> String {
    if scope == Scope::WHOLE.as_str() {
        "the whole share".to_owned()
    } else {
        printable(scope).into_owned()
    }
}
