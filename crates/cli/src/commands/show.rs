//! `share show`: the document as it stands.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::error::{CliError, Kind};
use crate::ref_arg::{self, RefArg};
use crate::{connect, run, ui};

/// Show a share's document.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The share's ref: `@FILE`, or `-` for standard input [default: SHARE_REF]
    #[arg(value_name = "REF")]
    share: Option<RefArg>,
    /// One JSON object: share, epoch, cursor, document
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Shown {
    share: String,
    epoch: u64,
    cursor: u64,
    document: BTreeMap<String, Box<RawValue>>,
}

pub(crate) fn run(args: Args) -> Result<(), CliError> {
    let share_ref = ref_arg::share_ref(args.share.as_ref())?;
    run::block_on(async {
        let share = share_ref.share;
        let session = connect::redeem(&share_ref).await?;
        let mut document = Vec::new();
        let read = session.document(|key, json| document.push((key.to_owned(), json.to_owned())));
        let at = read
            .await
            .map_err(|error| connect::failed("read", share, error))?;
        let (epoch, cursor) = (at.epoch.get(), at.position.cursor.get());
        if args.json {
            return ui::json(&Shown {
                share: share.to_string(),
                epoch,
                cursor,
                document: raw(document)?,
            });
        }
        let keys = match document.len() {
            1 => "1 key".to_owned(),
            count => format!("{count} keys"),
        };
        ui::note(format!(
            "share {share}, epoch {epoch}, cursor {cursor}, {keys}"
        ));
        document
            .iter()
            .try_for_each(|(key, value)| ui::data(format!("{key}\t{value}")))
    })
}

/// The values as they came, byte for byte.
fn raw(entries: Vec<(String, String)>) -> Result<BTreeMap<String, Box<RawValue>>, CliError> {
    let entries = entries
        .into_iter()
        .map(|(key, json)| Ok((key, RawValue::from_string(json)?)));
    entries
        .collect::<Result<_, serde_json::Error>>()
        .map_err(|error| {
            CliError::new(Kind::Bug, "the server sent a value that is not JSON").caused_by(error)
        })
}
