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

#[cfg(test)]
mod tests {
    use share_model::seam::SystemFiles;

    use super::super::frame::tests::{ID, frame_of, positions};
    use super::*;

    const SEGMENT_BYTES: usize = 6 * BLOCK;

    /// Recovers from segments that begin with these bytes.
    fn recovered(segments: &[Vec<u8>], applied: u64) -> Result<Vec<u64>, String> {
        let folder = tempfile::tempdir().unwrap();
        for (number, bytes) in segments.iter().enumerate() {
            let mut bytes = bytes.clone();
            bytes.resize(SEGMENT_BYTES, 0);
            std::fs::write(segment_path(folder.path(), number), bytes).unwrap();
        }
        match recover(folder.path(), &SystemFiles, (ID, applied)).unwrap() {
            Recovered::Rows(rows) => Ok(positions(&rows)),
            Recovered::Damaged(what) => Err(what),
        }
    }

    fn frames(ranges: &[std::ops::Range<u64>]) -> Vec<u8> {
        ranges.iter().cloned().flat_map(frame_of).collect()
    }

    #[test]
    fn what_sqlite_does_not_have_is_found_in_all_segments_whatever_their_order() {
        let segments = [frames(&[7..9, 9..10]), frames(&[1..2, 2..5, 5..7])];
        assert_eq!(recovered(&segments, 0), Ok((1..10).collect()));
        assert_eq!(recovered(&segments, 3), Ok((4..10).collect()));
        assert_eq!(recovered(&segments, 9), Ok(vec![]));
        assert_eq!(recovered(&[], 9), Ok(vec![]));
    }

    #[test]
    fn frames_of_an_earlier_round_count_for_nothing() {
        // The second segment was begun again.
        let mut again = frame_of(9..10);
        again.extend(frames(&[2..3, 3..4]));
        assert_eq!(
            recovered(&[frames(&[5..7, 7..9]), again], 6),
            Ok(vec![7, 8, 9])
        );
    }

    #[test]
    fn a_group_that_was_torn_was_never_answered() {
        let mut torn = frames(&[1..2, 2..42]);
        torn[2 * BLOCK..].fill(0);
        assert_eq!(recovered(&[torn], 0), Ok(vec![1]));
        let mut torn = frames(&[1..2, 2..42]);
        torn[BLOCK..2 * BLOCK].fill(0);
        assert_eq!(recovered(&[torn], 0), Ok(vec![1]));
    }

    #[test]
    fn what_sqlite_took_alone_is_no_gap() {
        assert_eq!(recovered(&[frames(&[1..3, 6..8])], 5), Ok(vec![6, 7]));
    }

    #[test]
    fn a_durable_row_that_is_missing_is_damage() {
        let missing = |position| Err(format!("position {position} of the redo log is missing"));
        assert_eq!(recovered(&[frames(&[1..3, 6..8])], 0), missing(3));
        assert_eq!(recovered(&[frame_of(4..5)], 0), missing(1));
        // In the middle of a segment: behind it stands what is newer.
        let mut damaged = frames(&[1..2, 2..3, 3..4]);
        damaged[BLOCK + 100] ^= 1;
        let expected = Err("position 2 of the redo log is damaged".to_owned());
        assert_eq!(recovered(&[damaged.clone()], 0), expected);
        assert_eq!(recovered(&[damaged], 3), Ok(vec![]));
    }
}
