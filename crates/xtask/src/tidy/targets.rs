//! That every source file is compiled by something: a test file that no runner takes in proves
//! nothing.

use std::collections::BTreeSet;

use super::Violation;
use super::manifest::{package_of, packages};
use crate::rust::{ModuleFile, Source};
use crate::tree::{Tree, folder_of, resolve, stem_of};

/// Each source file of a package is the root of a target or a module of one.
pub(super) fn reached(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    let mut reached = BTreeSet::new();
    for package in &packages {
        for root in package.roots(tree) {
            follow(tree, &root, true, &mut reached);
        }
    }
    for (path, _) in tree.texts(".rs") {
        let is_fixture = path.split('/').any(|part| part == "fixtures");
        if package_of(&packages, path).is_some() && !is_fixture && !reached.contains(path) {
            let what = "no target includes this file, declare it with `mod` or take it out";
            violations.push(Violation::new(path, 1, what));
        }
    }
    violations
}

/// Adds `path` and all its modules to `reached`. A root's modules lie beside it, another file's in
/// the folder of its name.
fn follow(tree: &Tree, path: &str, is_root: bool, reached: &mut BTreeSet<String>) {
    let Some(text) = tree.text(path).filter(|_| !reached.contains(path)) else {
        return;
    };
    reached.insert(path.to_owned());
    // A file that is no Rust is found by the checks of names.
    let Ok(source) = Source::parse(text) else {
        return;
    };
    let folder = if is_root || stem_of(path) == "mod" {
        folder_of(path).to_owned()
    } else {
        format!("{}/{}", folder_of(path), stem_of(path))
    };
    for module in source.module_files() {
        for file in candidates(&module, &folder, path) {
            follow(tree, &file, false, reached);
        }
    }
}

/// Where the file of a module may lie.
fn candidates(module: &ModuleFile, folder: &str, from: &str) -> Vec<String> {
    let within = format!("{folder}/{}", module.within.join("/"));
    if let Some(path) = &module.path {
        // Beside the file at its top level, else in the folder of the modules around it.
        let base = if module.within.is_empty() {
            folder_of(from)
        } else {
            within.as_str()
        };
        return resolve(base, path).into_iter().collect();
    }
    let names = [
        format!("{}.rs", module.name),
        format!("{}/mod.rs", module.name),
    ];
    names
        .iter()
        .filter_map(|name| resolve(&within, name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    #[test]
    fn a_test_file_that_no_runner_includes_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]"),
            ("a/Cargo.toml", "[package]\nname = \"a\""),
            ("a/src/lib.rs", "mod ledger;"),
            (
                "a/src/ledger.rs",
                "#[cfg(test)]\nmod tests;\nmod inner { mod deep; #[path = \"up.rs\"] mod high; }",
            ),
            ("a/src/ledger/tests.rs", ""),
            ("a/src/ledger/inner/deep.rs", ""),
            ("a/src/ledger/inner/up.rs", ""),
            ("a/src/lost.rs", ""),
            (
                "a/tests/one.rs",
                "mod part;\n#[path = \"shared/server.rs\"]\nmod server;",
            ),
            ("a/tests/part.rs", ""),
            ("a/tests/shared/server.rs", ""),
            ("a/tests/shared/lost.rs", ""),
            ("a/tests/fixtures/broken.rs", "fn"),
        ]);
        assert_found(
            &reached(&tree),
            &[
                ("a/src/lost.rs", 1, "no target includes"),
                ("a/tests/shared/lost.rs", 1, "no target includes"),
            ],
        );
    }

    #[test]
    fn in_a_package_of_tests_only_declared_and_found_targets_count() {
        let manifest =
            "[package]\nname = \"share-tests\"\n[[test]]\nname = \"crash\"\npath = \"crash.rs\"";
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"tests\"]"),
            ("tests/Cargo.toml", manifest),
            ("tests/crash.rs", "mod kill;"),
            ("tests/kill.rs", ""),
            ("tests/forgotten.rs", ""),
            ("tests/tests/pipes.rs", ""),
        ]);
        assert_found(
            &reached(&tree),
            &[("tests/forgotten.rs", 1, "no target includes")],
        );
    }
}
