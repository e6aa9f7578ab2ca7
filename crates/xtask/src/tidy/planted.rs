//! Where planted bugs may stand, that each is listed, and that nothing that ships turns them on.

use std::collections::BTreeSet;

use super::Violation;
use super::borders::is_test_file;
use crate::rust::{Source, Word};
use crate::tree::Tree;

/// The list of the bugs that the harness goes through.
const LIST: &str = "crates/harness/src/bugs/list.rs";

/// What `planted!` is made in, and who alone turns it on.
const MODEL: &str = "crates/model/src/planted.rs";
const HARNESS: &str = "crates/harness/Cargo.toml";

/// Beginnings of paths of the crates whose rules can be broken.
const RULES: &[&str] = &[
    "crates/client/src/",
    "crates/engine/src/",
    "crates/model/src/",
    "crates/network/src/",
    "crates/proto/src/",
    "crates/server/src/",
];

/// Every bug that is planted is in the list, and every one in the list is planted, where a rule
/// lives and in no test.
pub(super) fn listed(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    let list = names_of(tree);
    let listed: BTreeSet<&str> = list.iter().map(|(name, _)| name.as_str()).collect();
    let mut planted = BTreeSet::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| *path != MODEL) {
        for (name, word) in planted_in(text) {
            if word.is_test || is_test_file(path) || !RULES.iter().any(|it| path.starts_with(it)) {
                let what = "a bug is planted only where a rule lives, in no test and no tool";
                violations.push(Violation::new(path, word.line, what));
            }
            if !listed.contains(name.as_str()) {
                let what = format!("the planted bug `{name}` is not listed, add it to {LIST}");
                violations.push(Violation::new(path, word.line, what));
            }
            planted.insert(name);
        }
    }
    for (name, line) in list {
        if !planted.contains(&name) {
            let what = format!("`{name}` is planted nowhere, plant it or take it out");
            violations.push(Violation::new(LIST, line, what));
        }
    }
    violations
}

/// No manifest but the harness's turns the feature on.
pub(super) fn off(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree
        .texts("Cargo.toml")
        .filter(|(path, _)| *path != HARNESS)
    {
        for (line, content) in (1..).zip(text.lines()) {
            let is_definition = path == "crates/model/Cargo.toml" && content == "planted = []";
            let content = content.split('#').next().unwrap_or_default();
            if content.contains("planted") && !is_definition {
                let what = "only the harness turns planted bugs on, take this out";
                violations.push(Violation::new(path, line, what));
            }
        }
    }
    violations
}

/// The names of the list, with their lines: each is followed by what it means.
fn names_of(tree: &Tree) -> Vec<(String, usize)> {
    let source = tree.text(LIST).and_then(|text| Source::parse(text).ok());
    let words = source.map(|source| source.words()).unwrap_or_default();
    let literals = words.into_iter().filter(|word| word.is_literal);
    literals
        .step_by(2)
        .map(|word| (unquoted(&word), word.line))
        .collect()
}

/// The bugs that are planted in a source file. One that is no Rust is found by the checks of names.
fn planted_in(text: &str) -> Vec<(String, Word)> {
    if !text.contains("planted!") {
        return Vec::new();
    }
    let words = Source::parse(text).map_or_else(|_| Vec::new(), |source| source.words());
    let pairs = words.iter().zip(words.iter().skip(1));
    pairs
        .filter(|(word, name)| !word.is_literal && word.text == "planted" && name.is_literal)
        .map(|(_, name)| (unquoted(name), name.clone()))
        .collect()
}

fn unquoted(word: &Word) -> String {
    word.text.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    const ENGINE: &str = "crates/engine/src/a.rs";

    #[test]
    fn a_bug_without_its_list_and_a_list_without_its_bug_are_found() {
        let list =
            "pub const PLANTED: &[(&str, &str)] = &[\n(\"a-b\", \"x y\"),\n(\"c-d\", \"z\")];";
        let rules = "use share_model::planted;\n\nfn f() { if planted!(\"a-b\") {} }\n\
                     fn g() -> bool { share_model::planted!(\"e-f\") }\n\
                     #[cfg(feature = \"planted\")] mod x {}";
        let tree = Tree::of(&[(LIST, list), (ENGINE, rules)]);
        assert_found(
            &listed(&tree),
            &[
                (ENGINE, 4, "`e-f` is not listed"),
                (LIST, 3, "`c-d` is planted nowhere"),
            ],
        );
    }

    #[test]
    fn a_bug_in_a_test_or_a_tool_is_found() {
        let list = "const A: &[(&str, &str)] = &[(\"a\", \"x\")];";
        let planting = "fn f() { planted!(\"a\"); }";
        let in_test =
            "fn f() { planted!(\"a\"); }\n#[cfg(test)]\nmod tests { fn g() { planted!(\"a\"); } }";
        let tree = Tree::of(&[
            (LIST, list),
            (MODEL, "fn f() { planted!(\"none\"); }"),
            ("crates/cli/src/main.rs", planting),
            (ENGINE, in_test),
            ("crates/engine/tests/t.rs", planting),
        ]);
        let what = "only where a rule lives";
        assert_found(
            &listed(&tree),
            &[
                ("crates/cli/src/main.rs", 1, what),
                (ENGINE, 3, what),
                ("crates/engine/tests/t.rs", 1, what),
            ],
        );
    }

    #[test]
    fn who_else_turns_planted_bugs_on_is_found() {
        let on = "[features]\nplanted = [\"share-model/planted\"]\n";
        let tree = Tree::of(&[
            (HARNESS, on),
            (
                "crates/model/Cargo.toml",
                "[features]\n# planted\nplanted = []\n",
            ),
            ("crates/server/Cargo.toml", on),
        ]);
        let path = "crates/server/Cargo.toml";
        assert_found(&off(&tree), &[(path, 2, "only the harness")]);
    }
}
