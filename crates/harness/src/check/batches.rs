//! `seq-reused` and `batch-recut`: a seq of an outbox means one op for ever, and a batch that has no
//! answer is sent again as it was.

use std::collections::HashMap;

use share_model::{Cursor, Fingerprint, OpId, OutboxId, Seq};

use super::Violation;
use super::index::{Answer, Finding, Index, Sent};
use crate::history::{Trouble, What};

/// Two folders may hold one outbox until one of them is fenced; one folder never holds it twice,
/// unless it is copied over: the number says how often it was.
type Lane<'a> = (&'a str, usize, OutboxId);

fn lane_of<'a>(index: &Index<'a>, sent: &Sent<'a>) -> Lane<'a> {
    let generation = index.generation(sent.folder, sent.number);
    (sent.folder, generation, sent.outbox)
}

/// What outboxes sent.
fn by_outboxes<'i, 'a>(index: &'i Index<'a>) -> impl Iterator<Item = &'i Sent<'a>> {
    let sends = index.sends.iter();
    sends.filter(|sent| index.is_outbox(sent.folder))
}

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    sent_seqs(index, found);
    kept_seqs(index, found);
    recut(index, found);
}

fn sent_seqs(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "seq-reused",
    };
    let mut known: HashMap<(Lane<'_>, Seq), (Fingerprint, usize)> = HashMap::new();
    for sent in by_outboxes(index) {
        let lane = lane_of(index, sent);
        for entry in sent.entries {
            let place = (lane, entry.seq);
            let first = known
                .entry(place)
                .or_insert((entry.fingerprint, sent.number));
            if first.0 != entry.fingerprint {
                let text = format!(
                    "seq {} of outbox {} was sent as fingerprint {} at event {}, and then as {}",
                    entry.seq, sent.outbox, first.0, first.1, entry.fingerprint
                );
                found.push(finding.of(Some(sent.share), sent.number, text, vec![first.1]));
            }
        }
    }
}

fn kept_seqs(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "seq-reused",
    };
    let mut known: HashMap<(Lane<'_>, Seq), (OpId, usize)> = HashMap::new();
    for enqueue in &index.enqueues {
        let identities = enqueue.identities.into_iter().flatten();
        let generation = index.generation(enqueue.folder, enqueue.number);
        for (op, identity) in enqueue.ops.iter().zip(identities) {
            let place = ((enqueue.folder, generation, identity.outbox), identity.seq);
            let first = *known.entry(place).or_insert((op.id, enqueue.number));
            if first.0 != op.id {
                let text = format!(
                    "seq {} of outbox {} was given to op {} at event {}, and then to op {}",
                    identity.seq, identity.outbox, first.0, first.1, op.id
                );
                let about = vec![first.1];
                found.push(finding.of(Some(enqueue.share), enqueue.number, text, about));
            }
        }
    }
}

/// What a batch says.
#[derive(PartialEq, Eq)]
struct Content {
    entries: Vec<(Seq, Fingerprint, bool)>,
    atomic: bool,
    expected: Option<Cursor>,
}

impl Content {
    fn of(sent: &Sent<'_>) -> Self {
        let entries = sent.entries.iter();
        Self {
            entries: entries
                .map(|entry| (entry.seq, entry.fingerprint, entry.op.is_some()))
                .collect(),
            atomic: sent.atomic,
            expected: sent.expected,
        }
    }

    fn overlaps(&self, other: &Self) -> bool {
        let mut entries = self.entries.iter();
        entries.any(|(seq, ..)| other.entries.iter().any(|(other, ..)| other == seq))
    }
}

fn recut(index: &Index<'_>, found: &mut Vec<Violation>) {
    let events: HashMap<usize, &Sent<'_>> = by_outboxes(index)
        .flat_map(|sent| {
            let answered = sent.answer.map(|(number, _)| (number, sent));
            [Some((sent.number, sent)), answered].into_iter().flatten()
        })
        .collect();
    let mut open: HashMap<Lane<'_>, Vec<(usize, Content)>> = HashMap::new();
    for event in index.events {
        // Who finds that its server went back in time plans anew.
        if matches!(event.what, What::Restored { .. }) {
            return;
        }
        let Some(sent) = events.get(&event.number) else {
            continue;
        };
        let open = open.entry(lane_of(index, sent)).or_default();
        let content = Content::of(sent);
        match sent.answer.filter(|(number, _)| *number == event.number) {
            None => {
                open.retain(|(_, earlier)| *earlier != content);
                for (first, earlier) in open.iter().filter(|(_, it)| it.overlaps(&content)) {
                    found.push(cut_again(index, sent, *first, earlier));
                }
                open.push((sent.number, content));
            }
            Some((_, Answer::Acked { .. })) => open.retain(|(_, earlier)| *earlier != content),
            // Whatever was cut after a refused batch is cut again with it.
            Some((_, Answer::Failed(Trouble::Refused(_)))) => open.clear(),
            Some((_, Answer::Failed(Trouble::Lost(_) | Trouble::NotSent(_)))) => {}
        }
    }
}

