//! `refused-appender-acked`: what is sent behind a refused batch on the same claim gets the same
//! refusal.

use std::collections::HashMap;

use share_model::{Reaction, RefusalCode};

use super::Violation;
use super::index::{Answer, Finding, Index, Sent};
use crate::history::{Call, Trouble};

pub(super) fn check(index: &Index<'_>, found: &mut Vec<Violation>) {
    let finding = Finding {
        index,
        check: "refused-appender-acked",
    };
    // Batches arrive in the order in which they were sent: what is behind a refusal came behind it.
    let mut refused: HashMap<Call, (&Sent<'_>, RefusalCode)> = HashMap::new();
    for sent in &index.sends {
        let Some((number, answer)) = sent.answer else {
            continue;
        };
        let first = refused.get(&sent.claim).copied();
        let what = match (answer, first) {
            (Answer::Acked { .. }, Some(_)) => "acked".to_owned(),
            (Answer::Failed(Trouble::Refused(code)), Some((_, first))) => {
                if *code == first || !is_of_the_lane(*code) {
                    continue;
                }
                format!("refused with {}", code.name())
            }
            (Answer::Failed(Trouble::Refused(code)), None) => {
                refused.insert(sent.claim, (sent, *code));
                continue;
            }
            _ => continue,
        };
        let Some((first, code)) = first else {
            continue;
        };
        let text = format!(
            "a batch of outbox {} was {what}, and the one that was sent before it on the same claim, \
             at event {}, was refused with {}",
            sent.outbox,
            first.number,
            code.name()
        );
        let refused_at = first.answer.map_or(first.number, |(number, _)| number);
        let about = vec![first.number, refused_at, sent.number, number];
        let at = number.max(refused_at);
        found.push(finding.of(Some(sent.share), at, text, about));
    }
}

/// Whether only someone who looks at the lane gives this refusal. What ends authority may come
/// later than a refusal; what can't be read, what is over a quota, and what comes to a server that
/// has let the claim go, is refused before anyone looks.
fn is_of_the_lane(code: RefusalCode) -> bool {
    match code.reaction() {
        Reaction::Replan => code != RefusalCode::WriterFenced,
        Reaction::SettleAndRetry => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use share_model::RefusalCode;

    use crate::check::fixture::{PROBER, Run, names};

    /// A batch that is refused, with another one behind it.
    fn behind_a_refusal() -> (Run, u64) {
        let mut run = Run::new();
        run.probes();
        run.enqueues(PROBER, &[1, 2]);
        let first = run.sends_only(PROBER, &[(5, 1)]);
        let second = run.sends_only(PROBER, &[(1, 2)]);
        run.refuses(first, RefusalCode::OutOfOrder);
        (run, second)
    }

    #[test]
    fn a_batch_behind_a_refusal_that_is_acked_is_found() {
        let (mut run, second) = behind_a_refusal();
        run.applies(second, &[2]);
        run.finish();
        assert_eq!(names(&run.check()), ["refused-appender-acked"]);
    }

    #[test]
    fn the_order_of_the_answers_does_not_matter() {
        let mut run = Run::new();
        run.probes();
        run.enqueues(PROBER, &[1, 2]);
        let first = run.sends_only(PROBER, &[(5, 1)]);
        let second = run.sends_only(PROBER, &[(1, 2)]);
        run.applies(second, &[2]);
        run.refuses(first, RefusalCode::OutOfOrder);
        run.finish();
        assert_eq!(names(&run.check()), ["refused-appender-acked"]);
    }

    #[test]
    fn another_refusal_of_the_lane_is_found() {
        let (mut run, second) = behind_a_refusal();
        run.refuses(second, RefusalCode::AlreadySettled);
        run.finish();
        assert_eq!(names(&run.check()), ["refused-appender-acked"]);
    }

    #[test]
    fn the_same_refusal_or_an_end_of_authority_breaks_nothing() {
        for code in [RefusalCode::OutOfOrder, RefusalCode::Revoked] {
            let (mut run, second) = behind_a_refusal();
            run.refuses(second, code);
            run.finish();
            assert_eq!(run.check(), []);
        }
    }

    #[test]
    fn after_another_claim_the_lane_goes_on() {
        let (mut run, second) = behind_a_refusal();
        run.refuses(second, RefusalCode::OutOfOrder);
        run.claims(PROBER);
        let again = run.sends_only(PROBER, &[(1, 2)]);
        run.applies(again, &[2]);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn what_was_sent_before_the_refused_batch_may_be_acked() {
        let mut run = Run::new();
        run.probes();
        run.enqueues(PROBER, &[1, 2]);
        let first = run.sends_only(PROBER, &[(1, 2)]);
        let second = run.sends_only(PROBER, &[(5, 1)]);
        run.refuses(second, RefusalCode::OutOfOrder);
        run.applies(first, &[2]);
        run.finish();
        assert_eq!(run.check(), []);
    }
}
