//! The table of `docs/design.md` §4, row by row, and its limits, at them and one past them.

use serde_json::json;

use super::*;

fn put(key: &str, json: &str) -> Mutation {
    Mutation::Put {
        key: key.into(),
        json: json.into(),
    }
}
fn merge(key: &str, json: &str) -> Mutation {
    Mutation::Merge {
        key: key.into(),
        json: json.into(),
    }
}
fn text(key: &str, pointer: &str, text: &str) -> Mutation {
    Mutation::AppendText {
        key: key.into(),
        pointer: pointer.into(),
        text: text.into(),
    }
}
fn item(key: &str, pointer: &str, json: &str) -> Mutation {
    Mutation::AppendItem {
        key: key.into(),
        pointer: pointer.into(),
        json: json.into(),
    }
}
fn remove(key: &str) -> Mutation {
    Mutation::Remove { key: key.into() }
}

#[track_caller]
fn apply(document: &mut Document, mutation: &Mutation) -> Result<(), MutationError> {
    let before = document.clone();
    let result = document.apply(mutation, &Limits::DEFAULT);
    if result.is_err() {
        assert_eq!(*document, before, "a refused mutation changed the document");
    }
    let counted: u64 = document
        .iter()
        .map(|(key, value)| key.len() as u64 + value.bytes())
        .sum();
    assert_eq!(document.bytes(), counted, "bytes of the document drifted");
    result
}

#[track_caller]
fn value(document: &Document, key: &str) -> Value {
    document
        .get(key)
        .expect("the key is present")
        .value()
        .clone()
}

