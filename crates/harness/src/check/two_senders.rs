//! `two-senders`: one process at a time sends what a folder's outbox holds for a share.
//!
//! Who claims has the folder's lease on the share. Whoever had it before has let it go by then: its
//! connection is closed, so that it neither sends on the claim that it has nor hears of what it sent.

use std::collections::{BTreeMap, HashMap, HashSet};

use share_model::ShareId;

use super::Violation;
use super::index::{Claim, Finding, Index, Sent};

/// Between the look at a lease and the call that follows it, milliseconds may pass.
const HANDOVER_MS: u64 = 1_000;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "two-senders",
    };
    let mut claims: HashMap<(&str, ShareId), BTreeMap<usize, &Claim<'_>>> = HashMap::new();
    for claim in index.claims.values() {
        let claims = claims.entry((claim.folder, claim.share)).or_default();
        claims.insert(claim.number, claim);
    }
    let mut told = HashSet::new();
    for sent in &index.sends {
        let Some(own) = index.claims.get(&sent.claim) else {
            continue;
        };
        if !index.is_outbox(own.folder) || told.contains(&sent.claim) {
            continue;
        }
        let later = claims.get(&(own.folder, own.share)).into_iter();
        let mut later = later.flat_map(|claims| claims.range(own.number + 1..));
        let Some((_, rival)) = later.find(|(_, claim)| claim.actor != own.actor) else {
            continue;
        };
        let Some((at, what)) = sign_of_life(index, own, rival, sent) else {
            continue;
        };
        told.insert(sent.claim);
        let text = format!(
            "{} {what} the claim of event {}, and {} had claimed from the same folder at event {}",
            own.actor, own.number, rival.actor, rival.number
        );
        let about = vec![own.number, rival.number, sent.number];
        found.push(finding.of(Some(sent.share), at, text, about));
    }
}

/// The event that shows that the process which sent a batch still had its turn after another one
/// claimed, and what it did.
fn sign_of_life(
    index: &Index<'_>,
    own: &Claim<'_>,
    rival: &Claim<'_>,
    sent: &Sent<'_>,
) -> Option<(usize, &'static str)> {
    let sent_late = own.held.is_some()
        && !sent.entries.is_empty()
        && time(index, sent.number) > time(index, rival.number).saturating_add(HANDOVER_MS);
    let heard = sent.answer.map(|(number, _)| number);
    let (at, what) = if sent_late && sent.number > rival.number {
        (sent.number, "sent a batch on")
    } else {
        let heard = heard.filter(|heard| sent.number < rival.number && rival.number < *heard)?;
        (heard, "heard an answer on")
    };
    let is_one_outbox =
        index.generation(own.folder, own.number) == index.generation(own.folder, at);
    (is_one_outbox && index.is_one_life(own.actor, own.number, at)).then_some((at, what))
}

fn time(index: &Index<'_>, number: usize) -> u64 {
    index.events.get(number).map_or(0, |event| event.at_ms)
}

#[cfg(test)]
mod tests {
    use crate::check::fixture::{Run, names};
    use crate::history::What;

    const OTHER: &str = "agent-1-b";

    fn begins(run: &mut Run, actor: &str) {
        let folder = "agent-1".into();
        run.push(actor, What::Began { folder });
    }

    /// Another process of the same folder claims.
    fn other_claims(run: &mut Run) {
        let lane = run.lanes[&1];
        run.claims_by(OTHER, 1);
        run.lanes.insert(1, lane);
    }

    fn two() -> Run {
        let mut run = Run::new();
        begins(&mut run, OTHER);
        run
    }

    #[test]
    fn a_batch_on_a_claim_whose_turn_is_over_is_found() {
        let mut run = two();
        run.put(1, 1);
        other_claims(&mut run);
        run.later();
        run.put(1, 2);
        run.finish();
        assert!(names(&run.check()).contains(&"two-senders"));
    }

    #[test]
    fn an_answer_that_is_heard_when_the_turn_is_over_is_found() {
        let mut run = two();
        let sent = run.sends(1, &[1]);
        other_claims(&mut run);
        run.applies(sent, &[1]);
        run.finish();
        assert_eq!(names(&run.check()), ["two-senders"]);
    }

    #[test]
    fn who_claims_anew_has_its_turn_again() {
        let mut run = two();
        run.put(1, 1);
        other_claims(&mut run);
        run.later();
        run.claims(1);
        run.put(1, 2);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_process_that_is_gone_left_its_batches_behind() {
        let mut run = two();
        run.sends(1, &[1]);
        other_claims(&mut run);
        run.later();
        begins(&mut run, "agent-1");
        run.claims(1);
        let again = run.sends_only(1, &[(1, 1)]);
        run.applies(again, &[1]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn another_folder_has_turns_of_its_own() {
        let mut run = Run::new();
        let sent = run.sends(1, &[1]);
        run.claims(2);
        run.later();
        run.applies(sent, &[1]);
        run.put(1, 2);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
