//! How long a file may be. Functions are clippy's to count.

use super::Violation;
use crate::tree::Tree;

/// Lines of the longest file that is allowed.
const LINES_MAX: usize = 700;

/// Each source file has at most [`LINES_MAX`] lines; generated ones and fixtures do not count.
pub(super) fn files(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.texts(".rs") {
        let lines = text.lines().count();
        let is_exempt = path
            .split('/')
            .any(|part| part == "generated" || part == "fixtures");
        if lines > LINES_MAX && !is_exempt {
            let what = format!("{lines} lines where {LINES_MAX} are allowed, split it by idea");
            violations.push(Violation::new(path, LINES_MAX + 1, what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn a_file_of_701_lines_is_found_and_one_of_700_is_not() {
        let (fits, long) = ("\n".repeat(700), "\n".repeat(701));
        let tree = Tree::of(&[
            ("a/src/fits.rs", fits.as_str()),
            ("a/src/long.rs", long.as_str()),
            ("a/tests/fixtures/long.rs", long.as_str()),
        ]);
        assert_found(
            &files(&tree),
            &[("a/src/long.rs", 701, "701 lines where 700 are allowed")],
        );
    }
}
