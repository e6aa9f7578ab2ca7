//! `share whoami`: what a ref opens, and what it allows.

use serde::Serialize;
use share_model::{Redeemed, UnixMs};

use crate::error::CliError;
use crate::printable::{self, printable};
use crate::ref_arg::{self, RefArg};
use crate::{age, connect, rights_arg, run, ui};

/// Say what a ref opens, and what it allows.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// One JSON object: share, title, rights, owner, grant, label, epoch, expiresAtUnixMs, frozen,
    /// cursor, server
    #[arg(long)]
    json: bool,
}

/// What a server told, for a script.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    share: String,
    title: &'a str,
    rights: Vec<&'static str>,
    owner: bool,
    grant: String,
    label: &'a str,
    epoch: u64,
    /// Null: never.
    expires_at_unix_ms: Option<u64>,
    frozen: bool,
    cursor: u64,
    server: &'a str,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let session = connect::redeem(&share_ref).await?;
        let redeemed = session.redeemed();
        if args.json {
            return printable::json(&line(redeemed));
        }
        texts(redeemed, age::now()).iter().try_for_each(ui::data)
    })
}

fn line(redeemed: &Redeemed) -> Line<'_> {
    Line {
        share: redeemed.share.to_string(),
        title: &redeemed.title,
        rights: rights_arg::names(redeemed.rights),
        owner: redeemed.owner,
        grant: redeemed.grant.to_string(),
        label: &redeemed.label,
        epoch: redeemed.epoch.get(),
        expires_at_unix_ms: redeemed.expires_at.map(UnixMs::get),
        frozen: redeemed.frozen,
        cursor: redeemed.cursor.get(),
        server: &redeemed.server,
    }
}

/// For a person: name, tab, value; nothing in it steers a terminal.
fn texts(redeemed: &Redeemed, now: UnixMs) -> Vec<String> {
    let whose = if redeemed.owner { " (the owner's)" } else { "" };
    let expires = match redeemed.expires_at {
        None => "never".to_owned(),
        Some(at) => format!("in {}", age::left(now, at)),
    };
    let frozen = if redeemed.frozen { "yes" } else { "no" };
    let lines = [
        ("share", redeemed.share.to_string()),
        ("title", printable(&redeemed.title).into_owned()),
        ("rights", rights_arg::shown(redeemed.rights)),
        ("grant", format!("{}{whose}", redeemed.grant)),
        ("label", printable(&redeemed.label).into_owned()),
        ("epoch", redeemed.epoch.to_string()),
        ("expires", expires),
        ("frozen", frozen.to_owned()),
        ("cursor", redeemed.cursor.to_string()),
        ("server", printable(&redeemed.server).into_owned()),
    ];
    lines
        .into_iter()
        .map(|(name, value)| format!("{name}\t{value}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use share_model::{
        Cursor, Epoch, GrantId, HistoryId, Limits, Origin, OriginKind, Right, Rights, ShareId,
    };

    use super::*;

    fn redeemed() -> Redeemed {
        Redeemed {
            share: ShareId::from_bytes([1; 16]),
            cursor: Cursor::new(5),
            epoch: Epoch::new(2),
            history: HistoryId::from_bytes([3; 16]),
            rights: Rights::of(&[Right::Read, Right::Append]),
            limits: Limits::DEFAULT,
            title: "a\u{1b}[2Jtitle".into(),
            created_at: UnixMs::new(1),
            origin: Origin::new(OriginKind::User, "u".into(), 9).unwrap(),
            server: "share 1".into(),
            protocol_version: 1,
            grant: GrantId::from_bytes([2; 16]),
            expires_at: Some(UnixMs::new(120_000)),
            label: "for bob".into(),
            owner: false,
            frozen: true,
        }
    }

    #[test]
    fn a_person_reads_what_a_ref_allows() {
        let expected = [
            "share\t01010101010101010101010101010101",
            "title\ta\\u{1b}[2Jtitle",
            "rights\tread+append",
            "grant\t02020202020202020202020202020202",
            "label\tfor bob",
            "epoch\t2",
            "expires\tin 2 minutes",
            "frozen\tyes",
            "cursor\t5",
            "server\tshare 1",
        ];
        assert_eq!(texts(&redeemed(), UnixMs::ZERO), expected);
        let owners = Redeemed {
            owner: true,
            expires_at: None,
            ..redeemed()
        };
        let told = texts(&owners, UnixMs::ZERO);
        assert_eq!(
            told[3],
            "grant\t02020202020202020202020202020202 (the owner's)"
        );
        assert_eq!(told[6], "expires\tnever");
    }

    #[test]
    fn a_script_reads_every_field() {
        let expected = serde_json::json!({
            "share": "01010101010101010101010101010101",
            "title": "a\u{1b}[2Jtitle",
            "rights": ["read", "append"],
            "owner": false,
            "grant": "02020202020202020202020202020202",
            "label": "for bob",
            "epoch": 2,
            "expiresAtUnixMs": 120_000,
            "frozen": true,
            "cursor": 5,
            "server": "share 1",
        });
        assert_eq!(serde_json::to_value(line(&redeemed())).unwrap(), expected);
    }
}
