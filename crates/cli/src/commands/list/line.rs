//! One entry as it is shown.

use std::borrow::Cow;

use serde::Serialize;
use share_client::RegistryEntry;
use share_model::{ShareRef, UnixMs};

use super::outboxes::Held;
use super::servers::Told;
use crate::age;
use crate::origin::OriginLine;

/// Above the lines of text.
pub(super) const HEAD: &str = "share                             epoch    cursor  as of           pending  last seen       \
     session";

/// An entry for a script, and for a person.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    project: &'a str,
    session: &'a str,
    state: &'static str,
    share: Option<String>,
    title: &'a str,
    epoch: Option<u64>,
    cursor: Option<u64>,
    cursor_at: Option<u64>,
    live: bool,
    problem: Option<String>,
    pending_ops: Option<u64>,
    in_doubt: Option<u64>,
    dead_letters: Option<u64>,
    outbox: Cow<'a, str>,
    outbox_problem: Option<String>,
    last_seen_at: u64,
    created_at: u64,
    released_at: Option<u64>,
    made_by: OriginLine<'a>,
    #[serde(skip)]
    name: String,
}

/// A line with the owner's ref.
#[derive(Serialize)]
pub(super) struct LineWithRef<'a> {
    #[serde(flatten)]
    line: &'a Line<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    r#ref: Option<String>,
}

impl<'a> Line<'a> {
    pub(super) fn of(entry: &'a RegistryEntry, told: Told, held: Held) -> Self {
        let share = entry.share();
        let known = entry.sighting;
        let (now, problem) = match told {
            Told::Now(redeemed) => (Some(redeemed), None),
            Told::Nothing(why) => (None, Some(why)),
            Told::NotAsked => (None, None),
        };
        let epoch = entry.epoch().max(now.as_ref().map(|now| now.epoch));
        let cursor = match &now {
            Some(now) => Some(now.cursor),
            None => known.map(|known| known.cursor),
        };
        let at = match now {
            Some(_) => Some(age::now()),
            None => known.map(|known| known.at),
        };
        let last_seen_at = entry.last_seen_at.max(at.unwrap_or_default());
        let (ops, outbox_problem) = match held {
            Held::Ops(status) => (Some(status), None),
            Held::Unknown(why) => (None, share.map(|_| why)),
        };
        Self {
            project: entry.name.project(),
            session: entry.name.session(),
            state: match (entry.released_at, share) {
                (Some(_), _) => "released",
                (None, None) => "pending",
                (None, Some(_)) => "open",
            },
            share: share.map(|share| share.to_string()),
            title: &entry.title,
            epoch: epoch.map(share_model::Epoch::get),
            cursor: cursor.map(share_model::Cursor::get),
            cursor_at: at.map(UnixMs::get),
            live: now.is_some(),
            problem,
            pending_ops: ops.as_ref().map(|ops| ops.pending),
            in_doubt: ops.as_ref().map(|ops| ops.in_doubt),
            dead_letters: ops.as_ref().map(|ops| ops.dead_letters),
            outbox: entry.state_file.to_string_lossy(),
            outbox_problem,
            last_seen_at: last_seen_at.get(),
            created_at: entry.created_at.get(),
            released_at: entry.released_at.map(UnixMs::get),
            made_by: (&entry.origin).into(),
            name: entry.name.to_string(),
        }
    }

    pub(super) fn with_ref(&'a self, reference: Option<&ShareRef>) -> LineWithRef<'a> {
        LineWithRef {
            line: self,
            r#ref: reference.map(ShareRef::expose),
        }
    }

    /// For a person; nothing in it steers a terminal.
    pub(super) fn text(&self, now: UnixMs) -> String {
        let ago = |then: u64| format!("{} ago", age::between(UnixMs::new(then), now));
        let number = |number: Option<u64>| number.map_or("-".into(), |it| it.to_string());
        let as_of = match (self.live, self.cursor_at) {
            (true, _) => "now".into(),
            (false, Some(at)) => ago(at),
            (false, None) => "-".into(),
        };
        let state = match self.state {
            "open" => "",
            "pending" => " (no share yet)",
            _ => " (released)",
        };
        format!(
            "{:32}  {:>5}  {:>8}  {as_of:14}  {:>7}  {:14}  {}{state}",
            self.share.as_deref().unwrap_or("-"),
            number(self.epoch),
            number(self.cursor),
            number(self.pending_ops),
            ago(self.last_seen_at),
            self.name,
        )
    }

    /// What is not known, and why.
    pub(super) fn problems(&self) -> Vec<String> {
        let share = self.share.as_deref().unwrap_or("-");
        let server = self
            .problem
            .as_ref()
            .map(|why| format!("share {share}: {why}"));
        let outbox = self
            .outbox_problem
            .as_ref()
            .map(|why| format!("outbox `{}`: {why}", self.outbox));
        server.into_iter().chain(outbox).collect()
    }
}
