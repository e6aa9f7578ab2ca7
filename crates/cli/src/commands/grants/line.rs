//! One grant of a share as it is shown.

use serde::Serialize;
use share_model::{GrantInfo, UnixMs, Usage};

use crate::origin::{self, OriginLine};
use crate::printable::printable;
use crate::{age, rights_arg};

/// A grant for a script.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line<'a> {
    grant: String,
    rights: Vec<&'static str>,
    epoch: u64,
    /// Null: the owner's.
    parent: Option<String>,
    label: &'a str,
    origin: OriginLine<'a>,
    published: bool,
    sealed_for: Option<String>,
    created_at_unix_ms: u64,
    expires_at_unix_ms: Option<u64>,
    revoked_at_unix_ms: Option<u64>,
    sessions: u32,
    viewers: u32,
    usage: UsageLine,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct UsageLine {
    redeems: u64,
    first_redeemed_at_unix_ms: Option<u64>,
    last_redeemed_at_unix_ms: Option<u64>,
    first_appended_at_unix_ms: Option<u64>,
    last_read_at_unix_ms: Option<u64>,
    last_read_cursor: u64,
    refusals: u64,
    last_refused_at_unix_ms: Option<u64>,
}

impl<'a> Line<'a> {
    pub(super) fn of(grant: &'a GrantInfo) -> Self {
        Self {
            grant: grant.id.to_string(),
            rights: rights_arg::names(grant.rights),
            epoch: grant.epoch.get(),
            parent: grant.parent.map(|parent| parent.to_string()),
            label: &grant.label,
            origin: (&grant.origin).into(),
            published: grant.published,
            sealed_for: grant.sealed_for.map(|owner| owner.to_string()),
            created_at_unix_ms: grant.created_at.get(),
            expires_at_unix_ms: grant.expires_at.map(UnixMs::get),
            revoked_at_unix_ms: grant.revoked_at.map(UnixMs::get),
            sessions: grant.sessions,
            viewers: grant.viewers,
            usage: (&grant.usage).into(),
        }
    }
}

impl From<&Usage> for UsageLine {
    fn from(usage: &Usage) -> Self {
        Self {
            redeems: usage.redeems,
            first_redeemed_at_unix_ms: usage.first_redeemed_at.map(UnixMs::get),
            last_redeemed_at_unix_ms: usage.last_redeemed_at.map(UnixMs::get),
            first_appended_at_unix_ms: usage.first_appended_at.map(UnixMs::get),
            last_read_at_unix_ms: usage.last_read_at.map(UnixMs::get),
            last_read_cursor: usage.last_read_cursor.get(),
            refusals: usage.refusals,
            last_refused_at_unix_ms: usage.last_refused_at.map(UnixMs::get),
        }
    }
}

/// A grant for a person; nothing in it steers a terminal.
pub(super) fn text(grant: &GrantInfo, now: UnixMs) -> String {
    let mut parts = vec![rights_arg::shown(grant.rights), standing(grant, now)];
    parts.push(match grant.parent {
        None => "owner".to_owned(),
        Some(parent) => format!("below {parent}"),
    });
    if grant.published {
        parts.push("published".to_owned());
    }
    if let Some(owner) = grant.sealed_for {
        parts.push(format!("sealed for {owner}"));
    }
    if !grant.label.is_empty() {
        parts.push(format!("\"{}\"", printable(&grant.label)));
    }
    parts.push(format!("by {}", origin::whose(&grant.origin)));
    parts.extend(live(grant));
    parts.extend(used(&grant.usage, now));
    format!("{}  {}", grant.id, parts.join(", "))
}

/// Whether it holds, and how long.
fn standing(grant: &GrantInfo, now: UnixMs) -> String {
    let ago = |at| age::between(at, now);
    match (grant.revoked_at, grant.expires_at) {
        (Some(at), _) => format!("revoked {} ago", ago(at)),
        (None, Some(at)) if at <= now => format!("expired {} ago", ago(at)),
        (None, Some(at)) => format!("holds for {}", age::left(now, at)),
        (None, None) => "holds".to_owned(),
    }
}

fn live(grant: &GrantInfo) -> Vec<String> {
    let counted = [(grant.sessions, "session"), (grant.viewers, "viewer")];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    counted
        .map(|(count, thing)| format!("{count} {thing}{} now", if count == 1 { "" } else { "s" }))
        .collect()
}