fn cut_again(index: &Index<'_>, sent: &Sent<'_>, first: usize, earlier: &Content) -> Violation {
    let range = |content: &Content| {
        let seq = |entry: Option<&(Seq, Fingerprint, bool)>| entry.map_or(Seq::ZERO, |it| it.0);
        format!(
            "{} to {}",
            seq(content.entries.first()),
            seq(content.entries.last())
        )
    };
    let text = format!(
        "the batch of seqs {} of outbox {}, sent at event {first} and never answered, was cut again: as \
         seqs {}",
        range(earlier),
        sent.outbox,
        range(&Content::of(sent))
    );
    let finding = Finding {
        index,
        check: "batch-recut",
    };
    finding.of(Some(sent.share), sent.number, text, vec![first])
}

#[cfg(test)]
mod tests {
    use share_model::RefusalCode;

    use crate::check::fixture::{PROBER, Run, names};
    use crate::history::{Trouble, What};

    #[test]
    fn a_batch_that_is_sent_again_as_it_was_breaks_nothing() {
        let mut run = Run::new();
        let call = run.sends(1, &[1, 2]);
        run.fails(call, Trouble::Lost("cut".into()));
        let again = run.sends_only(1, &[(1, 1), (2, 2)]);
        run.applies(again, &[1, 2]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_batch_that_is_cut_again_is_found() {
        let mut run = Run::new();
        let call = run.sends(1, &[1, 2]);
        run.fails(call, Trouble::Lost("cut".into()));
        let again = run.sends_only(1, &[(1, 1)]);
        run.applies(again, &[1]);
        let rest = run.sends_only(1, &[(2, 2)]);
        run.applies(rest, &[2]);
        run.finish();
        assert_eq!(names(&run.check()), ["batch-recut"]);
    }

    #[test]
    fn a_refused_batch_may_be_cut_again() {
        let mut run = Run::new();
        let call = run.sends(1, &[1, 2]);
        run.fails(call, Trouble::Refused(RefusalCode::BatchTooLarge));
        run.claims(1);
        let again = run.sends_only(1, &[(1, 1)]);
        run.applies(again, &[1]);
        let rest = run.sends_only(1, &[(2, 2)]);
        run.applies(rest, &[2]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_folder_that_is_copied_over_may_use_seqs_again() {
        let mut run = Run::new();
        run.put(1, 1);
        run.next_seq.clear();
        let (from, to) = ("backup".into(), "agent-1".into());
        run.push("chaos", What::Copied { from, to });
        run.enqueues(1, &[2]);
        run.rows.remove(0);
        run.requeues(1, &[2]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn a_seq_that_is_used_again_is_found() {
        let mut run = Run::new();
        run.put(1, 1);
        run.enqueues(1, &[2]);
        let sent = run.sends_only(1, &[(1, 2)]);
        run.applies(sent, &[2]);
        run.finish();
        assert!(names(&run.check()).contains(&"seq-reused"));
        let mut run = Run::new();
        run.put(1, 1);
        run.next_seq.clear();
        run.enqueues(1, &[2]);
        run.finish();
        assert!(names(&run.check()).contains(&"seq-reused"));
    }

    #[test]
    fn who_has_no_outbox_may_cut_again_and_use_seqs_again() {
        let mut run = Run::new();
        run.probes();
        let call = run.sends(PROBER, &[1, 2]);
        run.fails(call, Trouble::Lost("cut".into()));
        let first = run.sends_only(PROBER, &[(1, 1)]);
        run.applies(first, &[1]);
        let fork = run.sends_only(PROBER, &[(1, 2)]);
        run.refuses(fork, RefusalCode::WriterForked);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
