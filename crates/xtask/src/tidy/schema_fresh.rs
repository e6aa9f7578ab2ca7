//! That the committed request was made from the committed schema, told without a compiler.

use super::Violation;
use crate::schema::{RECORD, REQUEST, record, sources};
use crate::tree::Tree;

/// The record names the hash of every source and of the request as they are now.
pub(super) fn fresh(tree: &Tree) -> Vec<Violation> {
    let advice = "run cargo xtask schema";
    let mut violations = Vec::new();
    if sources(tree).is_empty() {
        let what = "schema/*.capnp is missing: write it, then run cargo xtask schema";
        violations.push(Violation::new("schema", 1, what));
    }
    let Some(request) = tree.bytes(REQUEST) else {
        violations.push(Violation::new(
            REQUEST,
            1,
            format!("{REQUEST} is missing: {advice}"),
        ));
        return violations;
    };
    let Some(committed) = tree.text(RECORD) else {
        violations.push(Violation::new(
            RECORD,
            1,
            format!("{RECORD} is missing: {advice}"),
        ));
        return violations;
    };
    let expected = record(tree, request);
    let mut lines = committed.lines();
    for (index, expected) in expected.lines().enumerate() {
        if lines.next() != Some(expected) {
            let name = expected.split_whitespace().last().unwrap_or_default();
            let what =
                format!("schema/{name} is not as it was when the request was made: {advice}");
            violations.push(Violation::new(RECORD, index + 1, what));
            return violations;
        }
    }
    if let Some(rest) = lines.next() {
        let what = format!("`{rest}` stands for no file: {advice}");
        violations.push(Violation::new(RECORD, expected.lines().count() + 1, what));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    // The hash is what `printf 'struct A {}' | sha256sum` prints.
    const A: &str = "ee089622254ae25470e248aadc6a50f69a6c22975b4086fc4884cfddc118750d  a.capnp";

    fn hash_line(text: &str, name: &str) -> String {
        format!("{}  {name}\n", crate::schema::hash(text.as_bytes()))
    }

    #[test]
    fn a_missing_schema_and_request_are_told_with_the_way_to_make_them() {
        assert_found(
            &fresh(&Tree::of(&[])),
            &[
                ("schema", 1, "schema/*.capnp is missing"),
                (
                    REQUEST,
                    1,
                    "schema/share.cgr is missing: run cargo xtask schema",
                ),
            ],
        );
    }

    #[test]
    fn a_source_that_changed_is_found_by_its_hash() {
        let lines = hash_line("struct A {}", "a.capnp") + &hash_line("request", "share.cgr");
        let is = |a: &str, request: &str, record: &str| {
            let files = [("schema/a.capnp", a), (REQUEST, request), (RECORD, record)];
            fresh(&Tree::of(&files))
        };
        assert_found(&is("struct A {}", "request", &lines), &[]);
        assert_found(
            &is("struct B {}", "request", &lines),
            &[(RECORD, 1, "schema/a.capnp is not")],
        );
        assert_found(
            &is("struct A {}", "reques", &lines),
            &[(RECORD, 2, "schema/share.cgr is not")],
        );
        let more = lines + &hash_line("", "gone.capnp");
        assert_found(
            &is("struct A {}", "request", &more),
            &[(RECORD, 3, "stands for no file")],
        );
        let files = [("schema/a.capnp", "struct A {}"), (REQUEST, "request")];
        assert_found(&fresh(&Tree::of(&files)), &[(RECORD, 1, "is missing")]);
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(hash_line("struct A {}", "a.capnp").trim_end(), A);
    }
}
