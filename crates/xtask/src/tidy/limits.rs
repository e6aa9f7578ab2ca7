//! That every limit stands in `docs/limits.md`, with tests that exist.

use std::collections::BTreeSet;

use super::Violation;
use crate::tree::Tree;

/// The document that lists the limits, a table under a heading for each structure.
const DOCUMENT: &str = "docs/limits.md";

/// The structures of limits, and the files that they stand in.
const STRUCTURES: &[(&str, &str)] = &[
    ("Limits", "crates/model/src/limits.rs"),
    ("OwnerLimits", "crates/server/src/owner.rs"),
    ("RingLimits", "crates/server/src/feed/ring.rs"),
    ("HubLimits", "crates/server/src/hub.rs"),
    ("RpcLimits", "crates/server/src/rpc.rs"),
    ("ServerLimits", "crates/server/src/server/options.rs"),
    ("Quotas", "crates/model/src/authority.rs"),
    ("NetworkLimits", "crates/network/src/limits.rs"),
    ("BudgetLimits", "crates/network/src/budget.rs"),
    ("HttpLimits", "crates/server/src/http/options.rs"),
    ("WebLimits", "crates/web/src/limits.rs"),
    ("LiveLimits", "crates/web/src/live/limits.rs"),
    ("ViewLimits", "crates/web/src/view/limits.rs"),
];

/// What stands in the column of tests where there is none, before the reason.
const NONE: &str = "none: ";

/// Every field of a structure of limits has a row, and every test of a row exists.
pub(super) fn documented(tree: &Tree) -> Vec<Violation> {
    let Some(text) = tree.text(DOCUMENT) else {
        return vec![Violation::new(
            DOCUMENT,
            1,
            "the document is missing, write it",
        )];
    };
    let rows = rows(text);
    let mut violations = Vec::new();
    for (structure, path) in STRUCTURES {
        for field in fields(tree.text(path).unwrap_or_default(), structure) {
            let is_there = rows
                .iter()
                .any(|row| row.structure == *structure && row.limit == format!("`{field}`"));
            if !is_there {
                let what = format!("`{structure}.{field}` has no row, add it with its tests");
                violations.push(Violation::new(DOCUMENT, 1, what));
            }
        }
    }
    let tests: BTreeSet<&str> = tree
        .texts(".rs")
        .flat_map(|(_, text)| text.lines().filter_map(function))
        .collect();
    for row in &rows {
        if let Some(what) = row.wrong(&tests) {
            violations.push(Violation::new(DOCUMENT, row.line, what));
        }
    }
    violations
}

/// A row of a table.
struct Row<'a> {
    line: usize,
    /// What the heading above names last.
    structure: &'a str,
    limit: &'a str,
    tests: &'a str,
}

impl Row<'_> {
    /// What is wrong with its tests.
    fn wrong(&self, tests: &BTreeSet<&str>) -> Option<String> {
        let limit = self.limit;
        let named: Vec<_> = self.tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() && !self.tests.starts_with(NONE) {
            return Some(format!("{limit} names no test, and no reason for that"));
        }
        let unknown = named.into_iter().find(|name| !tests.contains(name))?;
        Some(format!(
            "{limit} names the test `{unknown}`, which does not exist"
        ))
    }
}

fn rows(text: &str) -> Vec<Row<'_>> {
    let mut structure = "";
    let mut rows = Vec::new();
    for (line, content) in (1..).zip(text.lines()) {
        if let Some(heading) = content.strip_prefix("## ") {
            structure = heading.split('`').nth(1).unwrap_or_default();
        }
        let cells: Vec<_> = content.split('|').map(str::trim).collect();
        if let ["", limit, _, _, tests, ""] = cells[..]
            && !limit.starts_with("---")
            && tests != "tests"
        {
            rows.push(Row {
                line,
                structure,
                limit,
                tests,
            });
        }
    }
    rows
}

/// The public fields of a structure.
fn fields<'a>(text: &'a str, structure: &str) -> Vec<&'a str> {
    let begin = format!("pub struct {structure} {{");
    let body = text.lines().skip_while(|line| *line != begin).skip(1);
    body.take_while(|line| *line != "}")
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(field, _)| field)
        .collect()
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    line.strip_prefix("fn ")?.split('(').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "pub struct Quotas {\n    /// So many.\n    pub shares_max: u64,\n    \
                        pub bytes_max: u64,\n}\n\n#[test]\nfn shares_are_bounded() {}\n";

    fn found(document: &str) -> Vec<String> {
        let tree = Tree::of(&[
            (DOCUMENT, document),
            ("crates/model/src/authority.rs", CODE),
        ]);
        documented(&tree).into_iter().map(|it| it.what).collect()
    }

    #[test]
    fn a_field_without_a_row_and_a_test_that_does_not_exist_are_found() {
        let document = "## Of a grant: `Quotas`\n\n| limit | default | one past it | tests |\n\
                        | --- | --- | --- | --- |\n\
                        | `shares_max` | 1 | refused | `shares_are_bounded`, `nobody_wrote_it` |\n\
                        ## Of another: `Limits`\n\n| `bytes_max` | 1 | refused | |\n";
        assert_eq!(
            found(document),
            [
                "`Quotas.bytes_max` has no row, add it with its tests",
                "`shares_max` names the test `nobody_wrote_it`, which does not exist",
                "`bytes_max` names no test, and no reason for that",
            ]
        );
    }

    #[test]
    fn a_row_for_each_field_with_its_tests_or_why_there_is_none_is_right() {
        let document = "## Of a grant: `Quotas`\n\n\
                        | `shares_max` | 1 | refused | `shares_are_bounded` |\n\
                        | `bytes_max` | 1 | refused | none: nobody comes near |\n";
        assert_eq!(found(document), Vec::<String>::new());
        let without = Tree::of(&[("README.md", "")]);
        assert_eq!(documented(&without).len(), 1);
    }
}
