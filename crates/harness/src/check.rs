//! Says whether the promises held in a run, from its history alone.
//!
//! Nothing here knows how server and client work: each rule is one of `docs/design.md`'s promises,
//! said about what those who took part saw. The document has an algebra of its own (`algebra`).
//! Where a history does not allow a judgement, a rule is silent: what it says is wrong, is wrong.

mod acked_lost;
mod algebra;
mod authority;
mod batches;
mod cursors;
mod deleted;
mod document;
mod dooms;
mod endings;
mod fenced_acked;
mod foreign_chain;
mod fork_acked;
mod frozen;
mod groups;
mod history_changed;
mod index;
mod ledger;
mod op_twice;
mod order;
mod readers;
mod recovery;
mod refused_appender;
mod settled_acked;
mod tally;
mod twice_answered;
mod two_senders;
mod unknown_op;

#[cfg(test)]
pub(crate) mod fixture;

use share_model::ShareId;

pub use tally::{Numbers, Tally, tally};

use crate::history::{Bounds, Event};
use index::Index;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The name of the rule, one of [`ALL`].
    pub check: &'static str,
    /// On this share, if it is about one.
    pub share: Option<ShareId>,
    /// The number of the event at which it shows.
    pub at: usize,
    /// What is wrong, in one sentence for a person.
    pub text: String,
    /// The numbers of the events that tell the story, in their order.
    pub about: Vec<usize>,
}

/// Every rule: its name, and what it says.
pub const ALL: &[(&str, &str)] = &[
    ("op-twice", "an op is in a log at most once"),
    (
        "acked-lost",
        "an op that was acked is in the log, at the cursor that the ack named",
    ),
    (
        "unknown-op",
        "a log holds only what somebody enqueued and sent, as it was enqueued",
    ),
    (
        "order",
        "ops that nothing holds up enter the log in the order of their seqs",
    ),
    ("cursor-gap", "cursors count up by one, without a gap"),
    ("cursor-back", "a cursor only grows, but for a restore"),
    (
        "reader-prefix",
        "what readers are told is a prefix of one log, without repeats",
    ),
    ("saw-undurable", "what a reader was told stays in the log"),
    (
        "document",
        "a document is what its log makes of an empty one",
    ),
    (
        "ended-authority",
        "nothing is applied or told under authority that was ended before",
    ),
    (
        "right-missing",
        "nothing is applied or told under a grant without the right to it",
    ),
    ("frozen", "a frozen share does not change"),
    (
        "deleted",
        "a deleted share takes nothing, tells nothing and stays deleted",
    ),
    (
        "ledger-bound",
        "a ledger remembers at most a window of seqs above its floor",
    ),
    ("floor-by-server", "only the writer's word moves a floor"),
    (
        "ledger-forgot",
        "a ledger never forgets a seq that it answered",
    ),
    ("outbox-lost", "an op that was kept stays in its outbox"),
    ("not-ended", "every op ends, and can be seen to have"),
    (
        "no-progress",
        "once nothing is broken any more, every outbox comes to its end",
    ),
    (
        "dead-letter-applied",
        "an op that was given up is not in the log",
    ),
    (
        "dead-letter-without-cause",
        "an op that nothing can make invalid is not given up",
    ),
    (
        "in-doubt-without-cause",
        "no op is in doubt unless its share was deleted, or something went back in time",
    ),
    (
        "dependency",
        "an op is applied only after those that it depends on",
    ),
    (
        "atomic-group",
        "an atomic group is applied whole, at the cursor that it expects, or not at all",
    ),
    ("seq-reused", "a seq of an outbox means one op for ever"),
    (
        "batch-recut",
        "a batch without an answer is sent again as it was",
    ),
    (
        "history-changed",
        "a server's history changes when it is restored, and only then",
    ),
    (
        "fork-acked",
        "a seq is acked for one content only, whoever sends it",
    ),
    (
        "settled-acked",
        "what its writer settled is refused when it is sent again",
    ),
    (
        "refused-appender-acked",
        "what is sent behind a refused batch gets the same refusal",
    ),
    (
        "fenced-acked",
        "who lost a lane to a later claim appends nothing to it",
    ),
    (
        "recovery-without-cause",
        "an outbox makes a new plan only if it was copied or its server went back in time",
    ),
    (
        "foreign-chain",
        "who is told a chain that is not its own sends nothing more on that lane",
    ),
    (
        "two-senders",
        "one process at a time sends what a folder's outbox holds for a share",
    ),
    (
        "twice-applied-answer",
        "every ack names the same cursor for an op",
    ),
];

/// What of the promises did not hold, in the order in which it shows.
///
/// `events` is the whole history of a run; `bounds` is what its shares allow.
pub fn check(events: &[Event], bounds: &Bounds) -> Vec<Violation> {
    let index = Index::new(events);
    let mut found = Vec::new();
    op_twice::check(&index, &mut found);
    acked_lost::check(&index, &mut found);
    unknown_op::check(&index, &mut found);
    order::check(&index, &mut found);
    cursors::check(&index, &mut found);
    readers::check(&index, &mut found);
    document::check(&index, &mut found);
    authority::check(&index, &mut found);
    frozen::check(&index, &mut found);
    deleted::check(&index, &mut found);
    ledger::check(&index, bounds, &mut found);
    endings::check(&index, &mut found);
    dooms::check(&index, &mut found);
    groups::check(&index, &mut found);
    batches::check(&index, &mut found);
    history_changed::check(&index, &mut found);
    fork_acked::check(&index, &mut found);
    settled_acked::check(&index, &mut found);
    refused_appender::check(&index, &mut found);
    fenced_acked::check(&index, &mut found);
    recovery::check(&index, &mut found);
    two_senders::check(&index, &mut found);
    foreign_chain::check(&index, &mut found);
    twice_answered::check(&index, &mut found);
    for violation in &mut found {
        violation.about.sort_unstable();
        violation.about.dedup();
    }
    found.sort_by_key(|violation| violation.at);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use fixture::Run;

    #[test]
    fn an_honest_run_breaks_nothing() {
        let mut run = Run::new();
        run.put(1, 1);
        run.put(2, 2);
        run.reads();
        run.put(1, 3);
        run.finish();
        assert_eq!(run.check(), []);
    }

    #[test]
    fn an_empty_history_breaks_nothing() {
        assert_eq!(check(&[], &Bounds { window: 4 }), []);
    }

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = ALL.iter().map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ALL.len());
    }
}
