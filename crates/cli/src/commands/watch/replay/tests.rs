//! What a replay keeps, and what it reads.

use serde_json::json;

use super::*;
use crate::commands::watch::tests::scene::{append, logged, put};

fn ops(count: usize) -> Vec<LoggedOp> {
    let first = std::iter::once((1, put("k", &json!(""))));
    logged(
        first
            .chain(std::iter::repeat_with(|| {
                (1, append("k", "", "0123456789"))
            }))
            .take(count),
    )
}

fn end(ops: &[LoggedOp]) -> LogPosition {
    LogPosition {
        history: None,
        cursor: ops.last().unwrap().cursor,
    }
}

#[test]
fn no_more_is_read_ahead_than_half_of_the_window_and_none_is_kept_past_it() {
    let log = ops(1_000);
    let limits = WatchLimits {
        window_bytes_max: 100 * 300,
        ..WatchLimits::DEFAULT
    };
    let mut replay = Replay::new(end(&log), SPEED_MAX, limits);
    let mut now = UnixMs::new(0);
    let mut read = 0;
    let mut is_at_rest = false;
    while !replay.is_at_end() {
        while let Some(wanted) = replay.wanted() {
            assert_eq!(wanted.after.cursor.get(), read as u64);
            replay
                .hear(&FollowEvent::Ops(vec![log[read].clone()]))
                .unwrap();
            read += 1;
        }
        is_at_rest |= read < log.len();
        assert!(
            replay.window.bytes() <= limits.window_bytes_max,
            "{}",
            replay.window.bytes()
        );
        now = now.plus_ms(33);
        replay.advance(now).unwrap();
    }
    assert!(is_at_rest, "the log was read piece by piece");
}

#[test]
fn documents_on_the_way_are_bounded_in_number_and_in_bytes() {
    let log = ops(20_000);
    let tight = WatchLimits {
        marks_max: 8,
        ..WatchLimits::DEFAULT
    };
    let heavy = WatchLimits {
        mark_bytes_max: 500_000,
        ..WatchLimits::DEFAULT
    };
    for (limits, least) in [(tight, 4), (heavy, 2)] {
        let mut marks = Marks::new(limits);
        let mut transcript = Transcript::new(&limits);
        marks.pass(&transcript);
        for op in &log {
            transcript.apply(op).unwrap();
            marks.pass(&transcript);
            assert!(marks.len() <= limits.marks_max);
            assert!(marks.bytes() <= limits.mark_bytes_max);
        }
        assert!(marks.len() >= least, "{}", marks.len());
        // Where it begins is never let go.
        let (document, cursor, _) = marks.before(Cursor::new(1)).unwrap();
        assert!(document.is_empty() && cursor == Cursor::ZERO);
    }
}
