//! Names that may stand only in some files: the server, generated types, SQL.

use super::Violation;
use crate::rust::{Source, Word};
use crate::tree::{Tree, stem_of};

/// Beginnings of paths where generated types are turned into model values, and back.
const DOORS: &[&str] = &[
    "crates/proto/",
    "crates/server/src/rpc",
    "crates/client/src/connection",
    "crates/network/",
    "crates/hostile/",
    "bench/",
    "tests/",
];

/// Beginnings of paths that own tables.
const TABLES: &[&str] = &[
    "crates/server/src/store",
    "crates/client/src/outbox",
    "crates/client/src/registry",
    "crates/client/src/sqlite_file",
    // The table that PostgreSQL is given where it is measured beside ours.
    "bench/src/lane/postgres.rs",
];

/// How SQL statements begin, in the way that this project writes them.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE ",
    "BEGIN IMMEDIATE",
    "CREATE INDEX ",
    "CREATE TABLE ",
    "CREATE UNIQUE ",
    "DELETE FROM ",
    "DROP TABLE ",
    "INSERT INTO ",
    "INSERT OR ",
    "PRAGMA ",
    "SELECT ",
];

/// The words of all source files that `is_looked_at` lets in; a file that cannot be lexed is a
/// violation of its own.
fn words_in(
    tree: &Tree,
    is_looked_at: impl Fn(&str) -> bool,
    rule: impl Fn(&Word) -> Option<String>,
) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.texts(".rs").filter(|(path, _)| is_looked_at(path)) {
        match Source::parse(text) {
            Ok(source) => {
                for word in source.words() {
                    if let Some(what) = rule(&word) {
                        violations.push(Violation::new(path, word.line, what));
                    }
                }
            }
            Err(error) => violations.push(Violation::new(
                path,
                1,
                format!("no Rust, mend it: {error}"),
            )),
        }
    }
    violations
}

fn begins_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}

/// Is it a crate's own test, in its `tests` folder or in a module file `tests.rs`?
pub(super) fn is_test_file(path: &str) -> bool {
    path.contains("/tests/") || path.starts_with("tests/") || stem_of(path) == "tests"
}

/// In the command line's crate only the files of `serve` and `restore` name the server.
pub(super) fn server_in_cli(tree: &Tree) -> Vec<Violation> {
    let is_of = |path: &str, command: &str| {
        stem_of(path) == command || path.contains(&format!("/{command}/"))
    };
    let may_name = |path: &str| is_of(path, "serve") || is_of(path, "restore");
    words_in(
        tree,
        |path| path.starts_with("crates/cli/src/") && !may_name(path),
        |word| {
            let what =
                "only the `serve` and `restore` commands name the server, move this to their files";
            (!word.is_literal && word.text == "share_server").then(|| what.to_owned())
        },
    )
}

/// Generated types end at the door.
pub(super) fn generated_types(tree: &Tree) -> Vec<Violation> {
    words_in(
        tree,
        |path| !begins_with_any(path, DOORS) && !is_test_file(path),
        |word| {
            (!word.is_literal && word.text.ends_with("_capnp")).then(|| {
                format!("`{}` is generated, convert it to a model value in proto, server::rpc or client::connection", word.text)
            })
        },
    )
}

/// SQL stands beside the tables that it is about.
pub(super) fn sql(tree: &Tree) -> Vec<Violation> {
    words_in(
        tree,
        // The statements' beginnings stand in this file.
        |path| {
            !begins_with_any(path, TABLES)
                && !is_test_file(path)
                && path != "crates/xtask/src/tidy/borders.rs"
        },
        |word| {
            let text = word.text.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_update = text.contains("UPDATE ") && text.contains(" SET ");
            let is_sql = is_update || STATEMENTS.iter().any(|statement| text.contains(statement));
            let what = "SQL stands only in server/src/store, client/src/outbox and \
                        client/src/registry, move it there";
            (word.is_literal && !word.is_test && is_sql).then(|| what.to_owned())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn the_server_named_outside_serve_and_restore_is_found() {
        let named =
            "use clap::Args;\n// share_server is fine in a comment\nuse share_server::Server;";
        let tree = Tree::of(&[
            ("crates/cli/src/demo.rs", named),
            ("crates/cli/src/commands/serve.rs", named),
            ("crates/cli/src/commands/restore.rs", named),
            ("crates/server/src/lib.rs", named),
        ]);
        assert_found(
            &server_in_cli(&tree),
            &[("crates/cli/src/demo.rs", 3, "only the `serve`")],
        );
    }

    #[test]
    fn a_generated_type_behind_the_door_is_found() {
        let named = "use share_proto::share_capnp::appender;";
        let tree = Tree::of(&[
            ("crates/engine/src/ledger.rs", named),
            ("crates/server/src/rpc/appender.rs", named),
            (
                "crates/server/src/shares.rs",
                "\n\nfn f(r: share_capnp::op::Reader<'_>) {}",
            ),
            ("crates/client/src/connection.rs", named),
            ("crates/client/tests/raw.rs", named),
        ]);
        assert_found(
            &generated_types(&tree),
            &[
                (
                    "crates/engine/src/ledger.rs",
                    1,
                    "`share_capnp` is generated",
                ),
                (
                    "crates/server/src/shares.rs",
                    3,
                    "`share_capnp` is generated",
                ),
            ],
        );
    }

    #[test]
    fn sql_outside_store_and_outbox_is_found_also_in_macros_and_over_lines() {
        let text = "/// SELECT in a comment.\nfn f() { run(concat!(\"x\", \"SELECT a FROM b\")); }\n\
                    fn g() { run(\"UPDATE a\n SET b = 1\"); }\n\
                    #[cfg(test)]\nmod tests { const S: &str = \"DROP TABLE a\"; }";
        let tree = Tree::of(&[
            ("crates/server/src/shares.rs", text),
            ("crates/server/src/store/log.rs", text),
            ("crates/client/src/outbox.rs", text),
            ("crates/client/src/registry/table.rs", text),
            ("crates/client/src/sqlite_file.rs", text),
            ("crates/client/tests/state.rs", text),
        ]);
        let path = "crates/server/src/shares.rs";
        assert_found(
            &sql(&tree),
            &[(path, 2, "SQL stands only"), (path, 3, "SQL stands only")],
        );
    }

    #[test]
    fn a_file_that_is_no_rust_is_found() {
        let tree = Tree::of(&[("crates/engine/src/lib.rs", "fn f( {")]);
        assert_found(&sql(&tree), &[("crates/engine/src/lib.rs", 1, "no Rust")]);
    }
}
