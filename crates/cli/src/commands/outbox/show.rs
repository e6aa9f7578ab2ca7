//! `share outbox show`.

use serde::Serialize;
use share_client::{DependencyDetails, OpDetails, OutboxOptions};
use share_model::{Mutation, ShareId, UnixMs};

use super::ResolutionLine;
use super::list::Line;
use crate::error::CliError;
use crate::op_arg::{self, OpArg};
use crate::origin::{self, OriginLine};
use crate::printable::{self, printable};
use crate::state_file::StateArg;
use crate::{run, ui};

/// Characters of a mutation that are shown unless all are asked for.
const CHARACTERS_MAX: usize = 2000;

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// The op's id, or the beginning of it: 6 digits or more
    op: OpArg,
    #[command(flatten)]
    state: StateArg,
    /// The op of this share, where several have such an id
    #[arg(long, value_name = "ID")]
    share: Option<ShareId>,
    /// All of the mutation, however long it is
    #[arg(long)]
    full: bool,
    /// One JSON object: what `list` gives of it, and: identity (outbox, seq, fingerprint), origin
    /// (kind, id), mutation (op, key, pointer, text: the JSON or the text as it was enqueued, bytes,
    /// isCut), dependsOn (outbox, seq, opId, state, resolution; the last three null if it is not
    /// held), group (ops, expectedCursor), isGivenUp, rejections, laneLeftAt, firstRejectedAt,
    /// settledAt and resolvedAt (ms since 1970)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(flatten)]
    listed: Line,
    identity: IdentityLine,
    origin: Option<OriginLine<'a>>,
    mutation: MutationLine<'a>,
    depends_on: Vec<DependencyLine>,
    group: Option<GroupLine>,
    is_given_up: bool,
    rejections: u32,
    lane_left_at: Option<u64>,
    first_rejected_at: Option<u64>,
    settled_at: Option<u64>,
    resolved_at: Option<u64>,
}

