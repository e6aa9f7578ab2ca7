//! The inputs that fuzzing found, and those that once failed, each through its target.
#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use share_tests::fuzzing;

/// Files of one corpus, and bytes of all of them: a checkout stays small.
const FILES_MAX: usize = 200;
const BYTES_MAX: u64 = 1 << 20;

/// Every file of a target's corpus and of its regressions passes.
#[track_caller]
fn replay(target: &str, body: fn(&[u8])) {
    let corpus = inputs("corpus", target);
    assert!(
        !corpus.is_empty(),
        "fuzz/corpus/{target} is missing or empty"
    );
    let bytes: u64 = corpus.iter().map(|path| bytes_of(path)).sum();
    assert!(
        corpus.len() <= FILES_MAX,
        "fuzz/corpus/{target} has {} files",
        corpus.len()
    );
    assert!(bytes <= BYTES_MAX, "fuzz/corpus/{target} has {bytes} bytes");
    for path in corpus.into_iter().chain(inputs("regressions", target)) {
        let input = fs::read(&path).unwrap();
        let run = std::panic::catch_unwind(|| body(&input));
        assert!(run.is_ok(), "{} fails in `{target}`", path.display());
    }
}

/// The files in order, so that two runs are the same; none if there is no folder.
fn inputs(kind: &str, target: &str) -> Vec<PathBuf> {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let Ok(folder) = fs::read_dir(fuzz.join(kind).join(target)) else {
        return Vec::new();
    };
    let mut inputs: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    inputs
}

fn bytes_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().len()
}

/// One test for each target, named after it.
macro_rules! targets {
    ($($target:ident)*) => {
        const TARGETS: &[&str] = &[$(stringify!($target)),*];

        $(
            #[test]
            fn $target() {
                replay(stringify!($target), fuzzing::$target);
            }
        )*
    };
}

targets! { frame json_lines mutations recordings ref_text state_files wire }

#[test]
fn each_fuzz_target_and_each_corpus_is_replayed_here() {
    let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    for folder in ["fuzz_targets", "corpus", "regressions"] {
        for entry in fs::read_dir(fuzz.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_str().unwrap();
            assert!(
                TARGETS.contains(&name),
                "{} is not replayed",
                path.display()
            );
        }
    }
    for target in TARGETS {
        let source = fuzz.join(format!("fuzz_targets/{target}.rs"));
        let text = fs::read_to_string(source).unwrap();
        assert!(text.contains(&format!("share_tests::fuzzing::{target}(data)")));
    }
}
