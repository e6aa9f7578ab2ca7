//! That documents point at what exists: relative links, and paths in backticks.

use super::Violation;
use crate::markdown::Markdown;
use crate::tree::{Tree, folder_of, resolve};

/// Folders of the tree; text in backticks that begins with one is a path.
const FOLDERS: &[&str] = &[
    ".ci/",
    "bench/",
    "crates/",
    "docker/",
    "docs/",
    "fuzz/",
    "integrations/",
    "schema/",
    "tests/",
];

/// Characters of a placeholder or of code rather than of a path.
const NOT_IN_PATHS: &[char] = &['<', '>', '{', '}', '$', '…', '[', ']', '(', ')'];

/// Every relative link and every path in backticks of README.md and docs/ leads somewhere.
pub(super) fn existing(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.texts(".md").filter(|(path, _)| is_document(path)) {
        let markdown = Markdown::parse(text);
        for (line, link) in &markdown.links {
            if !is_link_good(tree, path, link) {
                let what = format!("the link `{link}` leads nowhere, correct it");
                violations.push(Violation::new(path, *line, what));
            }
        }
        for (line, code) in &markdown.codes {
            let Some(named) = named_path(code) else {
                continue;
            };
            if !matches_any(tree, named) {
                let what = format!("there is no `{named}`, correct it");
                violations.push(Violation::new(path, *line, what));
            }
        }
    }
    violations.sort();
    violations
}

fn is_document(path: &str) -> bool {
    path == "README.md" || path.starts_with("docs/")
}

fn is_link_good(tree: &Tree, from: &str, link: &str) -> bool {
    let is_elsewhere = link.contains("://") || link.starts_with("mailto:") || link.starts_with('#');
    let target = link.split('#').next().unwrap_or_default();
    is_elsewhere || resolve(folder_of(from), target).is_some_and(|target| tree.exists(&target))
}

/// The path that a code span names: its first word, without a line number or a name after `::`.
fn named_path(code: &str) -> Option<&str> {
    let word = code.split_whitespace().next()?;
    let path = word.split(':').next()?;
    let is_path = FOLDERS.iter().any(|folder| path.starts_with(folder));
    (is_path && !path.contains(NOT_IN_PATHS)).then_some(path)
}

/// Is there a file or folder at `path`, in which `*` stands for any characters but `/`?
fn matches_any(tree: &Tree, path: &str) -> bool {
    if !path.contains('*') {
        return tree.exists(path);
    }
    let path = path.trim_end_matches('/');
    let depth = path.split('/').count();
    tree.paths().any(|candidate| {
        let parts: Vec<&str> = candidate.split('/').collect();
        parts.len() >= depth
            && path
                .split('/')
                .zip(&parts)
                .all(|(pattern, part)| matches_part(pattern, part))
    })
}

fn matches_part(pattern: &str, part: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else {
        return pattern == part;
    };
    let Some(rest) = part.strip_prefix(before) else {
        return false;
    };
    (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches_part(after, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn links_and_paths_that_lead_nowhere_are_found() {
        let readme = "[a](docs/design.md#words) [b](docs/desin.md) [c](https://example.org/x)\n\n\
                      `crates/model/src/seq.rs:12` `crates/model/src/sec.rs` `crates/<name>/src`\n\n\
                      `schema/*.capnp` `schema/*.cap` `crates/*/src` `crates/*/tests`\n";
        let guide = "[up](../README.md) [out](../../x) [here](design.md) `tests/interop/run.py --share x`\n";
        let tree = Tree::of(&[
            ("README.md", readme),
            ("docs/design.md", ""),
            ("docs/guide.md", guide),
            ("notes.md", "[x](nowhere.md)"),
            ("crates/model/src/seq.rs", ""),
            ("schema/ops.capnp", ""),
        ]);
        assert_found(
            &existing(&tree),
            &[
                ("README.md", 1, "the link `docs/desin.md`"),
                ("README.md", 3, "no `crates/model/src/sec.rs`"),
                ("README.md", 5, "no `crates/*/tests`"),
                ("README.md", 5, "no `schema/*.cap`"),
                ("docs/guide.md", 1, "the link `../../x`"),
                ("docs/guide.md", 1, "no `tests/interop/run.py`"),
            ],
        );
    }
}
