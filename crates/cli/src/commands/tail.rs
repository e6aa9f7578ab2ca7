//! `share tail`: every op as it is applied.

use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;
use share_client::{FollowEvent, Follower, TcpConnector};
use share_model::{Cursor, LogPosition, LoggedOp, Mutation};
use tokio::signal::ctrl_c;

use crate::error::{CliError, Kind};
use crate::origin::{self, OriginLine};
use crate::printable::{self, printable};
use crate::ref_arg::{self, RefArg};
use crate::{connect, identity, run, ui};

/// Follow a share: every op as it is applied, until Ctrl-C.
///
/// Lost connections are made again, and nothing is shown twice or left out. If the log no longer
/// goes back to where it should begin, the document is shown first, a line for each key.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// Begin after this cursor
    #[arg(long, value_name = "N", default_value_t = 0)]
    from: u64,
    /// One JSON object a line, by `event`: op, reset, entry, live
    #[arg(long)]
    json: bool,
    /// End when everything up to now was shown
    #[arg(long)]
    no_follow: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase", tag = "event")]
enum Line<'a> {
    /// An applied op.
    Op {
        cursor: u64,
        writer: u32,
        seq: u64,
        /// Milliseconds since 1970, by the server's clock.
        at: u64,
        id: String,
        op: &'static str,
        key: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        pointer: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<&'a RawValue>,
        /// Whose it is, if it is not the writer's own.
        #[serde(skip_serializing_if = "Option::is_none")]
        origin: Option<OriginLine<'a>>,
    },
    /// What was shown is void: the document at this cursor follows.
    Reset { cursor: u64, lagged: bool },
    /// One key of that document.
    Entry { key: &'a str, value: &'a RawValue },
    /// Everything up to this cursor was shown.
    Live { cursor: u64 },
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let share = share_ref.share;
        let from = start(&share_ref, args.from).await?;
        let mut follower = Follower::new(Arc::new(TcpConnector::default()), share_ref, from)
            .with_owner(identity::held()?);
        loop {
            let event = tokio::select! {
                event = follower.next() => event,
                _ = ctrl_c() => return Ok(()),
            };
            let event = event.map_err(|error| connect::failed("follow", share, error))?;
            show(&event, args.json)?;
            if args.no_follow && matches!(event, FollowEvent::Live(_)) {
                return Ok(());
            }
        }
    })
}

/// Where to begin: a cursor means something in the server's present history. The first connection
/// is made here, so that a server that is away is said at once.
async fn start(share_ref: &share_model::ShareRef, from: u64) -> Result<LogPosition, CliError> {
    let session = connect::redeem(share_ref).await?;
    let history = (from > 0).then_some(session.redeemed().history);
    Ok(LogPosition {
        history,
        cursor: Cursor::new(from),
    })
}

fn show(event: &FollowEvent, json: bool) -> Result<(), CliError> {
    match event {
        FollowEvent::Reset { at, lagged } => {
            let cursor = at.position.cursor.get();
            if json {
                return printable::json(&Line::Reset {
                    cursor,
                    lagged: *lagged,
                });
            }
            ui::note(format!(
                "the log does not go back so far: the document at cursor {cursor}"
            ));
        }
        FollowEvent::Entries { entries, .. } => {
            for entry in entries {
                if json {
                    printable::json(&Line::Entry {
                        key: &entry.key,
                        value: raw(&entry.json)?,
                    })?;
                } else {
                    let (key, value) = (printable(&entry.key), printable(&entry.json));
                    ui::data(format!("= {key}\t{value}"))?;
                }
            }
        }
        FollowEvent::Ops(ops) => ops.iter().try_for_each(|op| show_op(op, json))?,
        FollowEvent::Live(position) => {
            let cursor = position.cursor.get();
            if json {
                return printable::json(&Line::Live { cursor });
            }
            ui::note(format!("live at cursor {cursor}"));
        }
        FollowEvent::Lost(error) => ui::note(format!("{error}; connecting again")),
        _ => {}
    }
    Ok(())
}

fn raw(json: &str) -> Result<&RawValue, CliError> {
    serde_json::from_str(json).map_err(|error| {
        CliError::new(Kind::Bug, "the server sent a value that is not JSON").caused_by(error)
    })
}

fn show_op(logged: &LoggedOp, json: bool) -> Result<(), CliError> {
    let (op, pointer, text, value) = match &logged.op.mutation {
        Mutation::Put { json, .. } => ("put", None, None, Some(json)),
        Mutation::Merge { json, .. } => ("merge", None, None, Some(json)),
        Mutation::AppendText { pointer, text, .. } => {
            ("appendText", Some(pointer), Some(text), None)
        }
        Mutation::AppendItem { pointer, json, .. } => {
            ("appendItem", Some(pointer), None, Some(json))
        }
        Mutation::Remove { .. } => ("remove", None, None, None),
    };
    let (cursor, key) = (logged.cursor.get(), logged.op.mutation.key());
    if json {
        return printable::json(&Line::Op {
            cursor,
            writer: logged.writer.get(),
            seq: logged.seq.get(),
            at: logged.at.get(),
            id: logged.op.id.to_string(),
            op,
            key,
            pointer: pointer.map(|pointer| &**pointer),
            text: text.map(|text| &**text),
            value: value.map(|json| raw(json)).transpose()?,
            origin: logged.origin.as_ref().map(OriginLine::from),
        });
    }
    let key = printable(key);
    let at = pointer.map_or(String::new(), |pointer| format!(" {}", printable(pointer)));
    let whose = logged.origin.as_ref();
    let whose = whose.map_or(String::new(), |origin| {
        format!(" ({})", origin::whose(origin))
    });
    let what = text
        .map(|text| format!("{text:?}"))
        .or_else(|| value.map(|json| printable(json).into_owned()))
        .unwrap_or_default();
    ui::data(format!("{cursor} {op} {key}{at}{whose}\t{what}"))
}
