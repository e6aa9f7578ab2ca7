//! Measures of JSON values: what limits go by.

use std::io;

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
}
