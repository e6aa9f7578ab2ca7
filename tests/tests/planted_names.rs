//! The bugs that are planted for the failure-injection harness are in its own build only: the `share`
//! binary holds none of their names.

#![expect(clippy::unwrap_used, reason = "a test fails by its panic")]

use std::fs;
use std::path::Path;

use share_tests::share_binary;

const LIST: &str = "../crates/harness/src/bugs/list.rs";

/// The names in the list of planted bugs: every other literal is one, and what it means comes behind it.
fn names() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST);
    let text = fs::read_to_string(path).unwrap();
    let table = text.split_once("PLANTED").unwrap().1;
    let literals = table.split('"').skip(1).step_by(2);
    literals.step_by(2).map(str::to_owned).collect()
}

/// What names are made of.
fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte == b'-'
}

/// Which of the names stand somewhere in `bytes`. Only runs of their characters are searched: the binary of
/// a debug build is large, and this search is built without optimisations too.
fn held<'a>(bytes: &[u8], names: &'a [String]) -> Vec<&'a str> {
    let shortest = names.iter().map(String::len).min().unwrap_or(0);
    let runs = bytes.split(|byte| !is_of_a_name(*byte));
    let runs = runs.filter(|run| run.len() >= shortest && run.contains(&b'-'));
    let runs: Vec<&str> = runs.map(|run| str::from_utf8(run).unwrap()).collect();
    let holds = |name: &&str| runs.iter().any(|run| run.contains(*name));
    names.iter().map(String::as_str).filter(holds).collect()
}

#[test]
fn the_shipped_binary_holds_no_name_of_a_planted_bug() {
    let names = names();
    assert!(names.len() >= 25, "{names:?}");
    let is_name = |name: &String| name.bytes().all(is_of_a_name);
    assert!(names.iter().all(is_name), "{names:?}");
    let binary = fs::read(share_binary()).unwrap();
    assert_eq!(held(&binary, &names), Vec::<&str>::new());
}

#[test]
fn a_name_that_is_there_is_found() {
    let names = names();
    let buffer = [b"\0\x01", names[3].as_bytes(), b"\0"].concat();
    assert_eq!(held(&buffer, &names), [names[3].as_str()]);
}
