//! Nothing is told under a grant that does not allow it, or that was ended before.

use std::collections::HashMap;

use share_model::{Epoch, GrantId, Right, ShareId};

use super::ends::Ends;
use super::{ENDED, RIGHT};
use crate::check::Violation;
use crate::check::index::{Finding, Index};
use crate::history::What;

/// Who follows what, since when, under which grant.
struct Stream {
    since: usize,
    grant: GrantId,
}

pub(super) fn check(index: &Index<'_>, ends: &Ends, found: &mut Vec<Violation>) {
    let mut streams: HashMap<(&str, ShareId), Stream> = HashMap::new();
    for event in index.events {
        let share = match &event.what {
            What::Follow { share, grant, .. } => {
                let stream = Stream {
                    since: event.number,
                    grant: *grant,
                };
                streams.insert((&event.actor, *share), stream);
                continue;
            }
            What::Reset { share, .. }
            | What::Document { share, .. }
            | What::Saw { share, .. }
            | What::Live { share, .. } => *share,
            _ => continue,
        };
        if let Some(stream) = streams.get(&(event.actor.as_str(), share)) {
            found.extend(begun_too_late(index, ends, (event.number, share), stream));
        }
    }
    for told in &index.told {
        if index.may_be_from_before(told.number) {
            continue;
        }
        let timeline = index.timeline(told.number);
        let cap = ends.cap(index, (told.share, timeline), key(index, told.grant));
        let Some((bound, end, read)) = cap.filter(|(bound, ..)| told.op.cursor > *bound) else {
            continue;
        };
        let op = told.op.op.id;
        let text = format!(
            "{} was told op {op} at cursor {} under grant {}, which was ended at event {end}, when the \
             share was at cursor {bound} at most",
            told.actor, told.op.cursor, told.grant
        );
        let finding = Finding {
            index,
            check: ENDED,
        };
        let about = vec![end, read];
        found.push(finding.of(Some(told.share), told.number, text, about));
    }
}

fn begun_too_late(
    index: &Index<'_>,
    ends: &Ends,
    (number, share): (usize, ShareId),
    stream: &Stream,
) -> Option<Violation> {
    let Stream { since, grant } = *stream;
    let actor = &index.events[number].actor;
    let known = index.grants.get(&grant);
    if known.is_some_and(|grant| !grant.rights.has(Right::Read)) {
        let text = format!("{actor} was told something under grant {grant}, which may not read");
        let finding = Finding {
            index,
            check: RIGHT,
        };
        return Some(finding.of(Some(share), number, text, vec![since]));
    }
    let mut before = ends.of_grant(index, share, key(index, grant));
    let end = before.find(|end| *end < since)?;
    let text = format!(
        "{actor} began to read at event {since} under grant {grant}, which was ended at event {end}, and \
         was told something"
    );
    let finding = Finding {
        index,
        check: ENDED,
    };
    Some(finding.of(Some(share), number, text, vec![end, since]))
}

/// A grant whose epoch is not known counts as of the newest: it is not judged by epochs.
fn key(index: &Index<'_>, grant: GrantId) -> (GrantId, Epoch) {
    let known = index.grants.get(&grant);
    (grant, known.map_or(Epoch::new(u64::MAX), |it| it.epoch))
}
