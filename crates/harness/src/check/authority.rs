//! `ended-authority` and `right-missing`: nothing is applied or told under a grant that does not allow
//! it, or that was ended before.

mod ends;
mod readers;

use share_model::{Cursor, LoggedOp, Right, ShareId};

use super::Violation;
use super::index::{Final, Finding, Index, Sent};
use ends::Ends;

const ENDED: &str = "ended-authority";
const RIGHT: &str = "right-missing";

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let ends = Ends::of(index);
    calls(index, &ends, found);
    logs(index, &ends, found);
    readers::check(index, &ends, found);
}

/// No call that began after an acked end came to anything.
fn calls(index: &Index<'_>, ends: &Ends, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: ENDED,
    };
    for claim in index.claims.values() {
        let Some((held, ..)) = claim.held else {
            continue;
        };
        let mut before = ends.of_grant(index, claim.share, (claim.grant, claim.epoch));
        if let Some(end) = before.find(|end| *end < claim.number) {
            let text = format!(
                "{} claimed a lane under grant {}, which was ended at event {end}",
                claim.actor, claim.grant
            );
            found.push(finding.of(Some(claim.share), held, text, vec![end, claim.number]));
        }
    }
    for sent in &index.sends {
        let Some((acked, _)) = sent.acked() else {
            continue;
        };
        let mut before = ends.of_grant(index, sent.share, (sent.grant, sent.epoch));
        if let Some(end) = before.find(|end| *end < sent.number) {
            let text = format!(
                "a batch that was sent at event {} was acked under grant {}, which was ended at event \
                 {end}",
                sent.number, sent.grant
            );
            found.push(finding.of(Some(sent.share), acked, text, vec![end, sent.number]));
        }
    }
}

/// Every op of a log was sent under a grant that allowed it when it was applied.
fn logs(index: &Index<'_>, ends: &Ends, found: &mut Vec<Violation>) {
    for (share, last) in &index.finals {
        for op in last.log {
            let carriers: Vec<_> = index.carriers_of(op.op.id).collect();
            if !carriers.is_empty() {
                found.extend(unallowed(index, ends, (*share, last, op), &carriers));
            }
        }
    }
}

fn unallowed(
    index: &Index<'_>,
    ends: &Ends,
    (share, last, op): (ShareId, &Final<'_>, &LoggedOp),
    carriers: &[&Sent<'_>],
) -> Option<Violation> {
    let (id, cursor) = (op.op.id, op.cursor);
    let of_op = |check, text| Finding { index, check }.of_op(share, id, last.number, text);
    let with_right: Vec<_> = carriers
        .iter()
        .filter(|sent| {
            let grant = index.grants.get(&sent.grant);
            grant.is_none_or(|grant| grant.rights.has(Right::Append))
        })
        .collect();
    let Some(first) = with_right.first() else {
        let grant = carriers[0].grant;
        let text = format!("op {id} was applied under grant {grant}, which may not append");
        return Some(of_op(RIGHT, text));
    };
    let unexpired: Vec<_> = with_right
        .iter()
        .filter(|sent| {
            let grant = index.grants.get(&sent.grant);
            let expires_at = grant.and_then(|grant| grant.expires_at);
            expires_at.is_none_or(|expires_at| op.at <= expires_at)
        })
        .collect();
    if unexpired.is_empty() {
        let text = format!(
            "op {id} was applied at {} ms under grant {}, which had run out before",
            op.at, first.grant
        );
        return Some(of_op(ENDED, text));
    }
    let caps: Option<Vec<(Cursor, usize, usize)>> = unexpired
        .iter()
        .map(|sent| {
            let grant = (sent.grant, sent.epoch);
            ends.cap(index, (share, index.restores.len()), grant)
                .filter(|(bound, ..)| cursor > *bound)
        })
        .collect();
    let (bound, end, read) = caps?.into_iter().max()?;
    let text = format!(
        "op {id} was applied at cursor {cursor} under grant {}, which was ended at event {end}, when the \
         share was at cursor {bound} at most",
        first.grant
    );
    let mut violation = of_op(ENDED, text);
    violation.about.extend([end, read]);
    Some(violation)
}

#[cfg(test)]
mod tests;
