//! The document's algebra, small, slow and obvious (`docs/design.md` §4).

use std::collections::BTreeMap;

use serde_json::Value;
use share_model::Mutation;

/// Key to value.
pub(super) type Document = BTreeMap<String, Value>;

/// Changes the document as the mutation says; or says why it can't be.
pub(super) fn apply(document: &mut Document, mutation: &Mutation) -> Result<(), String> {
    let key = mutation.key();
    if let Mutation::Put { json, .. } = mutation {
        document.insert(key.to_owned(), parse(json)?);
        return Ok(());
    }
    let value = document
        .get_mut(key)
        .ok_or_else(|| format!("there is no key `{key}`"))?;
    match mutation {
        Mutation::Put { .. } => {}
        Mutation::Merge { json, .. } => *value = merged(value.take(), &parse(json)?),
        Mutation::AppendText { pointer, text, .. } => match find(value, pointer) {
            Some(Value::String(string)) => string.push_str(text),
            found => return Err(format!("there is no string at `{pointer}`: {found:?}")),
        },
        Mutation::AppendItem { pointer, json, .. } => match find(value, pointer) {
            Some(Value::Array(items)) => items.push(parse(json)?),
            found => return Err(format!("there is no array at `{pointer}`: {found:?}")),
        },
        Mutation::Remove { .. } => {
            document.remove(key);
        }
    }
    Ok(())
}

/// Where a document that was told differs from one that was computed; `None`: nowhere.
pub(super) fn difference(told: &BTreeMap<String, String>, computed: &Document) -> Option<String> {
    for (key, json) in told {
        let value = match parse(json) {
            Ok(value) => value,
            Err(why) => return Some(format!("`{key}`: {why}")),
        };
        match computed.get(key) {
            None => return Some(format!("`{key}` is there, and should not be")),
            Some(expected) if *expected != value => {
                return Some(format!("`{key}` is {json}, and should be {expected}"));
            }
            Some(_) => {}
        }
    }
    let missing = computed.keys().find(|key| !told.contains_key(*key))?;
    Some(format!("`{missing}` is missing"))
}

fn parse(json: &str) -> Result<Value, String> {
    serde_json::from_str(json).map_err(|why| format!("not JSON: {why}"))
}

/// RFC 7386, word for word.
fn merged(target: Value, patch: &Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch.clone();
    };
    let mut members = match target {
        Value::Object(members) => members,
        _ => serde_json::Map::new(),
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(name);
        } else {
            let old = members.remove(name).unwrap_or(Value::Null);
            members.insert(name.clone(), merged(old, value));
        }
    }
    Value::Object(members)
}

/// RFC 6901.
fn find<'v>(value: &'v mut Value, pointer: &str) -> Option<&'v mut Value> {
    if pointer.is_empty() {
        return Some(value);
    }
    let mut found = value;
    for token in pointer.strip_prefix('/')?.split('/') {
        let token = token.replace("~1", "/").replace("~0", "~");
        found = match found {
            Value::Object(members) => members.get_mut(&token)?,
            Value::Array(items) => items.get_mut(place(&token)?)?,
            _ => return None,
        };
    }
    Some(found)
}

/// A place in an array: digits, without a zero in front.
fn place(token: &str) -> Option<usize> {
    let is_number = token.bytes().all(|byte| byte.is_ascii_digit());
    let is_padded = token.len() > 1 && token.starts_with('0');
    (is_number && !is_padded).then(|| token.parse().ok())?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::check::fixture::{item, merge, put, remove, text};

    fn after(mutations: &[Mutation]) -> Result<Document, String> {
        let mut document = Document::new();
        for mutation in mutations {
            apply(&mut document, mutation)?;
        }
        Ok(document)
    }

    #[track_caller]
    fn value(mutations: &[Mutation]) -> Value {
        after(mutations).unwrap().remove("a").unwrap()
    }

    #[test]
    fn merge_follows_the_examples_of_rfc_7386() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let found = value(&[put("a", target), merge("a", patch)]);
            assert_eq!(found, parse(result).unwrap(), "{target} with {patch}");
        }
    }

    #[test]
    fn appends_follow_pointers() {
        let start = r#"{"x/y":{"~":["s",[]]},"0":{"":"e"}}"#;
        let found = value(&[
            put("a", start),
            text("a", "/x~1y/~0/0", "t"),
            item("a", "/x~1y/~0/1", "1.50"),
            text("a", "/0/", "f"),
        ]);
        let expected = r#"{"x/y":{"~":["st",[1.50]]},"0":{"":"ef"}}"#;
        assert_eq!(found, parse(expected).unwrap());
        assert_eq!(value(&[put("a", "\"s\""), text("a", "", "t")]), json!("st"));
    }

    #[test]
    fn what_does_not_fit_is_said() {
        for mutation in [
            merge("b", "{}"),
            text("b", "", "t"),
            remove("b"),
            text("a", "/none", "t"),
            text("a", "/list", "t"),
            text("a", "list", "t"),
            item("a", "/list/00", "1"),
            item("a", "/list/-", "1"),
            item("a", "/list/1", "1"),
            put("a", "{"),
        ] {
            let list = put("a", r#"{"list":[[]]}"#);
            assert!(after(&[list, mutation.clone()]).is_err(), "{mutation:?}");
        }
    }

    #[test]
    fn differences_are_found_whichever_side_they_are_on() {
        let computed = after(&[put("a", r#"{"x":1,"y":2}"#), put("b", "1")]).unwrap();
        let told = |entries: &[(&str, &str)]| {
            let entries = entries.iter();
            let told = entries.map(|(key, json)| ((*key).to_owned(), (*json).to_owned()));
            difference(&told.collect(), &computed)
        };
        assert_eq!(told(&[("a", r#"{ "y": 2, "x": 1 }"#), ("b", "1")]), None);
        assert!(told(&[("a", r#"{"x":1,"y":2}"#)]).is_some());
        assert!(told(&[("a", r#"{"x":1}"#), ("b", "1")]).is_some());
        assert!(told(&[("a", r#"{"x":1,"y":2}"#), ("b", "1"), ("c", "1")]).is_some());
        assert!(told(&[("a", "{"), ("b", "1")]).is_some());
    }
}