fn document() -> Document {
    let mut document = Document::default();
    apply(
        &mut document,
        &put("a", r#"{"text":"he","list":[1],"n":1}"#),
    )
    .unwrap();
    document
}

#[test]
fn put_replaces_the_value() {
    let mut document = document();
    apply(&mut document, &put("a", "2")).unwrap();
    assert_eq!(value(&document, "a"), json!(2));
    assert_eq!(document.bytes(), 2);
}

#[test]
fn merge_follows_rfc_7386() {
    let mut document = document();
    apply(
        &mut document,
        &merge("a", r#"{"n":null,"list":{"x":null,"y":1}}"#),
    )
    .unwrap();
    assert_eq!(
        value(&document, "a"),
        json!({"text": "he", "list": {"y": 1}})
    );
    assert_eq!(
        apply(&mut document, &merge("b", "{}")),
        Err(MutationError::KeyAbsent)
    );
    assert_eq!(
        apply(&mut document, &merge("a", "{")),
        Err(MutationError::NotJson)
    );
}

#[test]
fn append_text_appends_at_the_pointer() {
    let mut document = document();
    apply(&mut document, &text("a", "/text", "llo \u{2028}\"")).unwrap();
    assert_eq!(value(&document, "a")["text"], json!("hello \u{2028}\""));
    apply(&mut document, &put("s", "\"x\"")).unwrap();
    apply(&mut document, &text("s", "", "y")).unwrap();
    assert_eq!(value(&document, "s"), json!("xy"));
    assert_eq!(
        apply(&mut document, &text("a", "/n", "1")),
        Err(MutationError::NotAString)
    );
    assert_eq!(
        apply(&mut document, &text("a", "/none", "1")),
        Err(MutationError::PointerAbsent)
    );
    assert_eq!(
        apply(&mut document, &text("a", "text", "1")),
        Err(MutationError::PointerAbsent)
    );
    assert_eq!(
        apply(&mut document, &text("b", "/text", "1")),
        Err(MutationError::KeyAbsent)
    );
}

#[test]
fn append_item_appends_at_the_pointer() {
    let mut document = document();
    apply(&mut document, &item("a", "/list", r#"{"x":2}"#)).unwrap();
    assert_eq!(value(&document, "a")["list"], json!([1, {"x": 2}]));
    assert_eq!(
        apply(&mut document, &item("a", "/text", "1")),
        Err(MutationError::NotAnArray)
    );
    assert_eq!(
        apply(&mut document, &item("a", "/list", "nope")),
        Err(MutationError::NotJson)
    );
    assert_eq!(
        apply(&mut document, &item("b", "/list", "1")),
        Err(MutationError::KeyAbsent)
    );
}

#[test]
fn remove_deletes_the_key() {
    let mut document = document();
    apply(&mut document, &remove("a")).unwrap();
    assert!(document.is_empty());
    assert_eq!(document.bytes(), 0);
    assert_eq!(
        apply(&mut document, &remove("a")),
        Err(MutationError::KeyAbsent)
    );
}

#[test]
fn a_clone_does_not_see_later_changes() {
    let mut document = document();
    let snapshot = document.clone();
    apply(&mut document, &text("a", "/text", "llo")).unwrap();
    assert_eq!(value(&snapshot, "a")["text"], json!("he"));
}

#[test]
fn save_and_restore_take_a_change_back() {
    let mut document = document();
    let before = document.clone();
    let (a, b) = (document.save("a"), document.save("b"));
    apply(&mut document, &remove("a")).unwrap();
    apply(&mut document, &put("b", "1")).unwrap();
    document.restore("b", b);
    document.restore("a", a);
    assert_eq!(document, before);
}

#[test]
fn numbers_of_any_size_are_kept() {
    let mut document = Document::default();
    let json = r#"{"big":123456789012345678901234567890,"e":1e400,"f":0.30000000000000004}"#;
    apply(&mut document, &put("a", json)).unwrap();
    apply(&mut document, &merge("a", "{\"x\":1}")).unwrap();
    let shown = value(&document, "a").to_string();
    assert!(shown.contains("123456789012345678901234567890"), "{shown}");
    assert!(shown.contains("0.30000000000000004"), "{shown}");
    assert!(
        shown.contains("1e400") || shown.contains("1e+400"),
        "{shown}"
    );
}

#[test]
fn key_limit_holds_at_it_and_one_past_it() {
    let mut document = Document::default();
    apply(&mut document, &put(&"k".repeat(512), "1")).unwrap();
    let refused = apply(&mut document, &put(&"k".repeat(513), "1"));
    assert_eq!(
        refused,
        Err(MutationError::KeyTooLong {
            bytes: 513,
            max: 512
        })
    );
    assert_eq!(
        apply(&mut document, &put("", "1")),
        Err(MutationError::KeyEmpty)
    );
}

#[test]
fn value_limit_holds_for_each_mutation_that_can_grow_a_value() {
    let limits = Limits {
        value_bytes_max: 10,
        ..Limits::DEFAULT
    };
    let mut document = Document::default();
    document.apply(&put("s", "\"12345678\""), &limits).unwrap();
    let over = Err(MutationError::ValueTooLarge { bytes: 11, max: 10 });
    assert_eq!(document.apply(&put("s", "\"123456789\""), &limits), over);
    assert_eq!(document.apply(&text("s", "", "9"), &limits), over);
    document.apply(&put("l", "[1,2,3,4]"), &limits).unwrap();
    assert_eq!(document.apply(&item("l", "", "5"), &limits), over);
    document.apply(&put("o", "{\"a\":1}"), &limits).unwrap();
    let over = Err(MutationError::ValueTooLarge { bytes: 13, max: 10 });
    assert_eq!(document.apply(&merge("o", "{\"b\":2}"), &limits), over);
}

#[test]
fn document_limit_holds_at_it_and_one_past_it() {
    let limits = Limits {
        document_bytes_max: 10,
        ..Limits::DEFAULT
    };
    let mut document = Document::default();
    document.apply(&put("a", "1234"), &limits).unwrap();
    document.apply(&put("b", "1234"), &limits).unwrap();
    let over = Err(MutationError::DocumentTooLarge { bytes: 11, max: 10 });
    assert_eq!(document.apply(&put("b", "12345"), &limits), over);
    assert_eq!(
        document
            .apply(&put("c", "1"), &limits)
            .unwrap_err()
            .to_string(),
        "documentTooLarge: the document would have 12 bytes, limit is 10"
    );
    document.apply(&remove("a"), &limits).unwrap();
    document.apply(&put("b", "123456789"), &limits).unwrap();
}

#[test]
fn nesting_is_bounded_however_it_is_built() {
    let limits = Limits {
        depth_max: 4,
        ..Limits::DEFAULT
    };
    let mut document = Document::default();
    document.apply(&put("a", "[[[[]]]]"), &limits).unwrap();
    let too_deep = Err(MutationError::TooDeep { levels: 5, max: 4 });
    assert_eq!(document.apply(&put("a", "[[[[[]]]]]"), &limits), too_deep);
    assert_eq!(
        document.apply(&item("a", "/0/0/0", "[]"), &limits),
        too_deep
    );
    document.apply(&item("a", "/0/0/0", "1"), &limits).unwrap();
    let deep = "[".repeat(100_000);
    assert_eq!(
        document.apply(&put("a", &deep), &limits),
        Err(MutationError::NotJson)
    );
}

/// The JSON reader would store the number 1 for the first, and count no level of the others.
#[test]
fn an_object_that_the_json_reader_takes_for_something_else_is_refused() {
    let mut document = Document::default();
    apply(&mut document, &put("a", "[]")).unwrap();
    let number = r#"{"$serde_json::private::Number":"1"}"#;
    let deep = format!(
        r#"{{"$serde_json::private::RawValue":"{}1{}"}}"#,
        "[".repeat(90),
        "]".repeat(90)
    );
    for json in [number, &deep, &format!("[{deep}]")] {
        for mutation in [put("a", json), merge("a", json), item("a", "", json)] {
            let refused = Err(MutationError::NotJson);
            assert_eq!(apply(&mut document, &mutation), refused, "{json}");
        }
    }
    // An earlier version took it; its log is read as it read it.
    let again = document.apply_again(&put("a", number), &Limits::DEFAULT);
    assert_eq!(again, Ok(()));
    assert_eq!(value(&document, "a"), json!(1));
}

#[test]
fn load_counts_what_was_counted_when_it_was_stored() {
    let mut document = document();
    apply(&mut document, &text("a", "/text", "\u{2028}\"")).unwrap();
    let mut loaded = Document::default();
    for (key, value) in document.iter() {
        loaded
            .load(key, &value.value().to_string(), value.bytes())
            .unwrap();
    }
    assert_eq!(loaded, document);
}
