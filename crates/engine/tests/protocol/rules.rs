//! The client's rules, each of which can be taken out: what breaks then is what the rule is for.

/// The rules of `docs/design.md` §3 on the client's side, and of the network before the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rules {
    /// The refusal of a whole batch ends its appender.
    pub(crate) refusal_ends_appender: bool,
    /// An append's answer counts only after the claim's answer on the same connection.
    pub(crate) claim_answer_first: bool,
    /// Answers on a connection that was left are ignored.
    pub(crate) ignore_left: bool,
    /// A claim names the history that the client knows.
    pub(crate) claim_names_history: bool,
    /// The nonce is stored before the claim, and kept until an appender was given.
    pub(crate) nonce_is_stored: bool,
    /// An append that is refused with `writerFenced` leads to a claim, and only a claim that is
    /// refused so to a re-queue.
    pub(crate) fenced_append_claims: bool,
    /// What a re-queued op names as its first identity.
    pub(crate) was: Was,
    /// A dead letter is one only after the server said so.
    pub(crate) abandon_by_request: bool,
    /// A retry holds the rejected ops only, not the batch that they were in.
    pub(crate) retry_alone: bool,
    /// Where the lane is fed again from after a restore.
    pub(crate) feed: Feed,
    /// After a restore, dead letters are given up again.
    pub(crate) abandon_again: bool,
    /// After a restore, held rows of earlier lanes are re-queued as well.
    pub(crate) earlier_lanes_too: bool,
    /// A lane whose chain can't be compared any more, for its rows were pruned, is not fed.
    pub(crate) compare_pruned: bool,
    /// What tells that a server went back in time without a new history id.
    pub(crate) signs: Signs,
}

/// What a re-queued op names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Was {
    /// The lane in which it was first enqueued.
    First,
    /// The lane that it comes from.
    Latest,
    /// Nothing: it is plainly sent again.
    Nothing,
}

/// What is sent again after a restore, with the chain intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Feed {
    /// What lies above the server's floor.
    AboveFloor,
    /// What lies above the server's highest.
    AboveHighest,
}

/// Signs of a rollback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signs {
    /// `highest` is below a seq that was answered, or the cursor below one that was told.
    Answered,
    /// `highest` is below what is settled.
    Settled,
    /// None is looked for.
    Ignored,
}

impl Rules {
    /// Every rule.
    pub(crate) const ALL: Self = Self {
        refusal_ends_appender: true,
        claim_answer_first: true,
        ignore_left: true,
        claim_names_history: true,
        nonce_is_stored: true,
        fenced_append_claims: true,
        was: Was::First,
        abandon_by_request: true,
        retry_alone: true,
        feed: Feed::AboveFloor,
        abandon_again: true,
        earlier_lanes_too: true,
        compare_pruned: true,
        signs: Signs::Answered,
    };
}
