//! `share audit`: what happened to a share's authority.

use serde::Serialize;
use share_model::{AuditEntry, ToldEvent, UnixMs};

use crate::error::CliError;
use crate::origin::{self, OriginLine};
use crate::printable::{self, printable};
use crate::ref_arg::{self, RefArg};
use crate::{age, connect, run, ui};

/// Show what happened to a share's authority: who was let in, refused, given or deprived of what.
///
/// Only the owner's ref may see it. The server keeps the newest 1024 entries; the same thing, done
/// again by the same one with nothing in between, is one entry that counts.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The owner's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// Only entries with numbers above this one
    #[arg(long, value_name = "N", default_value_t = 0)]
    after: u64,
    /// One JSON object a line: number, atUnixMs, lastAtUnixMs, count, event, grant, by (the grant
    /// under which it was done), origin (kind, id), client, refusal, cursor
    #[arg(long)]
    json: bool,
}

/// An entry for a script.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    number: u64,
    at_unix_ms: u64,
    last_at_unix_ms: u64,
    count: u64,
    event: String,
    grant: Option<String>,
    by: Option<String>,
    origin: Option<OriginLine<'a>>,
    client: &'a str,
    refusal: Option<&'static str>,
    cursor: u64,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let session = connect::redeem(&share_ref).await?;
        let told = session.audit(args.after).await;
        let told =
            told.map_err(|error| connect::failed("read the audit of", share_ref.share, error))?;
        if let Some(first) = told.first().filter(|first| first.number > args.after + 1) {
            let number = first.number;
            ui::note(format!("entries before {number} are no longer kept"));
        }
        let now = age::now();
        for entry in &told {
            match args.json {
                true => printable::json(&line(entry))?,
                false => ui::data(text(entry, now))?,
            }
        }
        Ok(())
    })
}

fn line(entry: &AuditEntry<ToldEvent>) -> Line<'_> {
    Line {
        number: entry.number,
        at_unix_ms: entry.at.get(),
        last_at_unix_ms: entry.last_at.get(),
        count: entry.count,
        event: entry.event.to_string(),
        grant: entry.grant.map(|grant| grant.to_string()),
        by: entry.by.map(|by| by.to_string()),
        origin: entry.origin.as_ref().map(OriginLine::from),
        client: &entry.client,
        refusal: entry.refusal.map(share_model::RefusalCode::name),
        cursor: entry.cursor.get(),
    }
}

/// For a person; nothing in it steers a terminal.
fn text(entry: &AuditEntry<ToldEvent>, now: UnixMs) -> String {
    let mut parts = vec![entry.event.to_string()];
    if let Some(refusal) = entry.refusal {
        parts.push(refusal.name().to_owned());
    }
    if entry.count > 1 {
        let first = age::between(entry.at, now);
        parts.push(format!("{} times, first {first} ago", entry.count));
    }
    if let Some(grant) = entry.grant {
        parts.push(format!("grant {grant}"));
    }
    if let Some(by) = entry.by.filter(|by| Some(*by) != entry.grant) {
        parts.push(format!("under {by}"));
    }
    if let Some(origin) = &entry.origin {
        parts.push(format!("by {}", origin::whose(origin)));
    }
    if !entry.client.is_empty() {
        parts.push(format!("client {}", printable(&entry.client)));
    }
    parts.push(format!("at cursor {}", entry.cursor));
    let ago = format!("{} ago", age::between(entry.last_at, now));
    format!("{:>6}  {ago:14}  {}", entry.number, parts.join(", "))
}

#[cfg(test)]
mod tests {
    use share_model::{AuditEvent, Cursor, GrantId, Origin, OriginKind, RefusalCode};

    use super::*;

    const MINUTE: u64 = 60_000;

    fn entry() -> AuditEntry<ToldEvent> {
        AuditEntry {
            number: 7,
            at: UnixMs::new(MINUTE),
            last_at: UnixMs::new(9 * MINUTE),
            count: 3,
            event: ToldEvent::Known(AuditEvent::Refused),
            grant: Some(GrantId::from_bytes([1; 16])),
            by: Some(GrantId::from_bytes([2; 16])),
            origin: Some(Origin::new(OriginKind::Agent, "ses_1".into(), 9).unwrap()),
            client: "share\u{1b}[2J/1".into(),
            refusal: Some(RefusalCode::Frozen),
            cursor: Cursor::new(5),
        }
    }

    #[test]
    fn a_person_reads_an_entry_on_one_line() {
        let now = UnixMs::new(10 * MINUTE);
        assert_eq!(
            text(&entry(), now),
            "     7  1 minute ago    refused, frozen, 3 times, first 9 minutes ago, grant \
             01010101010101010101010101010101, under 02020202020202020202020202020202, by agent \
             ses_1, client share\\u{1b}[2J/1, at cursor 5"
        );
        let plain = AuditEntry {
            count: 1,
            event: ToldEvent::Unknown(40),
            by: entry().grant,
            origin: None,
            client: String::new(),
            refusal: None,
            ..entry()
        };
        assert_eq!(
            text(&plain, now),
            "     7  1 minute ago    event 40, grant 01010101010101010101010101010101, at cursor 5"
        );
    }

    #[test]
    fn a_script_reads_every_field() {
        let expected = serde_json::json!({
            "number": 7,
            "atUnixMs": 60_000,
            "lastAtUnixMs": 540_000,
            "count": 3,
            "event": "refused",
            "grant": "01010101010101010101010101010101",
            "by": "02020202020202020202020202020202",
            "origin": {"kind": "agent", "id": "ses_1"},
            "client": "share\u{1b}[2J/1",
            "refusal": "frozen",
            "cursor": 5,
        });
        assert_eq!(serde_json::to_value(line(&entry())).unwrap(), expected);
    }
}
