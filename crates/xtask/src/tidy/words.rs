//! Words and file names that do not get in.

use super::Violation;
use crate::tree::{Tree, stem_of};

/// Words that are refused wherever they stand, with what to do instead.
const FORBIDDEN: &[(&str, &str)] = &[
    ("FIXME", "mend it now, or open an issue and name it"),
    ("dbg!(", "take it out"),
    ("todo!(", "write it"),
    ("unimplemented!(", "write it"),
    ("#[ignore", "mend the test or take it out"),
];

/// Names that say nothing about what a file holds.
const EMPTY_NAMES: &[&str] = &["common", "helpers", "misc", "types", "utils"];

/// The file that must spell the words.
const THIS_FILE: &str = "crates/xtask/src/tidy/words.rs";

/// Source and schema hold none of the words, and files are named after ideas.
pub(super) fn forbidden(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.texts(".rs").chain(tree.texts(".capnp")) {
        let module = path.strip_suffix("/mod.rs").unwrap_or(path);
        if path.ends_with(".rs") && EMPTY_NAMES.contains(&stem_of(module)) {
            let what = "the name says nothing, name the file after its idea";
            violations.push(Violation::new(path, 1, what));
        }
        if path == THIS_FILE {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            for (word, advice) in FORBIDDEN {
                if line.contains(word) {
                    violations.push(Violation::new(
                        path,
                        index + 1,
                        format!("`{word}` is refused, {advice}"),
                    ));
                }
            }
            if has_unnumbered_todo(line) {
                let what = "`TODO` without an issue is refused, write `TODO(#n)` or do it";
                violations.push(Violation::new(path, index + 1, what));
            }
        }
    }
    violations
}

fn has_unnumbered_todo(line: &str) -> bool {
    let is_part_of_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices("TODO").any(|(at, word)| {
        let after = &line[at + word.len()..];
        if line[..at].ends_with(is_part_of_word) || after.starts_with(is_part_of_word) {
            return false;
        }
        let number = after
            .strip_prefix("(#")
            .and_then(|rest| rest.split_once(')'));
        number.is_none_or(|(number, _)| number.parse::<u32>().is_err())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn each_forbidden_word_is_found() {
        let text = "// FIXME: later\ndbg!(x);\ntodo!();\nunimplemented!();\n#[ignore]\n#[ignore = \"slow\"]";
        let tree = Tree::of(&[
            ("a.rs", text),
            ("b.capnp", "\n# FIXME\n"),
            ("c.md", "FIXME"),
        ]);
        assert_found(
            &forbidden(&tree),
            &[
                ("a.rs", 1, "`FIXME`"),
                ("a.rs", 2, "`dbg!(`"),
                ("a.rs", 3, "`todo!(`"),
                ("a.rs", 4, "`unimplemented!(`"),
                ("a.rs", 5, "`#[ignore`"),
                ("a.rs", 6, "`#[ignore`"),
                ("b.capnp", 2, "`FIXME`"),
            ],
        );
    }

    #[test]
    fn a_todo_is_found_unless_it_names_an_issue() {
        let text = "// TODO: x\n// TODO(#12): y\n// TODO(me): z\n// TODO(#): w\n// TODO(#x): v\nconst TODO_LIST: u8 = 0;";
        let tree = Tree::of(&[("a.rs", text)]);
        let expected = [1, 3, 4, 5].map(|line| ("a.rs", line, "without an issue"));
        assert_found(&forbidden(&tree), &expected);
    }

    #[test]
    fn an_empty_file_name_is_found() {
        let tree = Tree::of(&[
            ("a/src/utils.rs", ""),
            ("a/src/ledger.rs", ""),
            ("a/tests/common/mod.rs", ""),
            ("a/src/types.rs", ""),
        ]);
        assert_found(
            &forbidden(&tree),
            &[
                ("a/src/types.rs", 1, "says nothing"),
                ("a/src/utils.rs", 1, "says nothing"),
                ("a/tests/common/mod.rs", 1, "says nothing"),
            ],
        );
    }
}
