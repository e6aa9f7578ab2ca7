//! Which package may name which.

use std::collections::BTreeSet;

use super::Violation;
use super::manifest::{Package, packages};
use crate::tree::Tree;

/// The packages of ours that each package may name; a package that is not here is refused.
const ARROWS: &[(&str, &[&str])] = &[
    ("share-model", &[]),
    ("share-engine", &["share-model"]),
    ("share-proto", &["share-model"]),
    ("share-network", &["share-model"]),
    ("share-opencode", &["share-model"]),
    ("share-web", &["share-model", "share-opencode"]),
    (
        "share-server",
        &[
            "share-model",
            "share-engine",
            "share-proto",
            "share-network",
            "share-opencode",
            "share-web",
        ],
    ),
    (
        "share-client",
        &["share-model", "share-proto", "share-network"],
    ),
    (
        "share-cli",
        &[
            "share-model",
            "share-client",
            "share-server",
            "share-opencode",
            "share-web",
            "share-faults",
        ],
    ),
    (
        "share-harness",
        &[
            "share-model",
            "share-proto",
            "share-client",
            "share-server",
            "share-opencode",
            "share-faults",
        ],
    ),
    ("share-faults", &[]),
    ("share-hostile", &["share-model", "share-proto"]),
    ("share-xtask", &[]),
];

/// The packages that may name any other.
const UNBOUND: &[&str] = &["share-tests", "share-bench"];

/// What the engine must not know: it does no I/O, awaits nothing and never sees wire or database.
const FOREIGN_TO_ENGINE: &[&str] = &["capnp", "capnp-rpc", "rusqlite", "tokio", "tokio-util"];

/// Every arrow from a package to one of ours is in the table.
pub(super) fn allowed(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    let ours: BTreeSet<&str> = packages
        .iter()
        .map(|package| package.name.as_str())
        .collect();
    for package in &packages {
        let (path, name) = (package.manifest_path(), package.name.as_str());
        if UNBOUND.contains(&name) {
            continue;
        }
        let Some((_, may)) = ARROWS.iter().find(|(from, _)| *from == name) else {
            let what =
                format!("no arrows are laid down for `{name}`, add it to the table in arrows.rs");
            violations.push(Violation::new(&path, 1, what));
            continue;
        };
        for to in package
            .dependencies
            .iter()
            .filter(|to| ours.contains(to.as_str()))
        {
            if !may.contains(&to.as_str()) {
                let what = format!(
                    "`{name}` must not depend on `{to}`, move what it needs to where both may see it"
                );
                violations.push(Violation::new(&path, tree.line_of(&path, to), what));
            }
        }
        for to in package
            .dev_dependencies
            .iter()
            .filter(|to| *to == "share-harness")
        {
            let what = format!("only `tests` and `bench` see `{to}`, move the test there");
            violations.push(Violation::new(&path, tree.line_of(&path, to), what));
        }
    }
    violations
}

/// No package reaches itself, tests' dependencies counted.
pub(super) fn acyclic(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    for package in &packages {
        let arrows = package.dependencies.union(&package.dev_dependencies);
        for to in arrows.filter(|to| reaches(&packages, to, &package.name)) {
            let path = package.manifest_path();
            let what = format!(
                "`{to}` depends on `{}` in turn, move the test that needs it to `tests`",
                package.name
            );
            violations.push(Violation::new(&path, tree.line_of(&path, to), what));
        }
    }
    violations
}

fn reaches(packages: &[Package], from: &str, to: &str) -> bool {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(name) = next.pop() {
        if name == to {
            return true;
        }
        let package = packages.iter().find(|package| package.name == name);
        if let Some(package) = package.filter(|_| seen.insert(name)) {
            let arrows = package.dependencies.union(&package.dev_dependencies);
            next.extend(arrows.map(String::as_str));
        }
    }
    false
}

/// The engine depends on no runtime, no wire and no database, not even in its tests.
pub(super) fn engine_is_pure(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    for package in packages
        .iter()
        .filter(|package| package.name == "share-engine")
    {
        let arrows = package.dependencies.union(&package.dev_dependencies);
        for to in arrows.filter(|to| FOREIGN_TO_ENGINE.contains(&to.as_str())) {
            let path = package.manifest_path();
            let what = format!("the engine must not know `{to}`, keep it in the server");
            violations.push(Violation::new(&path, tree.line_of(&path, to), what));
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    const WORKSPACE: (&str, &str) = ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]");
    const MODEL: (&str, &str) = (
        "crates/model/Cargo.toml",
        "[package]\nname = \"share-model\"",
    );

    #[test]
    fn an_arrow_outside_the_table_is_found() {
        let server =
            "[package]\nname = \"share-server\"\n[dependencies]\nshare-model.workspace = true";
        let client = "[package]\nname = \"share-client\"\n[dependencies]\nserde = \"1\"\nshare-server.workspace = true";
        let tests =
            "[package]\nname = \"share-tests\"\n[dependencies]\nshare-server.workspace = true";
        let tree = Tree::of(&[
            WORKSPACE,
            MODEL,
            ("crates/server/Cargo.toml", server),
            ("crates/client/Cargo.toml", client),
            ("crates/tests/Cargo.toml", tests),
        ]);
        assert_found(
            &allowed(&tree),
            &[(
                "crates/client/Cargo.toml",
                5,
                "`share-client` must not depend on `share-server`",
            )],
        );
    }

    #[test]
    fn a_package_without_arrows_and_a_test_that_sees_the_harness_are_found() {
        let harness = "[package]\nname = \"share-harness\"";
        let engine = "[package]\nname = \"share-engine\"\n[dev-dependencies]\nshare-harness.workspace = true";
        let tree = Tree::of(&[
            WORKSPACE,
            ("crates/engine/Cargo.toml", engine),
            ("crates/harness/Cargo.toml", harness),
            ("crates/new/Cargo.toml", "[package]\nname = \"share-new\""),
        ]);
        assert_found(
            &allowed(&tree),
            &[
                ("crates/engine/Cargo.toml", 4, "only `tests` and `bench`"),
                (
                    "crates/new/Cargo.toml",
                    1,
                    "no arrows are laid down for `share-new`",
                ),
            ],
        );
    }

    #[test]
    fn a_cycle_by_a_dev_dependency_is_found_from_both_ends() {
        let model =
            "[package]\nname = \"share-model\"\n[dev-dependencies]\nshare-engine.workspace = true";
        let engine =
            "[package]\nname = \"share-engine\"\n[dependencies]\nshare-model.workspace = true";
        let tree = Tree::of(&[
            WORKSPACE,
            ("crates/engine/Cargo.toml", engine),
            ("crates/model/Cargo.toml", model),
        ]);
        assert_found(
            &acyclic(&tree),
            &[
                (
                    "crates/engine/Cargo.toml",
                    4,
                    "`share-model` depends on `share-engine`",
                ),
                (
                    "crates/model/Cargo.toml",
                    4,
                    "`share-engine` depends on `share-model`",
                ),
            ],
        );
    }

    #[test]
    fn an_engine_that_knows_a_runtime_is_found() {
        let engine = "[package]\nname = \"share-engine\"\n[dependencies]\nserde = \"1\"\n[dev-dependencies]\ntokio = \"1\"";
        let tree = Tree::of(&[WORKSPACE, MODEL, ("crates/engine/Cargo.toml", engine)]);
        assert_found(
            &engine_is_pure(&tree),
            &[("crates/engine/Cargo.toml", 6, "must not know `tokio`")],
        );
    }
}
