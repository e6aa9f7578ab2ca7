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

/// The one package with `unsafe` in it: cargo lets a package take the lints of the workspace as they are
/// or not at all, so that it repeats them.
const UNSAFE: &str = "share-harness";

/// Each package has `[lints] workspace = true`; the lints of [`UNSAFE`] differ in `unsafe_code` only.
pub(super) fn inherited(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    let root = table(tree, "Cargo.toml").unwrap_or_default();
    for package in &packages {
        let lints = package.manifest.get("lints");
        if package.name == UNSAFE {
            if lints.and_then(Value::as_table) != Some(&but_for_unsafe(&root)) {
                let what =
                    "its lints are not the workspace's with `unsafe_code` denied, repeat them";
                violations.push(Violation::new(&package.manifest_path(), 1, what));
            }
            continue;
        }
        let lints = lints.and_then(|lints| lints.get("workspace"));
        if lints.and_then(Value::as_bool) != Some(true) {
            let what = "does not take the lints of the workspace, add `[lints]` `workspace = true`";
            violations.push(Violation::new(&package.manifest_path(), 1, what));
        }
    }
    violations
}

/// The lints of the workspace, with `unsafe_code` denied: where it is forbidden, no place can be excepted.
fn but_for_unsafe(root: &Table) -> Table {
    let lints = root.get("workspace").and_then(|it| it.get("lints"));
    let mut lints = lints.and_then(Value::as_table).cloned().unwrap_or_default();
    if let Some(rust) = lints.get_mut("rust").and_then(Value::as_table_mut) {
        rust.insert("unsafe_code".to_owned(), "deny".into());
    }
    lints
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

    #[test]
    fn the_harness_may_have_lints_of_its_own_that_deny_unsafe_code_and_differ_in_nothing_else() {
        let root = "[workspace]\nmembers = [\"h\"]\n[workspace.lints.rust]\nunsafe_code = \"forbid\"\n\
                    missing_docs = \"deny\"\n[workspace.lints.clippy]\ntodo = \"deny\"";
        let of = |lints: &str| {
            let manifest = format!("[package]\nname = \"share-harness\"\n{lints}");
            inherited(&Tree::of(&[
                ("Cargo.toml", root),
                ("h/Cargo.toml", &manifest),
            ]))
        };
        let rust = "[lints.rust]\nunsafe_code = \"deny\"\nmissing_docs = \"deny\"\n";
        assert_found(&of(&format!("{rust}[lints.clippy]\ntodo = \"deny\"")), &[]);
        let what = "not the workspace's";
        for lints in [
            String::new(),
            rust.to_owned(),
            format!("{rust}[lints.clippy]\ntodo = \"warn\""),
            format!("{rust}[lints.clippy]\ntodo = \"deny\"").replacen("deny", "allow", 1),
        ] {
            assert_found(&of(&lints), &[("h/Cargo.toml", 1, what)]);
        }
    }
}
