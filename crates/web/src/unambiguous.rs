//! JSON in which no object has a member twice: readers differ in which of the two counts, so what was
//! meant is not known.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::map::Entry;
use serde_json::{Map, Value};

/// The name under which the JSON reader hands over a number with its text. In a text that was looked
/// through for it ([`share_model::json_text_has_reserved_name`]) no member has it.
const NUMBER: &str = "$serde_json::private::Number";

/// A value without a member that stands twice.
pub(crate) struct Unambiguous(pub(crate) Value);

impl<'de> Deserialize<'de> for Unambiguous {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor).map(Self)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, is_true: bool) -> Result<Value, E> {
        Ok(Value::Bool(is_true))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number.into()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(Unambiguous(value)) = items.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            if name == NUMBER {
                let text: String = members.next_value()?;
                return text.parse().map(Value::Number).map_err(Error::custom);
            }
            let Unambiguous(value) = members.next_value()?;
            match object.entry(name) {
                Entry::Vacant(member) => member.insert(value),
                Entry::Occupied(_) => return Err(Error::custom("a member stands twice")),
            };
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Value> {
        let read = serde_json::from_str::<Unambiguous>(json).ok();
        read.map(|Unambiguous(value)| value)
    }

    #[test]
    fn what_is_not_ambiguous_is_read_as_the_json_reader_reads_it() {
        for json in [
            "null",
            "true",
            r#""a\u2028\"b""#,
            "-0.10",
            "[0, -1, 18446744073709551615, -9223372036854775808, -0, 1.0, 18446744073709551616]",
            "12345678901234567890123.4560e-7",
            r#"{"b":{"a":[1,2.50,{"a":null}],"c":"x"},"a":[],"n":{}}"#,
        ] {
            let value: Value = serde_json::from_str(json).unwrap();
            assert_eq!(read(json), Some(value.clone()), "{json}");
            assert_eq!(read(json).unwrap().to_string(), value.to_string(), "{json}");
        }
    }

    #[test]
    fn a_member_that_stands_twice_is_refused_wherever_it_stands() {
        for json in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            r#"[[{"x":{"a":[],"a":[]}}]]"#,
        ] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
