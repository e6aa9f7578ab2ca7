//! The grants of a factory.

use serde::Serialize;
use share_client::{TcpConnector, factory_grants};
use share_model::{FactoryGrantInfo, FactoryRef, Quotas, UnixMs};

use crate::error::CliError;
use crate::printable::{self, printable};
use crate::{connect, ui};

/// A grant for a script.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    grant: String,
    root: bool,
    label: &'a str,
    shares: u64,
    bytes: u64,
    quotas: QuotasLine,
    created_at_unix_ms: Option<u64>,
}

/// Null: no bound.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct QuotasLine {
    shares_max: Option<u64>,
    bytes_max: Option<u64>,
    appends_per_second: Option<u32>,
}

pub(super) async fn list(from: &FactoryRef, json: bool) -> Result<(), CliError> {
    let grants = factory_grants(&TcpConnector::default(), from).await;
    let mut grants =
        grants.map_err(|error| connect::failed_at("list the grants of the factory", error))?;
    // The root has no time, and comes first.
    grants.sort_by_key(|grant| (grant.created_at, grant.id));
    for grant in &grants {
        match json {
            true => printable::json(&line(grant))?,
            false => ui::data(text(grant))?,
        }
    }
    Ok(())
}

fn line(grant: &FactoryGrantInfo) -> Line<'_> {
    let Quotas {
        shares_max,
        bytes_max,
        appends_per_second,
    } = grant.quotas;
    Line {
        grant: grant.id.to_string(),
        root: grant.root,
        label: &grant.label,
        shares: grant.shares,
        bytes: grant.bytes,
        quotas: QuotasLine {
            shares_max: (shares_max != 0).then_some(shares_max),
            bytes_max: (bytes_max != 0).then_some(bytes_max),
            appends_per_second: (appends_per_second != 0).then_some(appends_per_second),
        },
        created_at_unix_ms: grant.created_at.map(UnixMs::get),
    }
}

/// For a person; nothing in it steers a terminal.
fn text(grant: &FactoryGrantInfo) -> String {
    let mut parts = Vec::new();
    if grant.root {
        parts.push("root, no bound".to_owned());
    } else {
        let of = |used: u64, max: u64, what: &str| match max {
            0 => format!("{used} {what}, no bound"),
            max => format!("{used} of {max} {what}"),
        };
        let quotas = &grant.quotas;
        parts.push(of(grant.shares, quotas.shares_max, "shares"));
        parts.push(of(grant.bytes, quotas.bytes_max, "bytes"));
        parts.push(match quotas.appends_per_second {
            0 => "any number of appends a second".to_owned(),
            max => format!("{max} appends a second"),
        });
    }
    if !grant.label.is_empty() {
        parts.push(format!("\"{}\"", printable(&grant.label)));
    }
    format!("{}  {}", grant.id, parts.join("; "))
}

#[cfg(test)]
mod tests {
    use share_model::GrantId;

    use super::*;

    fn child() -> FactoryGrantInfo {
        FactoryGrantInfo {
            id: GrantId::from_bytes([1; 16]),
            root: false,
            quotas: Quotas {
                shares_max: 3,
                bytes_max: 0,
                appends_per_second: 50,
            },
            shares: 2,
            bytes: 4096,
            label: "team\n".into(),
            created_at: Some(UnixMs::new(5)),
        }
    }

    #[test]
    fn a_person_reads_what_is_used_of_each_quota() {
        assert_eq!(
            text(&child()),
            "01010101010101010101010101010101  2 of 3 shares; 4096 bytes, no bound; 50 appends a \
             second; \"team\\n\""
        );
        let root = FactoryGrantInfo {
            root: true,
            label: String::new(),
            ..child()
        };
        assert_eq!(
            text(&root),
            "01010101010101010101010101010101  root, no bound"
        );
    }

    #[test]
    fn a_script_reads_null_where_there_is_no_bound() {
        let expected = serde_json::json!({
            "grant": "01010101010101010101010101010101",
            "root": false,
            "label": "team\n",
            "shares": 2,
            "bytes": 4096,
            "quotas": {"sharesMax": 3, "bytesMax": null, "appendsPerSecond": 50},
            "createdAtUnixMs": 5,
        });
        assert_eq!(serde_json::to_value(line(&child())).unwrap(), expected);
    }
}
