//! That the commands in the documents can be run: each `cargo` line of a console block names
//! packages, targets, tests, tasks and `share` commands that exist.

use clap::Parser;

use super::Violation;
use super::manifest::{Package, command_file, packages};
use crate::Cli;
use crate::markdown::Markdown;
use crate::tree::Tree;

/// The documents whose commands a reader is meant to type.
const DOCUMENTS: &[&str] = &["README.md", "docs/HACKING.md"];

/// Languages of fenced blocks that hold commands.
const LANGUAGES: &[&str] = &["bash", "console", "sh"];

/// Subcommands of cargo that a reader has, or is told to install.
const SUBCOMMANDS: &[&str] = &[
    "bench", "build", "check", "clippy", "deny", "doc", "fmt", "fuzz", "install", "run", "test",
    "xtask",
];

/// Options of cargo that take a value.
const VALUED: &[&str] = &[
    "--bench",
    "--bin",
    "--example",
    "--exclude",
    "--features",
    "--jobs",
    "--package",
    "--profile",
    "--target",
    "--target-dir",
    "--test",
    "-F",
    "-j",
    "-p",
    "-s",
];

/// Every `cargo` command of the documents names what exists.
pub(super) fn existing(tree: &Tree) -> Vec<Violation> {
    let (packages, mut violations) = packages(tree);
    for path in DOCUMENTS {
        let Some(text) = tree.text(path) else {
            violations.push(Violation::new(path, 1, "the document is missing, write it"));
            continue;
        };
        let blocks = Markdown::parse(text).blocks;
        for block in blocks
            .iter()
            .filter(|block| LANGUAGES.contains(&block.language.as_str()))
        {
            for (index, line) in block.text.lines().enumerate() {
                let Some(command) = Command::parse(line) else {
                    continue;
                };
                for wrong in command.wrongs(tree, &packages) {
                    let what = format!("`{}`: {wrong}, correct the command", line.trim());
                    violations.push(Violation::new(path, block.line + index, what));
                }
            }
        }
    }
    violations
}

/// A `cargo` command line, in parts.
#[derive(Debug, Default)]
struct Command<'a> {
    subcommand: &'a str,
    /// Options that take a value, with it.
    options: Vec<(&'a str, &'a str)>,
    /// Words that belong to no option.
    free: Vec<&'a str>,
    /// All words before `--`, the subcommand left out.
    words: Vec<&'a str>,
    /// Words after `--`.
    after: Vec<&'a str>,
}

