//! Where two documents differ, in words for a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// Characters of a value that a difference shows.
const SHOWN_MAX: usize = 60;

/// One key at which two documents differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key.
    pub key: String,
    /// How they differ there.
    pub what: Discrepancy,
}

/// How two documents differ at a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discrepancy {
    /// The key is expected, and not there.
    Missing,
    /// The key is there, and not expected.
    Extra,
    /// The values differ.
    Value {
        /// The first place that differs, as a JSON Pointer.
        pointer: String,
        /// What is expected there, cut short; `None`: nothing.
        expected: Option<String>,
        /// What is there, cut short; `None`: nothing.
        actual: Option<String>,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.what {
            Discrepancy::Missing => write!(f, "`{key}` is missing"),
            Discrepancy::Extra => write!(f, "`{key}` should not be there"),
            Discrepancy::Value {
                pointer,
                expected,
                actual,
            } => {
                let expected = expected.as_deref().unwrap_or("nothing");
                let actual = actual.as_deref().unwrap_or("nothing");
                write!(
                    f,
                    "`{key}` differs at `{pointer}`: expected {expected}, is {actual}"
                )
            }
        }
    }
}

/// Every key at which `actual` is not as `expected`, in order; none if they say the same.
///
/// The order of an object's members says nothing; numbers are the same if their texts are.
pub fn compare(
    expected: &BTreeMap<String, Value>,
    actual: &BTreeMap<String, Value>,
) -> Vec<Difference> {
    let keys: BTreeSet<&String> = expected.keys().chain(actual.keys()).collect();
    let mut differences = Vec::new();
    for key in keys {
        let what = match (expected.get(key), actual.get(key)) {
            (Some(_), None) => Some(Discrepancy::Missing),
            (None, _) => Some(Discrepancy::Extra),
            (Some(expected), Some(actual)) => difference(expected, actual),
        };
        differences.extend(what.map(|what| Difference {
            key: key.clone(),
            what,
        }));
    }
    differences
}

fn difference(expected: &Value, actual: &Value) -> Option<Discrepancy> {
    let mut pointer = String::new();
    let (expected, actual) = first(Some(expected), Some(actual), &mut pointer)?;
    Some(Discrepancy::Value {
        pointer,
        expected: expected.map(shown),
        actual: actual.map(shown),
    })
}

type Pair<'a> = (Option<&'a Value>, Option<&'a Value>);

/// The first two values that differ; `pointer` is then where.
fn first<'a>(
    expected: Option<&'a Value>,
    actual: Option<&'a Value>,
    pointer: &mut String,
) -> Option<Pair<'a>> {
    let length = pointer.len();
    match (expected, actual) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                pointer.push('/');
                pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
                let found = first(left.get(name), right.get(name), pointer);
                if found.is_some() {
                    return found;
                }
                pointer.truncate(length);
            }
            None
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                pointer.push('/');
                pointer.push_str(&index.to_string());
                let found = first(left.get(index), right.get(index), pointer);
                if found.is_some() {
                    return found;
                }
                pointer.truncate(length);
            }
            None
        }
        _ if expected == actual => None,
        _ => Some((expected, actual)),
    }
}

fn shown(value: &Value) -> String {
    let json = value.to_string();
    match json.char_indices().nth(SHOWN_MAX) {
        Some((cut, _)) => format!("{}… ({} bytes)", &json[..cut], json.len()),
        None => json,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document(value: Value) -> BTreeMap<String, Value> {
        value.as_object().unwrap().clone().into_iter().collect()
    }

    #[test]
    fn differences_name_the_key_and_the_first_place() {
        let expected = document(json!({
            "a": {"x": 1, "y": [1, {"t~/": "one"}]},
            "b": 1,
            "d": [1],
            "same": {"p": 1, "q": 2},
        }));
        let actual = document(json!({
            "a": {"y": [1, {"t~/": "two"}], "x": 1},
            "c": "ü".repeat(100),
            "d": [1, "ü".repeat(100)],
            "same": {"q": 2, "p": 1},
        }));
        let differences: Vec<_> = compare(&expected, &actual)
            .iter()
            .map(ToString::to_string)
            .collect();
        let cut = "ü".repeat(59);
        assert_eq!(
            differences,
            [
                "`a` differs at `/y/1/t~0~1`: expected \"one\", is \"two\"".to_owned(),
                "`b` is missing".to_owned(),
                "`c` should not be there".to_owned(),
                format!("`d` differs at `/1`: expected nothing, is \"{cut}… (202 bytes)"),
            ]
        );
    }

    #[test]
    fn numbers_are_compared_by_their_text() {
        let read = |json: &str| document(serde_json::from_str(json).unwrap());
        let same = read(r#"{"n":12345678901234567890.10}"#);
        assert_eq!(compare(&same, &same), []);
        let other = read(r#"{"n":12345678901234567890.1}"#);
        let difference = compare(&same, &other).pop().unwrap().to_string();
        assert_eq!(
            difference,
            "`n` differs at ``: expected 12345678901234567890.10, is 12345678901234567890.1"
        );
    }
}
