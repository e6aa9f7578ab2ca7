//! What a viewer has missed that comes back after nobody followed the share for it.

use std::collections::BTreeMap;

use share_model::LogPosition;
use share_web::Seen;

use crate::fault::Fault;
use crate::feed::{Step, Tail};
use crate::rpc::{Door, Reading};

/// The keys that were changed between where the viewer stands and `now`, by which change was the last;
/// `None`: it stands in another history, or too much was changed.
pub(super) async fn missed(
    door: &Door,
    reading: &Reading,
    (seen, now): (Seen, LogPosition),
) -> Result<Option<Vec<String>>, Fault> {
    let from = seen.position;
    let behind = now.cursor.get().checked_sub(from.cursor.get());
    let is_near = behind.is_some_and(|behind| behind <= seen.ops_max);
    if from.history != now.history || !is_near {
        return Ok(None);
    }
    let (feed, store) = (reading.handle.feed(), door.hub.store());
    let mut tail = Tail::new(feed.clone(), store.clone(), from.cursor, door.tail_limits());
    let mut changed: BTreeMap<String, u64> = BTreeMap::new();
    while tail.at() < now.cursor {
        let Step::Ops(ops) = tail.step().await? else {
            return Ok(None);
        };
        for op in ops.iter().take_while(|op| op.cursor <= now.cursor) {
            changed.insert(op.op.mutation.key().to_owned(), op.cursor.get());
        }
    }
    let mut changed: Vec<_> = changed.into_iter().collect();
    changed.sort_by_key(|(_, cursor)| *cursor);
    Ok(Some(changed.into_iter().map(|(key, _)| key).collect()))
}
