//! That clippy is told what this project wants of it, everywhere.

use toml::{Table, Value};

use super::Violation;
use super::manifest::{packages, table};
use crate::tree::Tree;

/// Lines of the longest function that is allowed.
const FUNCTION_LINES_MAX: i64 = 70;

/// The lint on long functions is denied, and its threshold is [`FUNCTION_LINES_MAX`] everywhere.
pub(super) fn function_length(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let root = table(tree, "Cargo.toml").unwrap_or_default();
    let level = |table: &Table| {
        let lint = table
            .get("workspace")?
            .get("lints")?
            .get("clippy")?
            .get("too_many_lines")?;
        let level = lint.get("level").unwrap_or(lint);
        level.as_str().map(str::to_owned)
    };
    if !matches!(level(&root).as_deref(), Some("deny" | "forbid")) {
        let what = "`too_many_lines` is not denied, set it in [workspace.lints.clippy]";
        violations.push(Violation::new("Cargo.toml", 1, what));
    }
    let settings = table(tree, "clippy.toml").unwrap_or_default();
    let threshold = settings
        .get("too-many-lines-threshold")
        .and_then(Value::as_integer);
    if threshold != Some(FUNCTION_LINES_MAX) {
        let line = tree.line_of("clippy.toml", "too-many-lines-threshold");
        let what =
            format!("functions may have {FUNCTION_LINES_MAX} lines, set too-many-lines-threshold");
        violations.push(Violation::new("clippy.toml", line, what));
    }
    for path in tree.paths().filter(|path| *path != "clippy.toml") {
        if path.ends_with("/clippy.toml") || path.ends_with(".clippy.toml") {
            let what = "hides the settings of the workspace, move them to /clippy.toml";
            violations.push(Violation::new(path, 1, what));
        }
    }
    violations
}

/// Each package has `[lints] workspace = true`.
pub(super) fn inherited(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    for package in &packages {
        let lints = package
            .manifest
            .get("lints")
            .and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            let what = "does not take the lints of the workspace, add `[lints]` `workspace = true`";
            violations.push(Violation::new(&package.manifest_path(), 1, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn a_lint_that_only_warns_and_another_threshold_are_found() {
        let tree = Tree::of(&[
            (
                "Cargo.toml",
                "[workspace.lints.clippy]\ntoo_many_lines = \"warn\"",
            ),
            ("clippy.toml", "# Settings.\ntoo-many-lines-threshold = 100"),
            ("crates/model/clippy.toml", ""),
        ]);
        assert_found(
            &function_length(&tree),
            &[
                ("Cargo.toml", 1, "not denied"),
                ("clippy.toml", 2, "70 lines"),
                ("crates/model/clippy.toml", 1, "hides the settings"),
            ],
        );
    }

    #[test]
    fn the_lint_may_be_denied_as_a_table() {
        let lint = "[workspace.lints.clippy]\ntoo_many_lines = { level = \"deny\", priority = 1 }";
        let tree = Tree::of(&[
            ("Cargo.toml", lint),
            ("clippy.toml", "too-many-lines-threshold = 70"),
        ]);
        assert_found(&function_length(&tree), &[]);
    }

    #[test]
    fn a_package_with_lints_of_its_own_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]"),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[lints]\nworkspace = true",
            ),
            (
                "b/Cargo.toml",
                "[package]\nname = \"b\"\n[lints.rust]\nunsafe_code = \"allow\"",
            ),
        ]);
        assert_found(
            &inherited(&tree),
            &[("b/Cargo.toml", 1, "does not take the lints")],
        );
    }
}
