//! The files of the checkout, read once: what every check looks at.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind};
use std::path::Path;

/// Folders that hold no source: build output, version control, tools' state.
const SKIPPED: &[&str] = &[
    ".git",
    ".opencode",
    ".venv",
    "__pycache__",
    "node_modules",
    "target",
];

/// All files below a root, by their path relative to it, with `/` between the parts.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

impl Tree {
    /// Reads the tree below `root`; links and [`SKIPPED`] folders are left out.
    pub(crate) fn read(root: &Path) -> Result<Tree, Error> {
        let mut tree = Tree::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), Error> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{prefix}{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                if !SKIPPED.contains(&name.as_str()) && !name.starts_with("target-") {
                    self.read_folder(&entry.path(), &format!("{path}/"))?;
                }
            } else if kind.is_file() {
                match std::fs::read(entry.path()) {
                    Ok(bytes) => {
                        self.files.insert(path, bytes);
                    }
                    // An editor's temporary file that went away since the folder was listed.
                    Err(error) if error.kind() == ErrorKind::NotFound => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(())
    }

    /// A tree of the given files, for tests of checks.
    #[cfg(test)]
    pub(crate) fn of(files: &[(&str, &str)]) -> Tree {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Tree {
            files: files.collect(),
        }
    }

    /// All paths, sorted.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The files whose name ends with `suffix`, with their text; files that are not UTF-8 have none.
    pub(crate) fn texts(&self, suffix: &'static str) -> impl Iterator<Item = (&str, &str)> {
        let texts = self
            .files
            .iter()
            .filter(move |(path, _)| path.ends_with(suffix));
        texts.filter_map(|(path, bytes)| Some((path.as_str(), std::str::from_utf8(bytes).ok()?)))
    }

    /// The content of one file.
    pub(crate) fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// The text of one file; `None` when it is absent or not UTF-8.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(path)?).ok()
    }

    /// Is there a file at `path`?
    pub(crate) fn is_file(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// Is there a file or a folder with files at `path`?
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        path.is_empty() || path == "." || self.is_file(path) || {
            self.files
                .range(folder.clone()..)
                .next()
                .is_some_and(|(at, _)| at.starts_with(&folder))
        }
    }

    /// The line, counted from 1, on which `needle` first stands in `path`; 1 when it stands nowhere.
    pub(crate) fn line_of(&self, path: &str, needle: &str) -> usize {
        let text = self.text(path).unwrap_or_default();
        text.lines()
            .position(|line| line.contains(needle))
            .map_or(1, |index| index + 1)
    }
}

/// Joins a path onto a folder and resolves `.` and `..`; `None` when it leads out of the tree.
pub(crate) fn resolve(folder: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The folder that a path lies in, without a slash at its end; empty at the root.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// The name of a file without its folder and without its extension.
pub(crate) fn stem_of(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.split_once('.').map_or(name, |(stem, _)| stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_resolved_and_may_not_leave_the_tree() {
        assert_eq!(
            resolve("docs", "../crates/./model"),
            Some("crates/model".to_owned())
        );
        assert_eq!(resolve("", "a/b/../c"), Some("a/c".to_owned()));
        assert_eq!(resolve("docs", "../../etc"), None);
    }

    #[test]
    fn a_folder_exists_when_a_file_lies_in_it_and_not_by_a_common_beginning() {
        let tree = Tree::of(&[("crates/model/src/lib.rs", "")]);
        assert!(tree.exists("crates/model"));
        assert!(tree.exists("crates/model/"));
        assert!(tree.exists("crates/model/src/lib.rs"));
        assert!(!tree.exists("crates/mod"));
        assert!(!tree.exists("crates/model/src/lib"));
    }

    #[test]
    fn a_tree_on_disk_is_read_without_build_output() {
        let folder = tempfile::tempdir().expect("make a temporary folder");
        for (path, text) in [
            ("a/b.rs", "b"),
            ("target/x.rs", "x"),
            ("target-2/y.rs", "y"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().expect("has a parent")).expect("make a folder");
            std::fs::write(path, text).expect("write a file");
        }
        let tree = Tree::read(folder.path()).expect("read the tree");
        assert_eq!(tree.paths().collect::<Vec<_>>(), ["a/b.rs"]);
        assert_eq!(tree.text("a/b.rs"), Some("b"));
    }
}
