//! The committed recordings of real sessions, through the converter into a document, against what
//! the checker expects of them.
#![cfg(test)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;
use share_model::{Document, Limits};
use share_opencode::{Converter, Counts, Recording, RequestKind, compare};

/// What a recording holds, counted apart from this code, and what it becomes.
struct Session {
    name: &'static str,
    requests: u64,
    items: u64,
    keys: usize,
    /// How often a string that was sent before came again, longer.
    growing_texts: usize,
}

#[track_caller]
fn recording(name: &str) -> Recording<'static> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/recordings");
    Recording::open(&root.join(format!("{name}.jsonl.gz"))).unwrap()
}

#[track_caller]
fn check(session: &Session) {
    let name = session.name;
    let mut recording_read = recording(name);
    let mut converter = Converter::default();
    let mut document = Document::default();
    let (mut sent_bytes, mut op_bytes, mut by_tag) = (0, 0, [0_usize; 6]);
    for request in recording_read.by_ref() {
        let RequestKind::Sync { items } = request.unwrap().kind else {
            continue;
        };
        for item in items {
            sent_bytes += item.data.to_string().len();
            for op in converter.convert(item).unwrap() {
                document.apply(&op, &Limits::DEFAULT).unwrap();
                op_bytes += op.bytes();
                by_tag[usize::from(op.tag())] += 1;
            }
        }
    }
    let counts = Counts {
        requests: session.requests,
        creates: 1,
        syncs: session.requests - 2,
        deletes: 1,
        other: 0,
        items: session.items,
    };
    assert_eq!(recording_read.counts(), counts, "{name}");
    let [_, puts, merges, texts, appended, removes] = by_tag;
    let ops: usize = by_tag.iter().sum();
    println!(
        "{name}: {} requests, {} items, {ops} ops (put {puts}, merge {merges}, appendText {texts}, \
         appendItem {appended}), {} keys, {op_bytes} of {sent_bytes} bytes = {:.2}",
        counts.requests,
        counts.items,
        document.len(),
        f64::from(u32::try_from(op_bytes).unwrap()) / f64::from(u32::try_from(sent_bytes).unwrap()),
    );
    let expected = share_opencode::expected(recording(name)).unwrap();
    let actual = entries(&document);
    let differences: Vec<_> = compare(&expected, &actual)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(differences, [""; 0], "{name}");
    assert_eq!(
        (expected.len(), document.len()),
        (session.keys, session.keys),
        "{name}"
    );
    assert_eq!(
        puts.min(document.len()),
        document.len(),
        "{name}: each key begins with a put"
    );
    assert_eq!(removes, 0, "{name}");
    assert_eq!(texts, session.growing_texts, "{name}: appendText");
    assert!(
        op_bytes < sent_bytes,
        "{name}: ops are not smaller than what was sent"
    );
}

#[test]
fn auto_becomes_the_document_that_it_says() {
    check(&Session {
        name: "auto",
        requests: 4,
        items: 27,
        keys: 22,
        growing_texts: 0,
    });
}

#[test]
fn small_becomes_the_document_that_it_says() {
    check(&Session {
        name: "small",
        requests: 12,
        items: 106,
        keys: 62,
        growing_texts: 2,
    });
}

#[test]
fn restart_becomes_the_document_that_it_says() {
    check(&Session {
        name: "restart",
        requests: 9,
        items: 58,
        keys: 36,
        growing_texts: 0,
    });
}

#[test]
fn revert_becomes_the_document_that_it_says() {
    check(&Session {
        name: "revert",
        requests: 12,
        items: 92,
        keys: 53,
        growing_texts: 0,
    });
}

#[test]
fn long_becomes_the_document_that_it_says() {
    check(&Session {
        name: "long",
        requests: 326,
        items: 1625,
        keys: 807,
        growing_texts: 220,
    });
}

/// Whoever pushes may die after any request, and goes on from the document alone.
#[test]
fn a_converter_that_begins_again_from_the_document_after_each_request_is_exact() {
    for name in ["small", "revert", "restart"] {
        let mut document = Document::default();
        for request in recording(name) {
            let mut converter = Converter::from_document(&document, Limits::DEFAULT);
            let RequestKind::Sync { items } = request.unwrap().kind else {
                continue;
            };
            for op in items
                .into_iter()
                .flat_map(|item| converter.convert(item).unwrap())
            {
                document.apply(&op, &Limits::DEFAULT).unwrap();
            }
        }
        let expected = share_opencode::expected(recording(name)).unwrap();
        assert_eq!(compare(&expected, &entries(&document)), [], "{name}");
    }
}

fn entries(document: &Document) -> BTreeMap<String, Value> {
    document
        .iter()
        .map(|(key, stored)| (key.to_owned(), stored.value().clone()))
        .collect()
}

/// A checker that sees no difference would let everything pass.
#[test]
fn a_document_that_lacks_one_item_is_told_from_the_expected_one() {
    let expected = share_opencode::expected(recording("long")).unwrap();
    for (key, value) in expected.iter().step_by(50) {
        let mut actual = expected.clone();
        actual.insert(key.clone(), serde_json::json!([value]));
        assert_eq!(compare(&expected, &actual).len(), 1, "{key}");
        actual.remove(key);
        let differences = compare(&expected, &actual);
        assert_eq!(differences[0].to_string(), format!("`{key}` is missing"));
    }
}
