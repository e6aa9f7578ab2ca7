//! What a run came to: a table for a person, or one JSON object for a script.

use std::fmt::Write as _;

use serde::Serialize;

/// The result of a run. Its JSON form is an interface: members are added at the end, and none
/// changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Report {
    /// Whether the share is exactly what the recording says, with each op applied once.
    pub(super) exact: bool,
    /// Keys of the share's document.
    pub(super) keys: u64,
    /// Ops that entered the outbox.
    pub(super) ops: u64,
    /// Ops in the share's log.
    pub(super) applied: u64,
    /// Ops that the server was sent once more after it had applied them, and recognised.
    pub(super) duplicates: u64,
    /// Times that an op was sent beyond its first.
    pub(super) resent: u64,
    /// Connections that were cut, those of lost replies among them.
    pub(super) cuts: u64,
    /// Server processes killed and verified gone.
    pub(super) server_kills: u64,
    /// Client processes killed and verified gone.
    pub(super) client_kills: u64,
    /// Replies lost after the server had applied what they answered.
    pub(super) lost_replies: u64,
    /// From the first process's start to the last one's end.
    pub(super) elapsed_ms: u64,
    /// Times that an op was sent.
    pub(super) sent: u64,
    /// What decided the order of the differences.
    pub(super) seed: u64,
    /// Which recording.
    pub(super) recording: String,
    /// What is not as it must be; none if exact.
    pub(super) differences: Vec<String>,
    /// Copies of the client's folder that sent what they held.
    pub(super) copies: u64,
    /// Times that the server was restored from a backup.
    pub(super) restores: u64,
    /// Grants of readers that were revoked while they followed the share, and of which nothing was
    /// left.
    pub(super) revocations: u64,
    /// From such a call to its ack, in whole milliseconds.
    pub(super) revoke_ms: u64,
}

/// Differences that the table shows.
const DIFFERENCES_SHOWN: usize = 20;

impl Report {
    /// The table and the verdict.
    pub(super) fn table(&self) -> String {
        let seconds = self.elapsed_ms / 1000;
        let tenths = self.elapsed_ms % 1000 / 100;
        let mut rows = vec![
            (
                "ops enqueued",
                self.ops.to_string(),
                "on the client's disk before it went on",
            ),
            ("ops sent", self.sent.to_string(), ""),
            (
                "ops sent again",
                self.resent.to_string(),
                "since nobody could know whether they had arrived",
            ),
            (
                "duplicates absorbed",
                self.duplicates.to_string(),
                "they had; the server did not apply them twice",
            ),
            (
                "applied exactly once",
                self.applied.to_string(),
                "the share's cursor",
            ),
            (
                "connections cut",
                self.cuts.to_string(),
                "amid a message, or to lose a reply",
            ),
            (
                "replies lost",
                self.lost_replies.to_string(),
                "after the server had applied",
            ),
            (
                "server killed",
                self.server_kills.to_string(),
                "SIGKILL, verified gone, restarted",
            ),
            (
                "client killed",
                self.client_kills.to_string(),
                "SIGKILL, verified gone, restarted",
            ),
        ];
        rows.extend(self.rows_of_some_runs());
        rows.push(("time", format!("{seconds}.{tenths} s"), ""));
        let mut table = String::new();
        for (what, number, remark) in rows {
            let line = format!("{what:20}  {number:>7}  {remark}");
            // Writing to a string can't fail.
            let _ = writeln!(table, "{}", line.trim_end());
        }
        let _ = write!(table, "\n{}", self.verdict());
        table
    }

    /// What is told where it was.
    fn rows_of_some_runs(&self) -> Vec<(&'static str, String, &'static str)> {
        let mut rows = Vec::new();
        if self.copies + self.restores > 0 {
            rows.push((
                "client copied",
                self.copies.to_string(),
                "both sent what they held",
            ));
            rows.push((
                "server restored",
                self.restores.to_string(),
                "what it had acked since came back",
            ));
        }
        if self.revocations > 0 {
            rows.push((
                "live tail cut",
                format!("{} ms", self.revoke_ms),
                "from revoking its grant to the ack; the ref opens nothing any more",
            ));
        }
        rows
    }

    fn verdict(&self) -> String {
        let Self {
            keys, recording, ..
        } = self;
        if self.exact {
            return format!("exact: all {keys} keys of the share are as {recording} says");
        }
        let mut text = format!("NOT exact: the share is not as {recording} says");
        for difference in self.differences.iter().take(DIFFERENCES_SHOWN) {
            let _ = write!(text, "\n  {difference}");
        }
        if self.differences.len() > DIFFERENCES_SHOWN {
            let _ = write!(
                text,
                "\n  and {} more",
                self.differences.len() - DIFFERENCES_SHOWN
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            exact: true,
            keys: 4,
            ops: 100,
            applied: 100,
            duplicates: 3,
            resent: 12,
            cuts: 11,
            server_kills: 2,
            client_kills: 2,
            lost_replies: 3,
            elapsed_ms: 12_345,
            sent: 112,
            seed: 7,
            recording: "a.jsonl".into(),
            differences: vec![],
            copies: 0,
            restores: 0,
            revocations: 1,
            revoke_ms: 3,
        }
    }

    #[test]
    fn the_table_of_a_hard_demo_names_its_faults() {
        let hard = Report {
            copies: 1,
            restores: 1,
            ..report()
        };
        let table = hard.table();
        assert!(table.contains("client copied"), "{table}");
        assert!(table.contains("server restored"), "{table}");
    }

    #[test]
    fn a_reader_of_whom_something_was_left_is_not_told_as_cut() {
        let report = Report {
            revocations: 0,
            ..report()
        };
        let table = report.table();
        assert!(!table.contains("live tail cut"), "{table}");
    }

    #[test]
    fn the_json_has_the_members_that_scripts_rely_on() {
        assert_eq!(
            serde_json::to_string(&report()).unwrap(),
            r#"{"exact":true,"keys":4,"ops":100,"applied":100,"duplicates":3,"resent":12,"cuts":11,"server_kills":2,"client_kills":2,"lost_replies":3,"elapsed_ms":12345,"sent":112,"seed":7,"recording":"a.jsonl","differences":[],"copies":0,"restores":0,"revocations":1,"revoke_ms":3}"#
        );
    }

    #[test]
    fn the_table_says_everything_in_words() {
        insta::assert_snapshot!(report().table(), @r"
        ops enqueued              100  on the client's disk before it went on
        ops sent                  112
        ops sent again             12  since nobody could know whether they had arrived
        duplicates absorbed         3  they had; the server did not apply them twice
        applied exactly once      100  the share's cursor
        connections cut            11  amid a message, or to lose a reply
        replies lost                3  after the server had applied
        server killed               2  SIGKILL, verified gone, restarted
        client killed               2  SIGKILL, verified gone, restarted
        live tail cut            3 ms  from revoking its grant to the ack; the ref opens nothing any more
        time                   12.3 s

        exact: all 4 keys of the share are as a.jsonl says
        ");
    }

    #[test]
    fn a_result_that_is_not_exact_lists_what_is_wrong_up_to_a_bound() {
        let differences = (0..22).map(|at| format!("`{at}` is missing")).collect();
        let report = Report {
            exact: false,
            differences,
            ..report()
        };
        let verdict = report.verdict();
        assert!(
            verdict.starts_with("NOT exact: the share is not as a.jsonl says\n  `0` is missing\n")
        );
        assert!(verdict.ends_with("\n  `19` is missing\n  and 2 more"));
    }
}