fn used(usage: &Usage, now: UnixMs) -> Vec<String> {
    let ago = |at| format!("{} ago", age::between(at, now));
    let mut used = Vec::new();
    used.push(match usage.last_redeemed_at {
        Some(at) => format!("redeemed {}, last {}", times(usage.redeems), ago(at)),
        None => "never redeemed".to_owned(),
    });
    if let Some(at) = usage.first_appended_at {
        used.push(format!("first appended {}", ago(at)));
    }
    if let Some(at) = usage.last_read_at {
        let cursor = usage.last_read_cursor;
        used.push(format!("last read {} up to cursor {cursor}", ago(at)));
    }
    if let Some(at) = usage.last_refused_at {
        used.push(format!(
            "refused {}, last {}",
            times(usage.refusals),
            ago(at)
        ));
    }
    used
}

fn times(count: u64) -> String {
    match count {
        1 => "once".to_owned(),
        count => format!("{count} times"),
    }
}

#[cfg(test)]
mod tests {
    use share_model::{Cursor, Epoch, GrantId, Origin, OriginKind, OwnerId, Right, Rights};

    use super::*;

    const MINUTE: u64 = 60_000;

    fn grant() -> GrantInfo {
        GrantInfo {
            id: GrantId::from_bytes([1; 16]),
            rights: Rights::ALL,
            epoch: Epoch::new(2),
            created_at: UnixMs::new(5),
            expires_at: None,
            label: String::new(),
            parent: None,
            origin: Origin::new(OriginKind::User, "ann".into(), 9).unwrap(),
            sealed_for: None,
            published: false,
            revoked_at: None,
            sessions: 0,
            viewers: 0,
            usage: Usage::default(),
        }
    }

    fn child() -> GrantInfo {
        GrantInfo {
            rights: Rights::of(&[Right::Read]),
            expires_at: Some(UnixMs::new(70 * MINUTE)),
            label: "for \u{1b}[2Jbob".into(),
            parent: Some(GrantId::from_bytes([2; 16])),
            sealed_for: Some(OwnerId::from_bytes([1; 32])),
            published: true,
            sessions: 1,
            viewers: 2,
            usage: Usage {
                redeems: 3,
                first_redeemed_at: Some(UnixMs::new(MINUTE)),
                last_redeemed_at: Some(UnixMs::new(8 * MINUTE)),
                first_appended_at: Some(UnixMs::new(2 * MINUTE)),
                last_read_at: Some(UnixMs::new(9 * MINUTE)),
                last_read_cursor: Cursor::new(7),
                refusals: 1,
                last_refused_at: Some(UnixMs::new(9 * MINUTE)),
            },
            ..grant()
        }
    }

    #[test]
    fn a_person_reads_what_a_grant_allows_how_long_and_how_it_was_used() {
        let now = UnixMs::new(10 * MINUTE);
        assert_eq!(
            text(&grant(), now),
            "01010101010101010101010101010101  read+append+admin, holds, owner, by user ann, never \
             redeemed"
        );
        assert_eq!(
            text(&child(), now),
            "01010101010101010101010101010101  read, holds for 1 hour, below \
             02020202020202020202020202020202, published, sealed for \
             AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE, \"for \\u{1b}[2Jbob\", by user ann, \
             1 session now, 2 viewers now, redeemed 3 times, last 2 minutes ago, first appended 8 \
             minutes ago, last read 1 minute ago up to cursor 7, refused once, last 1 minute ago"
        );
    }

    #[test]
    fn a_grant_that_has_ended_says_how() {
        let at = |minute: u64| UnixMs::new(minute * MINUTE);
        let ended = GrantInfo {
            revoked_at: Some(at(80)),
            ..child()
        };
        assert_eq!(standing(&child(), at(70)), "expired 0 seconds ago");
        assert_eq!(standing(&child(), at(72)), "expired 2 minutes ago");
        assert_eq!(standing(&ended, at(82)), "revoked 2 minutes ago");
    }

    #[test]
    fn a_script_reads_every_field() {
        let line = serde_json::to_value(Line::of(&child())).unwrap();
        let expected = serde_json::json!({
            "grant": "01010101010101010101010101010101",
            "rights": ["read"],
            "epoch": 2,
            "parent": "02020202020202020202020202020202",
            "label": "for \u{1b}[2Jbob",
            "origin": {"kind": "user", "id": "ann"},
            "published": true,
            "sealedFor": "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE",
            "createdAtUnixMs": 5,
            "expiresAtUnixMs": 4_200_000,
            "revokedAtUnixMs": null,
            "sessions": 1,
            "viewers": 2,
            "usage": {
                "redeems": 3,
                "firstRedeemedAtUnixMs": 60_000,
                "lastRedeemedAtUnixMs": 480_000,
                "firstAppendedAtUnixMs": 120_000,
                "lastReadAtUnixMs": 540_000,
                "lastReadCursor": 7,
                "refusals": 1,
                "lastRefusedAtUnixMs": 540_000,
            },
        });
        assert_eq!(line, expected);
    }
}
