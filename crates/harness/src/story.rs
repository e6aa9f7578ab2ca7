//! Tells a person what happened: one line for each event, and the events before a violation as a
//! story.

mod words;

use std::collections::{BTreeSet, HashMap};
use std::fmt::{self, Write as _};

use share_model::ShareId;

use crate::check::Violation;
use crate::history::{Call, Event, What};
use words::sentence;

/// Lines of a story.
const LINES_MAX: usize = 40;
/// Of them, those that are kept for the events that the violation itself names.
const NAMED_MAX: usize = 24;

/// When it happened, who saw it, and what it was: one line. An outcome names its call by number only;
/// [`story`] says what the call was.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self, &HashMap::new())
    }
}

/// What calls were, by their numbers.
type Calls<'a> = HashMap<Call, &'a Event>;

/// The last events before a violation that have to do with it, one line each, and the violation.
pub fn story(events: &[Event], violation: &Violation) -> String {
    let calls = calls(events);
    let named = violation.about.iter().copied();
    let named: BTreeSet<usize> = named.filter(|number| *number < events.len()).collect();
    let skipped = named.len().saturating_sub(NAMED_MAX);
    let mut shown: BTreeSet<usize> = named.into_iter().skip(skipped).collect();
    let before = events.iter().take(violation.at.saturating_add(1)).rev();
    for event in before.filter(|event| concerns(event, violation.share, &calls)) {
        if shown.len() >= LINES_MAX {
            break;
        }
        shown.insert(event.number);
    }
    let mut told = String::new();
    let mut next = 0;
    for number in shown {
        if number > next {
            push(
                &mut told,
                format_args!("{:>12}   … {} events\n", "", number - next),
            );
        }
        let shown = Line {
            event: &events[number],
            calls: &calls,
        };
        push(&mut told, format_args!("{shown}\n"));
        next = number + 1;
    }
    let share = violation
        .share
        .map(|share| format!(", share {}", short(share)));
    push(
        &mut told,
        format_args!(
            "{:>12}   VIOLATED {}{}: {}\n",
            "",
            violation.check,
            share.unwrap_or_default(),
            violation.text
        ),
    );
    told
}

/// An event with what its call was.
struct Line<'a> {
    event: &'a Event,
    calls: &'a Calls<'a>,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        line(f, self.event, self.calls)
    }
}

fn line(f: &mut fmt::Formatter<'_>, event: &Event, calls: &Calls<'_>) -> fmt::Result {
    let (seconds, ms) = (event.at_ms / 1000, event.at_ms % 1000);
    write!(f, "{seconds:>6}.{ms:03} s  {:<10} ", event.actor)?;
    write!(f, "{}", sentence(&event.what, calls))
}

fn push(told: &mut String, line: fmt::Arguments<'_>) {
    told.write_fmt(line)
        .expect("a string takes whatever is written to it");
}

/// The last six digits of an op's id: the first ones are the time, and the same for many.
fn short_op(op: impl fmt::Display) -> String {
    let digits = op.to_string();
    let from = digits.len().saturating_sub(6);
    digits.chars().skip(from).collect()
}

/// The first six digits of an id: enough to tell ids of one run apart.
fn short(id: impl fmt::Display) -> String {
    id.to_string().chars().take(6).collect()
}

fn calls(events: &[Event]) -> Calls<'_> {
    let calls = events.iter().filter_map(|event| match &event.what {
        What::Enqueue { call, .. }
        | What::Claim { call, .. }
        | What::Append { call, .. }
        | What::End { call, .. }
        | What::Freeze { call, .. }
        | What::Delete { call, .. } => Some((*call, event)),
        _ => None,
    });
    calls.collect()
}

/// Whether an event belongs to a story about the share: what happened to it, and to the world.
fn concerns(event: &Event, share: Option<ShareId>, calls: &Calls<'_>) -> bool {
    match share_of(&event.what, calls) {
        Some(of) => share.is_none_or(|share| share == of),
        None => true,
    }
}

/// The share that an event is about; `None`: it is about the world.
fn share_of(what: &What, calls: &Calls<'_>) -> Option<ShareId> {
    match what {
        What::Enqueue { share, .. }
        | What::Claim { share, .. }
        | What::Ended { share, .. }
        | What::Rows { share, .. }
        | What::Created { share, .. }
        | What::Granted { share, .. }
        | What::End { share, .. }
        | What::Freeze { share, .. }
        | What::Delete { share, .. }
        | What::CursorRead { share, .. }
        | What::Follow { share, .. }
        | What::Reset { share, .. }
        | What::Document { share, .. }
        | What::Saw { share, .. }
        | What::Live { share, .. }
        | What::FollowEnded { share, .. }
        | What::Final { share, .. }
        | What::FinalGone { share } => Some(*share),
        What::Append { claim: call, .. }
        | What::Enqueued { call, .. }
        | What::NotEnqueued { call, .. }
        | What::Claimed { call, .. }
        | What::NotClaimed { call, .. }
        | What::Acked { call, .. }
        | What::NotAcked { call, .. }
        | What::AuthorityEnded { call, .. }
        | What::Frozen { call }
        | What::Deleted { call }
        | What::NotDone { call, .. } => share_of(&calls.get(call)?.what, calls),
        What::Began { .. }
        | What::ServerStarted { .. }
        | What::ServerEnded { .. }
        | What::Restored { .. }
        | What::Copied { .. }
        | What::Fault { .. }
        | What::Calm { .. }
        | What::AtRest { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::fixture::Run;
    use crate::history::Authority;
    use share_model::{Right, Rights};

    #[test]
    fn a_violation_ends_its_story() {
        let mut run = Run::new();
        run.granted(2, 1, Rights::of(&[Right::Append]), None);
        run.grant_of_agent(2, 2);
        let sent = run.sends(2, &[1]);
        run.ends(Authority::Grant(crate::check::fixture::grant(2)));
        run.reads();
        run.applies(sent, &[1]);
        run.finish();
        let violations = run.check();
        let told = story(&run.events.events(), &violations[0]);
        let lines: Vec<_> = told.lines().collect();
        assert!(lines.len() <= 2 * LINES_MAX, "{told}");
        for part in [
            "agent-2    sends batch 1..1 of outbox 020202 to share 010101 under grant 020202 (epoch 1)",
            "owner      grant 020202 is ended",
            "agent-2    batch 1..1 of outbox 020202 is acked, share at cursor 1: 1 applied at 1",
            "VIOLATED ended-authority, share 010101: op 0101",
        ] {
            assert!(told.contains(part), "no `{part}` in\n{told}");
        }
        assert!(lines.last().unwrap().contains("VIOLATED"));
    }

    #[test]
    fn a_long_history_is_cut() {
        let mut run = Run::new();
        for op in 1..60 {
            run.put(1, op);
        }
        run.log.remove(0);
        run.finish();
        let violations = run.check();
        for violation in &violations {
            let told = story(&run.events.events(), violation);
            assert!(told.contains("… "), "{told}");
            assert!(told.lines().count() <= 2 * LINES_MAX + 1);
        }
    }

    #[test]
    fn an_event_by_itself_is_one_line() {
        let mut run = Run::new();
        run.put(1, 1);
        run.follow("reader", 1);
        run.saw("reader", 1, run.log.clone());
        run.restored(true);
        run.freezes(true);
        run.deletes();
        run.finish();
        for event in run.events.events() {
            let line = event.to_string();
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}
