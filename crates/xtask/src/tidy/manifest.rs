//! The packages of the workspace, as their manifests describe them.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::Violation;
use crate::tree::{Tree, stem_of};

/// One package of the workspace.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) name: String,
    /// Its folder, without a slash at its end.
    pub(super) folder: String,
    pub(super) manifest: Table,
    /// The packages that its library and binaries, and its build script, need.
    pub(super) dependencies: BTreeSet<String>,
    /// The packages that its tests need besides.
    pub(super) dev_dependencies: BTreeSet<String>,
}

impl Package {
    /// The path of its manifest.
    pub(super) fn manifest_path(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }

    /// `path` inside its folder.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.folder)
    }

    /// The targets of a kind (`bin`, `test`, `bench`, `example`) with their root files.
    pub(super) fn targets(&self, tree: &Tree, kind: &str) -> Vec<(String, String)> {
        let mut targets = Vec::new();
        let folder = match kind {
            "bin" => "src/bin",
            "test" => "tests",
            "bench" => "benches",
            _ => "examples",
        };
        for declared in self
            .manifest
            .get(kind)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let text = |key: &str| declared.get(key).and_then(Value::as_str);
            let name = text("name").unwrap_or_default().to_owned();
            let path = text("path").map_or_else(|| format!("{folder}/{name}.rs"), str::to_owned);
            targets.push((name, self.path(&path)));
        }
        if kind == "bin" && targets.is_empty() && tree.is_file(&self.path("src/main.rs")) {
            targets.push((self.name.clone(), self.path("src/main.rs")));
        }
        let prefix = format!("{}/", self.path(folder));
        for path in tree.paths() {
            let Some(inner) = path.strip_prefix(&prefix) else {
                continue;
            };
            let name = inner
                .strip_suffix("/main.rs")
                .or_else(|| inner.strip_suffix(".rs"));
            if let Some(name) = name.filter(|name| !name.contains('/')) {
                targets.push((name.to_owned(), path.to_owned()));
            }
        }
        targets
    }

    /// The files that cargo compiles by themselves.
    pub(super) fn roots(&self, tree: &Tree) -> BTreeSet<String> {
        let kinds = ["bin", "test", "bench", "example"];
        let targets = kinds.iter().flat_map(|kind| self.targets(tree, kind));
        let mut roots: BTreeSet<String> = targets.map(|(_, path)| path).collect();
        let lib = self
            .manifest
            .get("lib")
            .and_then(|lib| lib.get("path"))
            .and_then(Value::as_str);
        roots.insert(self.path(lib.unwrap_or("src/lib.rs")));
        roots.insert(self.path("build.rs"));
        roots.retain(|path| tree.is_file(path));
        roots
    }
}

/// Reads the manifest at `path`; one that is no TOML is a violation.
pub(super) fn table(tree: &Tree, path: &str) -> Result<Table, Violation> {
    let Some(text) = tree.text(path) else {
        return Err(Violation::new(path, 1, "the file is missing, restore it"));
    };
    text.parse()
        .map_err(|error| Violation::new(path, 1, format!("no TOML, mend it: {error}")))
}

/// The packages of the workspace, and what keeps a manifest from being read.
pub(super) fn packages(tree: &Tree) -> (Vec<Package>, Vec<Violation>) {
    let mut violations = Vec::new();
    let mut packages = Vec::new();
    for folder in member_folders(tree) {
        match package(tree, &folder) {
            Ok(package) => packages.push(package),
            Err(violation) => violations.push(violation),
        }
    }
    if packages.is_empty() {
        violations.push(Violation::new(
            "Cargo.toml",
            1,
            "the workspace has no members, name them",
        ));
    }
    (packages, violations)
}

fn member_folders(tree: &Tree) -> BTreeSet<String> {
    let root = table(tree, "Cargo.toml").unwrap_or_default();
    let workspace = root
        .get("workspace")
        .and_then(|workspace| workspace.get("members"));
    let mut folders = BTreeSet::new();
    for member in workspace.and_then(Value::as_array).into_iter().flatten() {
        let member = member.as_str().unwrap_or_default();
        let Some(parent) = member.strip_suffix("/*") else {
            folders.insert(member.to_owned());
            continue;
        };
        for path in tree.paths() {
            let Some(folder) = path.strip_suffix("/Cargo.toml") else {
                continue;
            };
            if folder
                .rsplit_once('/')
                .is_some_and(|(above, _)| above == parent)
            {
                folders.insert(folder.to_owned());
            }
        }
    }
    folders
}