#[derive(Serialize)]
struct IdentityLine {
    outbox: String,
    seq: u64,
    fingerprint: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MutationLine<'a> {
    op: &'static str,
    key: &'a str,
    pointer: Option<&'a str>,
    text: Option<&'a str>,
    bytes: usize,
    is_cut: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DependencyLine {
    outbox: String,
    seq: u64,
    op_id: Option<String>,
    state: Option<&'static str>,
    resolution: Option<ResolutionLine>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct GroupLine {
    ops: Vec<String>,
    expected_cursor: Option<u64>,
}

impl<'a> MutationLine<'a> {
    fn of(mutation: &'a Mutation, max: usize) -> Self {
        let (op, pointer, text) = match mutation {
            Mutation::Put { json, .. } => ("put", None, Some(json)),
            Mutation::Merge { json, .. } => ("merge", None, Some(json)),
            Mutation::AppendText { pointer, text, .. } => {
                ("appendText", Some(&**pointer), Some(text))
            }
            Mutation::AppendItem { pointer, json, .. } => {
                ("appendItem", Some(&**pointer), Some(json))
            }
            Mutation::Remove { .. } => ("remove", None, None),
        };
        let cut = text.map(|text| printable::cut(text, max));
        Self {
            op,
            key: mutation.key(),
            pointer,
            text: cut.map(|(text, _)| text),
            bytes: mutation.bytes(),
            is_cut: cut.is_some_and(|(_, is_cut)| is_cut),
        }
    }
}

impl DependencyLine {
    fn of(dependency: &DependencyDetails) -> Self {
        let held = dependency.held.as_ref();
        Self {
            outbox: dependency.identity.outbox.to_string(),
            seq: dependency.identity.seq.get(),
            op_id: held.map(|row| row.op_id.to_string()),
            state: held.map(|row| row.state.name()),
            resolution: held.and_then(ResolutionLine::of),
        }
    }
}

impl<'a> Shown<'a> {
    fn of(details: &'a OpDetails, max: usize) -> Self {
        let row = &details.row;
        let ms = |at: Option<UnixMs>| at.map(UnixMs::get);
        Self {
            listed: Line::of(row),
            identity: IdentityLine {
                outbox: details.identity.outbox.to_string(),
                seq: details.identity.seq.get(),
                fingerprint: details.identity.fingerprint.to_string(),
            },
            origin: details.origin.as_ref().map(OriginLine::from),
            mutation: MutationLine::of(&details.mutation, max),
            depends_on: details.depends_on.iter().map(DependencyLine::of).collect(),
            group: details.group.as_ref().map(|group| GroupLine {
                ops: group.ops.iter().map(ToString::to_string).collect(),
                expected_cursor: group.expected_cursor.map(share_model::Cursor::get),
            }),
            is_given_up: details.is_given_up,
            rejections: details.rejections,
            lane_left_at: ms(details.lane_left_at),
            first_rejected_at: ms(details.first_rejected_at),
            settled_at: ms(details.settled_at),
            resolved_at: ms(details.resolved_at),
        }
    }
}

pub(super) fn run(args: &ShowArgs) -> Result<(), CliError> {
    run::block_on(async {
        let outbox = args.state.open_existing(OutboxOptions::default())?;
        let row = op_arg::find(&outbox, args.share, &args.op).await?;
        let details = outbox
            .op_details(row.share, row.op_id)
            .await
            .map_err(|error| CliError::refused("read the outbox").caused_by(error))?
            .ok_or_else(|| {
                CliError::refused(format!("op {} went while it was looked for", row.op_id))
            })?;
        let max = match args.full {
            true => usize::MAX,
            false => CHARACTERS_MAX,
        };
        let shown = Shown::of(&details, max);
        if args.json {
            return printable::json(&shown);
        }
        text(&shown, &details)
            .into_iter()
            .try_for_each(|(name, value)| ui::data(format!("{name:12}  {}", printable(&value))))
    })
}

/// What there is to say, line by line.
fn text(shown: &Shown<'_>, details: &OpDetails) -> Vec<(&'static str, String)> {
    let mut lines = vec![
        ("op", shown.listed.op_id.clone()),
        ("share", shown.listed.share.clone()),
        ("state", state(shown)),
        ("seq", lane(shown)),
    ];
    let mut add = |name, value: Option<String>| lines.extend(value.map(|value| (name, value)));
    add("error", shown.listed.error.clone());
    add(
        "decided",
        shown.listed.resolution.as_ref().map(ResolutionLine::text),
    );
    add("batch", shown.listed.batch_id.clone());
    add(
        "tried",
        Some(format!(
            "{} times, rejected {} times",
            shown.listed.attempts, shown.rejections
        )),
    );
    add("origin", details.origin.as_ref().map(origin::whose));
    for dependency in &shown.depends_on {
        add("depends on", Some(depends_on(dependency)));
    }
    if let Some(group) = &shown.group {
        let cursor = group
            .expected_cursor
            .map_or(String::new(), |cursor| format!(", for cursor {cursor}"));
        add(
            "atomic group",
            Some(format!("{}{cursor}", group.ops.join(", "))),
        );
    }
    let MutationLine {
        op, key, pointer, ..
    } = &shown.mutation;
    let at = pointer.map_or(String::new(), |pointer| format!(" {pointer}"));
    add("mutation", Some(format!("{op} {key}{at}")));
    add("", shown.mutation.text.map(str::to_owned));
    if shown.mutation.is_cut {
        let bytes = shown.mutation.bytes;
        add(
            "",
            Some(format!("… {bytes} bytes in all, `--full` shows them")),
        );
    }
    lines
}

fn state(shown: &Shown<'_>) -> String {
    match shown.is_given_up {
        true => format!("{}, being given up", shown.listed.state),
        false => shown.listed.state.to_owned(),
    }
}

fn lane(shown: &Shown<'_>) -> String {
    let was = shown.listed.was.as_ref().map_or(String::new(), |was| {
        format!(", was seq {} of outbox {}", was.seq, was.outbox)
    });
    let left = match shown.lane_left_at {
        Some(_) => ", a lane that was left",
        None => "",
    };
    format!(
        "{} of outbox {}{left}{was}",
        shown.listed.seq, shown.listed.outbox
    )
}

fn depends_on(dependency: &DependencyLine) -> String {
    let DependencyLine {
        outbox,
        seq,
        op_id,
        state,
        resolution,
    } = dependency;
    match (op_id, state) {
        (Some(op), Some(state)) => {
            let decided = resolution
                .as_ref()
                .map_or(String::new(), |decided| format!(", {}", decided.text()));
            format!("op {op}: {state}{decided}")
        }
        _ => format!("seq {seq} of outbox {outbox}, which is not held here"),
    }
}
