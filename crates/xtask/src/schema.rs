//! The committed request from which the build makes Rust of the schema, and the record that tells
//! without a compiler whether the two belong together.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use ring::digest::{SHA256, digest};

use crate::tree::Tree;

/// The compiler's output for all sources: a `CodeGeneratorRequest`.
pub(crate) const REQUEST: &str = "schema/share.cgr";

/// The hashes of the sources and of the request, one `<sha256>  <file name>` per line.
pub(crate) const RECORD: &str = "schema/share.cgr.sources";

/// Why the request could not be made, or is not what it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SchemaError {
    #[error("schema/*.capnp is missing: write it first")]
    NoSources,
    #[error("run `capnp`: {0} (on Debian: apt-get install capnproto libcapnp-dev)")]
    Start(#[source] std::io::Error),
    #[error("`capnp compile` refused the schema ({status}):\n{messages}")]
    Compile {
        status: std::process::ExitStatus,
        messages: String,
    },
    #[error("write {path}: {source}")]
    Write {
        path: &'static str,
        source: std::io::Error,
    },
    #[error(
        "{path} is not what {compiler} makes of schema/*.capnp: run cargo xtask schema and commit it"
    )]
    Stale {
        path: &'static str,
        compiler: String,
    },
}

/// The schema's source files, sorted by name.
pub(crate) fn sources(tree: &Tree) -> Vec<&str> {
    let names = tree.paths().filter(|path| {
        let name = path.strip_prefix("schema/").unwrap_or_default();
        name.ends_with(".capnp") && !name.contains('/')
    });
    names.collect()
}

/// SHA-256 in hexadecimal.
pub(crate) fn hash(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        write!(text, "{byte:02x}").expect("a string takes all that is written to it");
    }
    text
}

/// The record for the sources of this tree and the given request, sorted by file name.
pub(crate) fn record(tree: &Tree, request: &[u8]) -> String {
    let mut files: Vec<(&str, &[u8])> = Vec::new();
    for path in sources(tree) {
        files.push((path, tree.bytes(path).unwrap_or_default()));
    }
    files.push((REQUEST, request));
    files.sort_unstable();
    let mut text = String::new();
    for (path, bytes) in files {
        let name = path.trim_start_matches("schema/");
        writeln!(text, "{}  {name}", hash(bytes))
            .expect("a string takes all that is written to it");
    }
    text
}

/// What the system's compiler makes of the sources.
fn compile(tree: &Tree, root: &Path) -> Result<Vec<u8>, SchemaError> {
    let sources = sources(tree);
    if sources.is_empty() {
        return Err(SchemaError::NoSources);
    }
    let mut command = Command::new("capnp");
    command
        .current_dir(root)
        .args(["compile", "-o-", "--src-prefix=schema"])
        .args(sources);
    let output = command.output().map_err(SchemaError::Start)?;
    if !output.status.success() {
        let messages = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(SchemaError::Compile {
            status: output.status,
            messages,
        });
    }
    Ok(output.stdout)
}

/// Writes the request and its record.
pub(crate) fn regenerate(tree: &Tree, root: &Path) -> Result<(), SchemaError> {
    let request = compile(tree, root)?;
    let record = record(tree, &request);
    for (path, bytes) in [(REQUEST, request.as_slice()), (RECORD, record.as_bytes())] {
        let written = std::fs::write(root.join(path), bytes);
        written.map_err(|source| SchemaError::Write { path, source })?;
    }
    Ok(())
}

/// Compiles again and compares, byte for byte, with what is committed.
pub(crate) fn compare(tree: &Tree, root: &Path) -> Result<(), SchemaError> {
    let request = compile(tree, root)?;
    let record = record(tree, &request);
    for (path, bytes) in [(REQUEST, request.as_slice()), (RECORD, record.as_bytes())] {
        if tree.bytes(path) != Some(bytes) {
            return Err(SchemaError::Stale {
                path,
                compiler: compiler_version(),
            });
        }
    }
    Ok(())
}

/// The request holds the version of its compiler, so another one makes other bytes.
fn compiler_version() -> String {
    let output = Command::new("capnp").arg("--version").output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    text.unwrap_or_else(|_| "capnp".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_has_one_line_for_each_source_and_the_request_sorted_by_name() {
        let tree = Tree::of(&[
            ("schema/z.capnp", ""),
            ("schema/ops.capnp", "abc"),
            ("schema/vectors.json", "{}"),
            ("schema/old/ops.capnp", ""),
        ]);
        // The published SHA-256 values of "" and "abc".
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let expected = format!("{abc}  ops.capnp\n{empty}  share.cgr\n{empty}  z.capnp\n");
        assert_eq!(record(&tree, b""), expected);
    }

    #[test]
    fn without_sources_there_is_nothing_to_compile() {
        let error = compile(&Tree::of(&[]), Path::new("/")).expect_err("no sources");
        assert_eq!(
            error.to_string(),
            "schema/*.capnp is missing: write it first"
        );
    }
}
