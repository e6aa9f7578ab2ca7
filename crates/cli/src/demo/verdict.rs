//! Whether the share came out exactly right, judged by what the recording says and not by what the
//! demo did.

use std::collections::BTreeMap;

use serde_json::Value;
use share_opencode::{Difference, compare};

/// What the end of a run looks like.
#[derive(Debug)]
pub(super) struct End {
    /// What the recording says that the document must be.
    pub(super) expected: BTreeMap<String, Value>,
    /// What the server says that it is.
    pub(super) document: BTreeMap<String, Value>,
    /// Ops that the recording comes to.
    pub(super) ops: u64,
    /// Ops that entered the outbox.
    pub(super) enqueued: u64,
    /// Ops that entered the share's log: its cursor.
    pub(super) applied: u64,
    /// Ops that ended otherwise than applied.
    pub(super) failed: u64,
    /// What a revoked grant still did, in words.
    pub(super) after_revocation: Vec<String>,
}

/// The judgement.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Keys of the document that was judged.
    pub(super) keys: usize,
    /// Everything that is not as it must be, in words.
    pub(super) differences: Vec<String>,
}

impl Verdict {
    /// Judges the end of a run.
    pub(super) fn of(end: &End) -> Self {
        let End {
            expected,
            document,
            ops,
            enqueued,
            applied,
            failed,
            after_revocation,
        } = end;
        let mut differences: Vec<String> = compare(expected, document)
            .iter()
            .map(Difference::to_string)
            .collect();
        if expected.is_empty() {
            differences.push("the recording comes to a document without keys".to_owned());
        }
        if enqueued != ops {
            differences.push(format!(
                "the recording comes to {ops} ops, the outbox holds {enqueued}"
            ));
        }
        // Fewer: an op was lost. More: one was applied twice, whatever the document says.
        if applied != ops {
            differences.push(format!(
                "the recording comes to {ops} ops, the share's cursor is {applied}"
            ));
        }
        if *failed != 0 {
            differences.push(format!("{failed} ops ended otherwise than applied"));
        }
        differences.extend_from_slice(after_revocation);
        Self {
            keys: document.len(),
            differences,
        }
    }

    /// Whether everything is as it must be.
    pub(super) fn is_exact(&self) -> bool {
        self.differences.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> BTreeMap<String, Value> {
        BTreeMap::from([
            ("session".to_owned(), json!({"id": "ses_1"})),
            ("part/m/p".to_owned(), json!({"text": "hello", "n": 1})),
        ])
    }

    fn end() -> End {
        End {
            expected: document(),
            document: document(),
            ops: 5,
            enqueued: 5,
            applied: 5,
            failed: 0,
            after_revocation: vec![],
        }
    }

    #[track_caller]
    fn assert_difference(change: impl FnOnce(&mut End), difference: &str) {
        let mut end = end();
        change(&mut end);
        let verdict = Verdict::of(&end);
        assert_eq!(verdict.differences, [difference]);
        assert!(!verdict.is_exact());
    }

    #[test]
    fn the_same_document_after_as_many_ops_is_exact() {
        let verdict = Verdict::of(&end());
        assert!(verdict.is_exact(), "{verdict:?}");
        assert_eq!(verdict.keys, 2);
    }

    #[test]
    fn one_value_that_differs_is_not_exact() {
        assert_difference(
            |end| *end.document.get_mut("part/m/p").unwrap() = json!({"text": "hell", "n": 1}),
            "`part/m/p` differs at `/text`: expected \"hello\", is \"hell\"",
        );
    }

    #[test]
    fn one_key_missing_or_too_many_is_not_exact() {
        assert_difference(
            |end| drop(end.document.remove("session")),
            "`session` is missing",
        );
        assert_difference(
            |end| drop(end.document.insert("x".into(), json!(1))),
            "`x` should not be there",
        );
    }

    #[test]
    fn an_op_lost_or_applied_twice_is_not_exact_whatever_the_document_says() {
        let difference = "the recording comes to 5 ops, the share's cursor is 6";
        assert_difference(|end| end.applied = 6, difference);
        let difference = "the recording comes to 5 ops, the share's cursor is 4";
        assert_difference(|end| end.applied = 4, difference);
        let difference = "the recording comes to 5 ops, the outbox holds 4";
        assert_difference(|end| end.enqueued = 4, difference);
        assert_difference(|end| end.failed = 1, "1 ops ended otherwise than applied");
    }

    #[test]
    fn a_share_that_a_revoked_grant_still_opens_is_not_exact_whatever_it_holds() {
        let difference = "the revoked ref still opens the share";
        assert_difference(
            |end| end.after_revocation = vec![difference.into()],
            difference,
        );
    }

    #[test]
    fn a_document_without_keys_proves_nothing() {
        let difference = "the recording comes to a document without keys";
        assert_difference(
            |end| {
                end.expected.clear();
                end.document.clear();
            },
            difference,
        );
    }
}
