//! A look at a JSON text: what a document has to know of it, without making a value of it.

use std::fmt;

use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{NUMBER_NAME, json_text_has_reserved_name};

/// What a look at a mutation's JSON text has told. Made by [`Mutation::look`](crate::Mutation::look)
/// only, so that it says the truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JsonLook(pub(crate) Look);

/// What a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// There is no text, or it is read as a value anyway.
    Unread,
    /// An object in it has a member that the reader takes for its own.
    Reserved,
    /// The reader does not take it.
    Malformed,
    /// The reader takes it. Its arrays and objects go so deep, or less where a member counts that is
    /// none: of two with one name, the later one stands.
    Levels(u64),
}

impl Look {
    /// Looks at the text as [`serde_json::from_str`] reads a value from it, and keeps nothing: what
    /// has levels here is a value there.
    pub(crate) fn at(json: &str) -> Self {
        if json_text_has_reserved_name(json) {
            return Self::Reserved;
        }
        let mut reader = serde_json::Deserializer::from_str(json);
        let levels = Levels.deserialize(&mut reader);
        match levels.and_then(|levels| reader.end().map(|()| levels)) {
            Ok(levels) => Self::Levels(levels),
            Err(_) => Self::Malformed,
        }
    }
}

/// Counts levels as [`json_depth`](super::json_depth) does.
struct Levels;

impl<'de> DeserializeSeed<'de> for Levels {
    type Value = u64;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<u64, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Levels {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_unit<E: Error>(self) -> Result<u64, E> {
        Ok(0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<u64, A::Error> {
        let mut below = 0;
        while let Some(levels) = items.next_element_seed(Self)? {
            below = levels.max(below);
        }
        Ok(1 + below)
    }

    /// An object, or a number: the reader gives its digits as an object with one reserved name, which
    /// no object of the text has.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let mut below = 0;
        while let Some(is_number) = members.next_key_seed(IsNumber)? {
            if is_number {
                members.next_value::<IgnoredAny>()?;
                return Ok(0);
            }
            below = members.next_value_seed(Self)?.max(below);
        }
        Ok(1 + below)
    }
}

/// Whether a member's name says that what looks like an object is a number.
struct IsNumber;

impl<'de> DeserializeSeed<'de> for IsNumber {
    type Value = bool;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<bool, D::Error> {
        reader.deserialize_str(self)
    }
}

impl Visitor<'_> for IsNumber {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<bool, E> {
        Ok(name == NUMBER_NAME)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::json::json_depth;
    use crate::seam::{Entropy, SeededEntropy};

    /// What the look says must be what reading says; its levels may be too many.
    #[track_caller]
    fn check(json: &str) {
        let read: Result<Value, _> = serde_json::from_str(json);
        let look = Look::at(json);
        let is_right = match (look, read) {
            (Look::Reserved, _) => json_text_has_reserved_name(json),
            (Look::Levels(levels), Ok(value)) => levels >= json_depth(&value),
            (Look::Malformed, read) => read.is_err(),
            (Look::Levels(_), Err(_)) | (Look::Unread, _) => false,
        };
        assert!(is_right, "{look:?} {json}");
    }

    const WHOLE: &[&str] = &[
        "null",
        " true ",
        "-0",
        "1e999999",
        "0.10",
        "123456789012345678901234567890",
        r#""""#,
        r#""é\n\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""\u00""#,
        "\"\u{1}\"",
        "[]",
        "{}",
        r#"{"a":[1,{"b":[[]]}],"a":0}"#,
        r#"[[1],[[2]],3]"#,
        "01",
        "1.",
        "+1",
        "nul",
        "[1,]",
        r#"{"a":1,}"#,
        r#"{1:2}"#,
        "1 2",
        "",
        "NaN",
        r#"{"$serde_json::private::Number":"1"}"#,
        r#"{"a":{"\u0024serde_json::private::RawValue":"[1]"}}"#,
        r#"["$serde_json::private::Number"]"#,
    ];

    #[test]
    fn the_look_says_what_reading_says_of_any_text() {
        WHOLE.iter().for_each(|json| check(json));
        for (json, levels) in [("1.5", 0), ("[]", 1), (r#"[{"a":[0]},[[]]]"#, 3)] {
            assert_eq!(Look::at(json), Look::Levels(levels), "{json}");
        }
        let shadowed = Look::at(r#"{"a":[[]],"a":0}"#);
        assert_eq!(shadowed, Look::Levels(3), "the value has 1");
        for levels in [126, 127, 128, 129, 100_000] {
            check(&format!("{}1{}", "[".repeat(levels), "]".repeat(levels)));
            check(&"{\"a\":".repeat(levels));
        }
    }

    /// Texts that were cut, doubled and spoilt at random: most of them no JSON, by a hair.
    #[test]
    fn the_look_says_what_reading_says_of_texts_spoilt_at_random() {
        let seed = std::env::var("SHARE_SEED").ok();
        let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(8);
        println!("SHARE_SEED={seed}");
        let entropy = SeededEntropy::new(seed);
        let pick = |of: usize| {
            let mut bytes = [0; 8];
            entropy.fill(&mut bytes);
            usize::try_from(u64::from_le_bytes(bytes) % of.max(1) as u64).unwrap_or(0)
        };
        let pieces = r#"[]{}:,"\u0019e-+.atrufalsn "#;
        for _ in 0..20_000 {
            let mut text: Vec<char> = WHOLE[pick(WHOLE.len())].chars().collect();
            for _ in 0..=pick(3) {
                let at = pick(text.len());
                match pick(4) {
                    0 if !text.is_empty() => drop(text.remove(at)),
                    1 => text.insert(at, pieces.chars().nth(pick(pieces.len())).unwrap_or('"')),
                    2 => text.truncate(at),
                    _ => text
                        .splice(at..at, WHOLE[pick(WHOLE.len())].chars())
                        .for_each(drop),
                }
            }
            check(&text.into_iter().collect::<String>());
        }
    }
}