impl<'a> Command<'a> {
    /// The command of a line, if it is one of cargo; settings of the environment may stand before.
    fn parse(line: &'a str) -> Option<Command<'a>> {
        let line = line.trim().strip_prefix("$ ").unwrap_or(line.trim());
        let line = line.split(" #").next().unwrap_or(line);
        let line = line.split([';', '|', '>', '&']).next().unwrap_or(line);
        let mut words = line.split_whitespace().skip_while(|word| is_setting(word));
        if words.next() != Some("cargo") {
            return None;
        }
        let mut words = words.skip_while(|word| word.starts_with('+'));
        let mut command = Command {
            subcommand: words.next().unwrap_or_default(),
            ..Command::default()
        };
        command.words = words.by_ref().take_while(|word| *word != "--").collect();
        command.after = words.collect();
        let mut rest = command.words.iter();
        while let Some(word) = rest.next() {
            if VALUED.contains(word) {
                command.options.push((word, rest.next().unwrap_or(&"")));
            } else if let Some((option, value)) = word.split_once('=') {
                command.options.push((option, value));
            } else if !word.starts_with('-') {
                command.free.push(word);
            }
        }
        Some(command)
    }

    fn wrongs(&self, tree: &Tree, packages: &[Package]) -> Vec<String> {
        if !SUBCOMMANDS.contains(&self.subcommand) {
            return vec![format!("cargo has no `{}` here", self.subcommand)];
        }
        match self.subcommand {
            "xtask" => self.xtask_wrongs(),
            // Their packages are not ours.
            "deny" | "install" => Vec::new(),
            "fuzz" => self.fuzz_wrong(tree).into_iter().collect(),
            _ => {
                let mut wrongs = self.target_wrongs(tree, packages);
                wrongs.extend(self.run_wrong(tree));
                wrongs.extend(self.filter_wrong(tree, packages));
                wrongs
            }
        }
    }

    /// What is run, minimised and so on is a fuzz target.
    fn fuzz_wrong(&self, tree: &Tree) -> Option<String> {
        let target = self.free.get(1)?;
        let is_missing = !tree.is_file(&format!("fuzz/fuzz_targets/{target}.rs"));
        is_missing.then(|| format!("there is no fuzz target `{target}`"))
    }

    fn xtask_wrongs(&self) -> Vec<String> {
        let words = ["cargo xtask"]
            .into_iter()
            .chain(self.words.iter().copied());
        match Cli::try_parse_from(words) {
            Ok(_) => Vec::new(),
            Err(error) => vec![format!("cargo xtask does not take this ({})", error.kind())],
        }
    }

    /// The packages that `-p` chooses, or all.
    fn chosen<'p>(&self, packages: &'p [Package]) -> Vec<&'p Package> {
        let mut names = self.values(&["-p", "--package"]).peekable();
        if names.peek().is_none() {
            return packages.iter().collect();
        }
        let names: Vec<&str> = names.collect();
        packages
            .iter()
            .filter(|package| names.contains(&package.name.as_str()))
            .collect()
    }

    fn values(&self, options: &[&'static str]) -> impl Iterator<Item = &'a str> {
        let options = options.to_vec();
        let named = self
            .options
            .iter()
            .filter(move |(option, _)| options.contains(option));
        named.map(|(_, value)| *value)
    }

    fn target_wrongs(&self, tree: &Tree, packages: &[Package]) -> Vec<String> {
        let mut wrongs = Vec::new();
        for name in self.values(&["-p", "--package", "--exclude"]) {
            if packages.iter().all(|package| package.name != name) {
                wrongs.push(format!("there is no package `{name}`"));
            }
        }
        let kinds = [
            ("--bin", "bin"),
            ("--test", "test"),
            ("--bench", "bench"),
            ("--example", "example"),
        ];
        for (option, kind) in kinds {
            for name in self.values(&[option]) {
                let chosen = self.chosen(packages);
                let mut targets = chosen
                    .iter()
                    .flat_map(|package| package.targets(tree, kind));
                if !targets.any(|(target, _)| target == name) {
                    wrongs.push(format!("there is no {kind} `{name}`"));
                }
            }
        }
        wrongs
    }

    /// Without a package or binary, `cargo run -- WORD` runs the command `share WORD`.
    fn run_wrong(&self, tree: &Tree) -> Option<String> {
        let is_share = self
            .values(&["-p", "--package", "--bin", "--example"])
            .all(|name| name == "share" || name == "share-cli");
        let command = self.after.first().filter(|word| !word.starts_with('-'))?;
        let is_missing =
            is_share && self.subcommand == "run" && command_file(tree, command).is_none();
        is_missing.then(|| format!("there is no command `share {command}` in crates/cli/src"))
    }

    /// `cargo test NAME` runs nothing, and passes, when no test has the name.
    fn filter_wrong(&self, tree: &Tree, packages: &[Package]) -> Option<String> {
        let after = self
            .after
            .iter()
            .copied()
            .find(|word| !word.starts_with('-'));
        let filter = self.free.first().copied().or(after)?;
        let name = filter.rsplit("::").next().unwrap_or(filter);
        let chosen = self.chosen(packages);
        let is_named = tree.texts(".rs").any(|(path, text)| {
            let is_chosen = chosen
                .iter()
                .any(|package| path.starts_with(&package.path("")));
            is_chosen && text.contains(name)
        });
        (self.subcommand == "test" && !is_named).then(|| format!("there is no test `{filter}`"))
    }
}

fn is_setting(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::super::tests::assert_found;
    use super::*;

    fn tree_with(readme: &str) -> Tree {
        Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"crates/*\"]"),
            ("README.md", readme),
            ("docs/HACKING.md", ""),
            (
                "crates/cli/Cargo.toml",
                "[package]\nname = \"share-cli\"\n[[bin]]\nname = \"share\"\npath = \"src/main.rs\"",
            ),
            ("crates/cli/src/main.rs", "mod demo;"),
            ("crates/cli/src/demo.rs", ""),
            (
                "crates/model/Cargo.toml",
                "[package]\nname = \"share-model\"",
            ),
            (
                "crates/model/src/lib.rs",
                "#[test] fn a_gap_is_refused() {}",
            ),
            ("crates/model/tests/vectors.rs", ""),
            ("fuzz/fuzz_targets/frame.rs", ""),
        ])
    }

    #[test]
    fn commands_that_exist_pass() {
        let readme = "```console\n$ cargo test --workspace\n$ cargo run --release -- demo\n\
            $ SHARE_SEED=7 cargo test -p share-model --test vectors\n\
            $ cargo test -p share-model seqs::a_gap_is_refused -- --nocapture # one test\n\
            $ cargo xtask schema --check\n$ cargo run --bin share -- demo > out\ncargo is a word of the output\n\
            $ RUSTFLAGS=--cfg=x cargo fuzz run -s none frame -- -runs=1\n$ cargo fuzz build -s none\n```\n";
        let found = existing(&tree_with(readme));
        assert_found(&found, &[("README.md", 8, "cargo has no `is` here")]);
    }

    #[test]
    fn commands_that_name_what_does_not_exist_are_found() {
        let readme = "# Title\n\n```sh\ncargo test -p share-modl\ncargo test --test vector\n\
            cargo run --release -- dmo\ncargo xtask tidied\ncargo xtask schema --chek\n\
            cargo run --bin shar\ncargo test -p share-cli a_gap_is_refused\ncargo tst\n\
            cargo fuzz run -s none farme\n```\n\n\
            ```text\ncargo tst\n```\n";
        assert_found(
            &existing(&tree_with(readme)),
            &[
                ("README.md", 4, "no package `share-modl`"),
                ("README.md", 5, "no test `vector`"),
                ("README.md", 6, "no command `share dmo`"),
                ("README.md", 7, "cargo xtask does not take this"),
                ("README.md", 8, "cargo xtask does not take this"),
                ("README.md", 9, "no bin `shar`"),
                ("README.md", 10, "no test `a_gap_is_refused`"),
                ("README.md", 11, "no `tst` here"),
                ("README.md", 12, "no fuzz target `farme`"),
            ],
        );
    }

    #[test]
    fn a_missing_document_is_found() {
        let tree = Tree::of(&[
            ("Cargo.toml", "[workspace]\nmembers = [\"a\"]"),
            ("a/Cargo.toml", "[package]\nname = \"a\""),
            ("README.md", ""),
        ]);
        assert_found(
            &existing(&tree),
            &[("docs/HACKING.md", 1, "the document is missing")],
        );
    }
}
