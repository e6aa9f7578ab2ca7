//! `foreign-chain`: who is told a chain that is not its own sends nothing more on that lane.
//!
//! The chain that a claim answers stands for all that was ever sent on a lane, up to its highest seq.
//! A folder knows what it kept or sent there itself; where that is the whole, the chain can be
//! computed, and another one means that somebody else has been there.

use std::collections::{BTreeMap, HashMap, HashSet};

use share_model::{Chain, Fingerprint, OutboxId, Seq};

use super::Violation;
use super::index::{Finding, Index};
use crate::history::{Call, What};

/// What a folder knows of a lane, by seq.
type Known = BTreeMap<Seq, Fingerprint>;
/// What each folder knows of each lane.
type Lanes = HashMap<(String, OutboxId), Known>;

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "foreign-chain",
    };
    let mut known = Lanes::new();
    let mut foreign: HashMap<Call, usize> = HashMap::new();
    let mut told: HashSet<Call> = HashSet::new();
    let mut folders: HashMap<&str, &str> = HashMap::new();
    for event in index.events {
        note(&event.what, &event.actor, (&mut folders, &mut known));
        // Who has no outbox sends what it likes.
        let Some(folder) = folders.get(event.actor.as_str()).copied() else {
            continue;
        };
        match &event.what {
            What::Enqueued { identities, .. } => {
                for identity in identities {
                    let lane = known
                        .entry((folder.to_owned(), identity.outbox))
                        .or_default();
                    lane.insert(identity.seq, identity.fingerprint);
                }
            }
            What::Append { claim, entries, .. } => {
                let Some(of) = index.claims.get(claim) else {
                    continue;
                };
                if let Some(heard) = foreign.get(claim)
                    && !entries.is_empty()
                    && told.insert(*claim)
                {
                    let text = format!(
                        "{} sent a batch on outbox {} after a claim had told a chain that is not its own",
                        event.actor, of.outbox
                    );
                    let about = vec![*heard, event.number];
                    found.push(finding.of(Some(of.share), event.number, text, about));
                }
                let lane = known.entry((folder.to_owned(), of.outbox)).or_default();
                for entry in entries {
                    lane.insert(entry.seq, entry.fingerprint);
                }
            }
            What::Claimed {
                call,
                highest,
                chain,
                ..
            } => {
                let Some(of) = index.claims.get(call) else {
                    continue;
                };
                let lane = known.get(&(folder.to_owned(), of.outbox));
                let own = lane.and_then(|lane| chain_at(lane, *highest));
                if own.is_some_and(|own| own != *chain) {
                    foreign.insert(*call, event.number);
                }
            }
            _ => {}
        }
    }
}

/// Which folder an actor has, and what a copy of one knows.
fn note<'a>(
    what: &'a What,
    actor: &'a str,
    (folders, known): (&mut HashMap<&'a str, &'a str>, &mut Lanes),
) {
    match what {
        What::Began { folder } => {
            folders.insert(actor, folder);
        }
        What::Copied { from, to } => {
            let lanes = known.iter().filter(|((folder, _), _)| folder == from);
            let lanes = lanes.map(|((_, outbox), lane)| ((to.clone(), *outbox), lane.clone()));
            let lanes: Vec<_> = lanes.collect();
            known.extend(lanes);
        }
        _ => {}
    }
}

/// The chain at a seq, if all up to there is known.
fn chain_at(lane: &Known, highest: Seq) -> Option<Chain> {
    (1..=highest.get()).try_fold(Chain::EMPTY, |chain, seq| {
        lane.get(&Seq::new(seq))
            .map(|fingerprint| chain.then(*fingerprint))
    })
}

#[cfg(test)]
mod tests {
    use share_model::Fingerprint;

    use super::*;
    use crate::check::fixture::{Run, fingerprint, names};

    fn chain_of(ops: &[u8]) -> Chain {
        ops.iter()
            .fold(Chain::EMPTY, |chain, op| chain.then(fingerprint(*op)))
    }

    #[test]
    fn who_sends_on_after_its_own_chain_is_right() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        let chain = chain_of(&[1, 2]);
        run.claims_and_is_told(1, chain);
        run.put(1, 3);
        run.finish();
        assert_eq!(names(&run.check()), [""; 0]);
    }

    #[test]
    fn who_sends_on_after_another_chain_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(1, 2);
        let chain = chain_of(&[2, 1]);
        run.claims_and_is_told(1, chain);
        run.put(1, 3);
        run.finish();
        assert_eq!(names(&run.check()), ["foreign-chain"]);
    }

    fn lane(prints: &[u8]) -> Known {
        let numbered = (1..).zip(prints);
        numbered
            .map(|(seq, print)| (Seq::new(seq), Fingerprint::from_bytes([*print; 16])))
            .collect()
    }

    #[test]
    fn a_chain_is_told_only_of_what_is_known_whole() {
        let whole = lane(&[1, 2, 3]);
        let chain = [1, 2, 3].iter().fold(Chain::EMPTY, |chain, print| {
            chain.then(Fingerprint::from_bytes([*print; 16]))
        });
        assert_eq!(chain_at(&whole, Seq::new(3)), Some(chain));
        assert_ne!(chain_at(&lane(&[1, 9, 3]), Seq::new(3)), Some(chain));
        assert_eq!(chain_at(&whole, Seq::new(4)), None);
        assert_eq!(chain_at(&whole, Seq::new(0)), Some(Chain::EMPTY));
    }
}
