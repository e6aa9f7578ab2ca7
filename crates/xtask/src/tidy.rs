//! The rules of the tree that neither the compiler nor clippy knows.
//!
//! A check is a function from a [`Tree`] to what is wrong with it. Each one runs in `cargo xtask
//! tidy`, is a test of this package over the checkout, and has a test beside it with a small bad
//! tree that it must reject.

mod arrows;
mod borders;
mod clippy;
mod commands;
mod images;
mod lengths;
mod limits;
mod manifest;
mod paths;
mod planted;
mod schema_fresh;
mod targets;
mod words;

use std::fmt;

use crate::tree::Tree;

/// One place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) path: String,
    /// Counted from 1; 1 when the whole file is meant.
    pub(crate) line: usize,
    /// What is wrong, and what to do.
    pub(crate) what: String,
}

impl Violation {
    fn new(path: &str, line: usize, what: impl Into<String>) -> Violation {
        Violation {
            path: path.to_owned(),
            line,
            what: what.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.what)
    }
}

/// A rule of the tree.
pub(crate) type Check = fn(&Tree) -> Vec<Violation>;

/// Lists each check once: for `cargo xtask tidy`, and as a test over the checkout.
macro_rules! checks {
    ($($rule:ident => $check:path,)*) => {
        /// All checks, by the rule that each one keeps.
        pub(crate) const CHECKS: &[(&str, Check)] = &[$((stringify!($rule), $check)),*];

        #[cfg(test)]
        mod this_tree {
            use super::*;

            $(
                #[test]
                fn $rule() {
                    tests::assert_holds_in_this_tree($check);
                }
            )*
        }
    };
}

checks! {
    crates_name_only_what_the_arrows_allow => arrows::allowed,
    dev_dependencies_make_no_cycle => arrows::acyclic,
    the_engine_knows_no_runtime_wire_or_database => arrows::engine_is_pure,
    the_server_is_named_only_by_the_serve_command => borders::server_in_cli,
    generated_types_are_named_only_at_the_door => borders::generated_types,
    sql_stands_only_in_store_and_outbox => borders::sql,
    files_are_at_most_700_lines => lengths::files,
    functions_over_70_lines_are_denied => clippy::function_length,
    each_package_takes_the_lints_of_the_workspace => clippy::inherited,
    forbidden_words_and_file_names_are_absent => words::forbidden,
    each_source_file_belongs_to_a_target => targets::reached,
    generated_code_is_fresh => schema_fresh::fresh,
    commands_in_documents_exist => commands::existing,
    paths_in_documents_exist => paths::existing,
    limits_are_documented_with_their_tests => limits::documented,
    images_name_only_what_exists => images::existing,
    planted_bugs_are_listed_and_stand_beside_rules => planted::listed,
    only_the_harness_turns_planted_bugs_on => planted::off,
}

/// What all checks find, sorted by place.
pub(crate) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut found: Vec<Violation> = CHECKS.iter().flat_map(|(_, check)| check(tree)).collect();
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[track_caller]
    pub(super) fn assert_holds_in_this_tree(check: Check) {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let tree = Tree::read(root).expect("read the checkout");
        let found = check(&tree);
        let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
        assert!(lines.is_empty(), "\n{}\n", lines.join("\n"));
    }

    /// `found` is exactly at the expected places, and each says the expected words.
    #[track_caller]
    pub(super) fn assert_found(found: &[Violation], expected: &[(&str, usize, &str)]) {
        let lines: Vec<String> = found.iter().map(Violation::to_string).collect();
        let matches = |(violation, (path, line, words)): (&Violation, &(&str, usize, &str))| {
            violation.path == *path && violation.line == *line && violation.what.contains(words)
        };
        let is_same = found.len() == expected.len() && found.iter().zip(expected).all(matches);
        assert!(is_same, "expected {expected:#?}, found {lines:#?}");
    }

    #[test]
    fn a_violation_reads_as_path_line_and_what() {
        let violation = Violation::new("a/b.rs", 7, "too long, split it");
        assert_eq!(violation.to_string(), "a/b.rs:7: too long, split it");
    }

    #[test]
    fn violations_of_all_checks_come_sorted() {
        let tree = Tree::of(&[("b/utils.rs", ""), ("a/utils.rs", "")]);
        let found = violations(&tree);
        assert!(found.iter().any(|violation| violation.path == "a/utils.rs"));
        assert!(found.is_sorted());
    }
}
