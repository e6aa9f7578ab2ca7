//! Ops that were not applied, or of which it can't be told, and nobody has decided.

use serde::Serialize;
use share_client::{OutboxError, Row, RowFilter, RowState, ShareStatus};
use share_model::Reaction;

use super::Look;
use crate::counts::ops;
use crate::printable::{self, printable};

/// Rows that are read at once.
const PAGE: usize = 1000;
/// Ops of a share that are named to a program.
const OPS_MAX: usize = 100;
/// Of them, those that are named to a person.
const OPS_SHOWN: usize = 10;
/// Characters of a key that are shown.
const KEY_CHARACTERS: usize = 80;

/// Such ops of a share.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Letters {
    share: String,
    count: u64,
    /// The share was deleted: its ops can only be let go.
    is_gone: bool,
    ops: Vec<Letter>,
    commands: Vec<String>,
    #[serde(skip)]
    state: RowState,
}

/// One of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Letter {
    op_id: String,
    key: String,
    error: String,
}

/// Ops in doubt, by share.
pub(super) async fn in_doubt(look: &Look<'_>) -> Result<Vec<Letters>, OutboxError> {
    collect(look, RowState::InDoubt, |status| status.in_doubt).await
}

/// Dead letters, by share.
pub(super) async fn dead(look: &Look<'_>) -> Result<Vec<Letters>, OutboxError> {
    collect(look, RowState::DeadLetter, |status| status.dead_letters).await
}

async fn collect(
    look: &Look<'_>,
    state: RowState,
    count: impl Fn(&ShareStatus) -> u64,
) -> Result<Vec<Letters>, OutboxError> {
    let mut found = Vec::new();
    for status in look.shares.iter().filter(|status| count(status) > 0) {
        let stop = status.stopped.as_ref();
        let is_gone = stop.is_some_and(|stop| stop.code.reaction() == Reaction::Stop);
        found.push(Letters {
            share: status.share.to_string(),
            count: count(status),
            is_gone,
            ops: letters(look, status, state).await?,
            commands: commands(look, status, (state, is_gone)),
            state,
        });
    }
    Ok(found)
}

/// The first of them that nobody has decided.
async fn letters(
    look: &Look<'_>,
    status: &ShareStatus,
    state: RowState,
) -> Result<Vec<Letter>, OutboxError> {
    let filter = RowFilter {
        share: Some(status.share),
        states: vec![state],
    };
    let mut letters = Vec::new();
    let mut after = None;
    loop {
        let rows = look.outbox.rows(filter.clone(), after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(letters);
        };
        after = Some(last.position());
        for row in rows.iter().filter(|row| row.resolution.is_none()) {
            if letters.len() == OPS_MAX {
                return Ok(letters);
            }
            letters.push(letter(look, row).await?);
        }
    }
}

async fn letter(look: &Look<'_>, row: &Row) -> Result<Letter, OutboxError> {
    let details = look.outbox.op_details(row.share, row.op_id).await?;
    let key = details.map_or(String::new(), |details| details.mutation.key().to_owned());
    Ok(Letter {
        op_id: row.op_id.to_string(),
        key,
        error: row.error.clone().unwrap_or_default(),
    })
}

/// What a person can type, in the order in which it makes sense.
fn commands(
    look: &Look<'_>,
    status: &ShareStatus,
    (state, is_gone): (RowState, bool),
) -> Vec<String> {
    let (file, share) = (&look.state, status.share);
    let list = format!(
        "share outbox list --only {} --share {share}{file}",
        state.name()
    );
    let drop = format!("share outbox drop OP{file} # lets it go");
    if is_gone {
        return vec![list, drop];
    }
    let retry = format!("share outbox retry OP{file} # sends it as a new op");
    match state {
        RowState::InDoubt => vec![
            "share show @FILE # whether it is there".to_owned(),
            list,
            retry,
            drop,
        ],
        _ => vec![
            list,
            retry,
            format!("share outbox retry --all-dead --share {share}{file} # all of them"),
            drop,
        ],
    }
}

impl Letters {
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { share, count, .. } = self;
        let what = match (self.state, self.is_gone) {
            (RowState::InDoubt, false) => {
                "whether applied can't be told, so only you can say what is wanted"
            }
            (RowState::InDoubt, true) => "the share was deleted before that was known",
            _ => "not applied, and never will be, as the server has confirmed",
        };
        let name = match self.state {
            RowState::InDoubt => "in doubt",
            _ => "given up",
        };
        let mut lines = vec![format!(
            "needs you: {} of share {share} {name}: {what}",
            ops(*count)
        )];
        for letter in self.ops.iter().take(OPS_SHOWN) {
            let (key, is_cut) = printable::cut(&letter.key, KEY_CHARACTERS);
            let (key, more) = (printable(key), if is_cut { "…" } else { "" });
            let error = printable(&letter.error);
            lines.push(format!("  op {} of `{key}{more}`: {error}", letter.op_id));
        }
        if *count > OPS_SHOWN as u64 {
            lines.push(format!("  and {} more", count - OPS_SHOWN as u64));
        }
        lines.extend(
            self.commands
                .iter()
                .map(|command| format!("  do: `{command}`")),
        );
        lines
    }
}
