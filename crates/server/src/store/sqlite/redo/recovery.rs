//! Reading the redo log at opening: what SQLite does not have yet.

use std::io;
use std::path::Path;

use share_model::planted;
use share_model::seam::Files;

use super::frame::{self, BLOCK, Row};
use super::{RedoId, SEGMENTS_MAX, segment_path};

/// What the segments hold.
#[derive(Debug)]
pub(in crate::store::sqlite) enum Recovered {
    /// The rows behind the last that SQLite has, without a gap; often none.
    Rows(Vec<Row>),
    /// Rows were durable and are not there any more; what is missing.
    Damaged(String),
}

/// Frames that follow one another in a segment.
#[derive(Debug, Default)]
struct Run {
    rows: Vec<Row>,
    /// The greatest position at which a frame begins behind them: one of an earlier time, if nothing
    /// is damaged.
    beyond: Option<u64>,
}

/// Reads the rows of the log `id` that come after position `applied`.
///
/// # Errors
///
/// As reading the segments fails.
pub(in crate::store::sqlite) fn recover(
    folder: &Path,
    files: &dyn Files,
    (id, applied): (RedoId, u64),
) -> io::Result<Recovered> {
    let mut runs = Vec::new();
    for number in 0..SEGMENTS_MAX {
        let path = segment_path(folder, number);
        if !path.exists() || (number > 0 && planted!("redo-one-segment-recovered")) {
            break;
        }
        let mut file = files.fixed(&path, 0)?;
        let mut bytes = vec![0; usize::try_from(file.bytes()).map_err(io::Error::other)?];
        file.read(0, &mut bytes)?;
        runs.push(run(&bytes, id));
    }
    Ok(joined(runs, applied))
}

/// The frames of a segment, from its start: each behind the one before it, and newer. What comes then is of an earlier time, or a frame that was not written whole.
fn run(bytes: &[u8], id: RedoId) -> Run {
    let mut run = Run::default();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..)
        && let Some((rows, length)) = frame::decode(rest, id)
    {
        // Not always the next one: what was too large for a segment, SQLite has alone.
        if position(rows.first()) <= position(run.rows.last()) {
            break;
        }
        run.rows.extend(rows);
        at += length;
    }
    // The group that a crash tore is the last one: behind it no frame is newer.
    let rest = bytes.get(at..).unwrap_or_default().chunks(BLOCK).skip(1);
    run.beyond = rest
        .filter_map(|block| frame::first_position(block, id))
        .max();
    run
}

fn position(row: Option<&Row>) -> u64 {
    row.map_or(0, |row| row.header.position)
}

/// The runs of all segments as one.
fn joined(mut runs: Vec<Run>, applied: u64) -> Recovered {
    runs.sort_by_key(|run| position(run.rows.first()));
    let beyond = runs.iter().filter_map(|run| run.beyond).max();
    let mut joined: Vec<Row> = Vec::new();
    let mut last = applied;
    for row in runs.into_iter().flat_map(|run| run.rows) {
        let position = row.header.position;
        if position <= last {
            continue;
        }
        if position != last + 1 {
            return Recovered::Damaged(format!("position {} of the redo log is missing", last + 1));
        }
        last = position;
        joined.push(row);
    }
    match beyond.filter(|beyond| *beyond > last + 1) {
        Some(_) => Recovered::Damaged(format!("position {} of the redo log is damaged", last + 1)),
        None => Recovered::Rows(joined),
    }
}
