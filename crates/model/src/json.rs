//! Measures of JSON values: what limits go by.

mod look;

use std::io;

pub use look::JsonLook;
pub(crate) use look::Look;

use serde_json::Value;

/// Levels of arrays and objects: 0 for a plain value. Goes as deep as the value; reading JSON refuses
/// more than 127 levels.
pub fn json_depth(value: &Value) -> u64 {
    match value {
        Value::Array(items) => 1 + items.iter().map(json_depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(json_depth).max().unwrap_or(0),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

/// Bytes of the value as compact JSON text, without making it.
///
/// # Panics
///
/// Never: any value can be written.
pub fn json_bytes(value: &Value) -> u64 {
    struct Counter(u64);
    impl io::Write for Counter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, value).expect("a JSON value is written to a counter");
    counter.0
}

/// Names of members by which the JSON reader tells itself what is no object: with one of them first, it
/// reads an object as the number, or as the JSON, that stands in a string there.
const RESERVED_NAMES: [&str; 2] = [NUMBER_NAME, "$serde_json::private::RawValue"];
const NUMBER_NAME: &str = "$serde_json::private::Number";

/// How each of them begins. A text in which this stands nowhere has one of them at most with letters
/// written by their code: no shorter escape stands for any of these.
const RESERVED_PREFIX: &str = "$serde_json::private::";
const CODE_ESCAPE: &str = "\\u";

/// Whether an object in the text has a member that the JSON reader takes for its own. The value would
/// not be the one that was sent, and its levels would be more than those that the reader counts.
pub fn json_text_has_reserved_name(json: &str) -> bool {
    if !json.contains(RESERVED_PREFIX) && !json.contains(CODE_ESCAPE) {
        return false;
    }
    let mut rest = json;
    while let Some(start) = rest.find('"') {
        let (string, after) = split_string(&rest[start..]);
        if after.trim_start().starts_with(':') && is_reserved(string) {
            return true;
        }
        rest = after;
    }
    false
}

/// Whether an object in the value has a member whose name no document takes: those by which the JSON
/// reader tells itself what is no object. Goes as deep as the value.
pub fn json_has_reserved_name(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(json_has_reserved_name),
        Value::Object(members) => members.iter().any(|(name, value)| {
            RESERVED_NAMES.contains(&name.as_str()) || json_has_reserved_name(value)
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// A string with its quotes, from the front of the text, and what follows it.
fn split_string(text: &str) -> (&str, &str) {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    text.split_at(end.map_or(text.len(), |end| end + 2))
}

fn is_reserved(string: &str) -> bool {
    let name = match string.contains('\\') {
        true => serde_json::from_str(string).unwrap_or_default(),
        false => string.trim_matches('"').to_owned(),
    };
    RESERVED_NAMES.contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_are_those_of_the_text() {
        let value = serde_json::from_str(r#"{"a":[1,{"b":"é\n"}],"c":null}"#).unwrap();
        assert_eq!(json_depth(&value), 3);
        // 30 characters, of which é has two bytes.
        assert_eq!(json_bytes(&value), 31);
        assert_eq!(json_depth(&Value::Null), 0);
    }

    #[test]
    fn a_reserved_name_is_found_as_the_name_of_a_member_and_nowhere_else() {
        for json in [
            r#"{"$serde_json::private::Number":"1"}"#,
            r#"[{"a":"b\\"},{"$serde_json::private::RawValue" : "[1]"}]"#,
            r#"{"a":1,"\u0024serde_json::private::Number":"1"}"#,
            r#"{"x\"":0,"$serde_json\u003a:private::RawValue":"1"}"#,
        ] {
            assert!(json_text_has_reserved_name(json), "{json}");
        }
        for json in [
            r#"{"a":"$serde_json::private::Number"}"#,
            r#"["$serde_json::private::Number"]"#,
            r#"{"$serde_json::private::Numbers":"1"}"#,
            r#"{"a":"\"$serde_json::private::Number\":"}"#,
            "\"",
            "\"\\",
        ] {
            assert!(!json_text_has_reserved_name(json), "{json}");
        }
    }
}