fn package(tree: &Tree, folder: &str) -> Result<Package, Violation> {
    let path = format!("{folder}/Cargo.toml");
    let manifest = table(tree, &path)?;
    let name = manifest
        .get("package")
        .and_then(|package| package.get("name"));
    let Some(name) = name.and_then(Value::as_str).map(str::to_owned) else {
        return Err(Violation::new(
            &path,
            1,
            "the package has no name, give it one",
        ));
    };
    let mut dependencies = BTreeSet::new();
    let mut dev_dependencies = BTreeSet::new();
    let platforms = manifest.get("target").and_then(Value::as_table);
    let platforms = platforms
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    for table in platforms.chain([&manifest]) {
        dependencies.extend(named(table, "dependencies"));
        dependencies.extend(named(table, "build-dependencies"));
        dev_dependencies.extend(named(table, "dev-dependencies"));
    }
    Ok(Package {
        name,
        folder: folder.to_owned(),
        manifest,
        dependencies,
        dev_dependencies,
    })
}

/// The packages in one table of dependencies, by their own names when they are renamed.
fn named(table: &Table, section: &str) -> Vec<String> {
    let section = table.get(section).and_then(Value::as_table);
    let entries = section.into_iter().flat_map(Table::iter);
    let own = |value: &Value| {
        value
            .get("package")
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    entries
        .map(|(key, value)| own(value).unwrap_or_else(|| key.clone()))
        .collect()
}

/// The package that a path lies in.
pub(super) fn package_of<'a>(packages: &'a [Package], path: &str) -> Option<&'a Package> {
    packages.iter().find(|package| {
        path.strip_prefix(&package.folder)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Has the binary of the `share` command a file for this command? One file holds one command.
pub(super) fn command_file<'a>(tree: &'a Tree, command: &str) -> Option<&'a str> {
    let stem = command.replace('-', "_");
    let mut files = tree.texts(".rs").map(|(path, _)| path);
    files.find(|path| path.starts_with("crates/cli/src/") && stem_of(path) == stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_by_name_and_by_folder_with_all_their_dependencies() {
        let tree = Tree::of(&[
            (
                "Cargo.toml",
                "[workspace]\nmembers = [\"crates/*\", \"bench\"]",
            ),
            (
                "crates/a/Cargo.toml",
                "[package]\nname = \"a\"\n[dependencies]\nx.workspace = true\ny = { package = \"z\" }\n\
                 [build-dependencies]\nb = \"1\"\n[target.'cfg(unix)'.dependencies]\nu = \"1\"\n\
                 [dev-dependencies]\nd = \"1\"",
            ),
            (
                "crates/a/inner/Cargo.toml",
                "[package]\nname = \"no-member\"",
            ),
            ("bench/Cargo.toml", "[package]\nname = \"bench\""),
        ]);
        let (packages, violations) = packages(&tree);
        assert_eq!(violations, []);
        let names: Vec<&str> = packages
            .iter()
            .map(|package| package.name.as_str())
            .collect();
        assert_eq!(names, ["bench", "a"]);
        assert_eq!(
            packages[1].dependencies.iter().collect::<Vec<_>>(),
            ["b", "u", "x", "z"]
        );
        assert_eq!(
            packages[1].dev_dependencies.iter().collect::<Vec<_>>(),
            ["d"]
        );
    }

    #[test]
    fn a_manifest_that_cannot_be_read_is_a_violation() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\", \"b\"]"),
            ("a/Cargo.toml", "[package"),
        ]);
        let (_, violations) = packages(&tree);
        super::super::tests::assert_found(
            &violations,
            &[
                ("a/Cargo.toml", 1, "no TOML"),
                ("b/Cargo.toml", 1, "missing"),
                ("Cargo.toml", 1, "no members"),
            ],
        );
    }

    #[test]
    fn targets_are_those_that_cargo_finds() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]"),
            (
                "a/Cargo.toml",
                "[package]\nname = \"a\"\n[[bin]]\nname = \"share\"\npath = \"src/main.rs\"",
            ),
            ("a/src/main.rs", ""),
            ("a/src/bin/more.rs", ""),
            ("a/tests/one.rs", ""),
            ("a/tests/two/main.rs", ""),
            ("a/tests/two/part.rs", ""),
        ]);
        let (packages, _) = packages(&tree);
        let names = |kind: &str| {
            let targets = packages[0].targets(&tree, kind).into_iter();
            targets.map(|(name, _)| name).collect::<Vec<_>>()
        };
        assert_eq!(names("bin"), ["share", "more"]);
        assert_eq!(names("test"), ["one", "two"]);
    }
}
