//! Ops as JSON lines: `{"op":"put","key":…,"value":…}` and its kin.

use serde::Deserialize;
use serde_json::value::RawValue;
use share_model::{Mutation, OpId};

use crate::outbox::{DependsOn, NewOp};

/// Why a line is not an op.
#[derive(Debug, thiserror::Error)]
pub enum JsonLineError {
    /// It is not a JSON object with the members of an op.
    #[error("not an op: {0}")]
    NotAnOp(#[from] serde_json::Error),
    /// A member is missing that this kind of op must have.
    #[error("`{op}` needs `{field}`")]
    Missing {
        /// The kind of op.
        op: &'static str,
        /// The member.
        field: &'static str,
    },
    /// There is a member that this kind of op has not.
    #[error("`{op}` has no `{field}`")]
    Superfluous {
        /// The kind of op.
        op: &'static str,
        /// The member.
        field: &'static str,
    },
}

impl NewOp {
    /// Reads an op from a line of JSON: `op`, `key` and what belongs to that kind of op, and `id` and
    /// `dependsOn` if it has them. The JSON of a value is taken as it stands.
    ///
    /// ```
    /// use share_client::NewOp;
    ///
    /// let op = NewOp::from_json_line(r#"{"op":"put","key":"session","value":{"title":"hello"}}"#)?;
    /// assert_eq!(op.mutation.key(), "session");
    /// # Ok::<(), share_client::JsonLineError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If the line is no op.
    pub fn from_json_line(line: &str) -> Result<Self, JsonLineError> {
        read(line)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Line {
    op: Kind,
    key: String,
    #[serde(default, deserialize_with = "present")]
    value: Option<Box<RawValue>>,
    pointer: Option<String>,
    text: Option<String>,
    id: Option<Id>,
    #[serde(default)]
    depends_on: Vec<Id>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Kind {
    Put,
    Merge,
    AppendText,
    AppendItem,
    Remove,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Merge => "merge",
            Self::AppendText => "appendText",
            Self::AppendItem => "appendItem",
            Self::Remove => "remove",
        }
    }
}

/// `null` is a value, which serde would otherwise read as an absent one.
fn present<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(from).map(Some)
}

struct Id(OpId);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse()
            .map(Self)
            .map_err(|_| serde::de::Error::custom("an op's id is a UUID"))
    }
}

/// Reads one line as an op.
fn read(line: &str) -> Result<NewOp, JsonLineError> {
    let line = serde_json::from_str::<Line>(line)?;
    let op = line.op.name();
    let need = |field, value: Option<String>| value.ok_or(JsonLineError::Missing { op, field });
    let value = line.value.map(|raw| raw.get().to_owned());
    let is_superfluous = match line.op {
        Kind::Put | Kind::Merge => [
            ("pointer", line.pointer.is_some()),
            ("text", line.text.is_some()),
        ],
        Kind::AppendText => [("value", value.is_some()), ("value", false)],
        Kind::AppendItem => [("text", line.text.is_some()), ("text", false)],
        Kind::Remove => [
            ("value", value.is_some()),
            ("pointer", line.pointer.is_some() || line.text.is_some()),
        ],
    };
    if let Some((field, _)) = is_superfluous.into_iter().find(|(_, is)| *is) {
        return Err(JsonLineError::Superfluous { op, field });
    }
    let key = line.key;
    let mutation = match line.op {
        Kind::Put => Mutation::Put {
            key: key.into(),
            json: need("value", value)?.into(),
        },
        Kind::Merge => Mutation::Merge {
            key: key.into(),
            json: need("value", value)?.into(),
        },
        Kind::AppendText => Mutation::AppendText {
            key: key.into(),
            pointer: need("pointer", line.pointer)?.into(),
            text: need("text", line.text)?.into(),
        },
        Kind::AppendItem => Mutation::AppendItem {
            key: key.into(),
            pointer: need("pointer", line.pointer)?.into(),
            json: need("value", value)?.into(),
        },
        Kind::Remove => Mutation::Remove { key: key.into() },
    };
    Ok(NewOp {
        id: line.id.map(|Id(id)| id),
        depends_on: line
            .depends_on
            .into_iter()
            .map(|Id(id)| DependsOn::Op(id))
            .collect(),
        mutation,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn mutation(line: &str) -> Mutation {
        read(line).expect("the line is an op").mutation
    }

    #[test]
    fn every_kind_of_op_is_read_with_its_json_as_it_stands() {
        assert_eq!(
            mutation(r#"{"op":"put","key":"a","value":{ "b" : 1.50 }}"#),
            Mutation::Put {
                key: "a".into(),
                json: r#"{ "b" : 1.50 }"#.into()
            }
        );
        assert_eq!(
            mutation(r#"{"op":"put","key":"a","value":null}"#),
            Mutation::Put {
                key: "a".into(),
                json: "null".into()
            }
        );
        assert_eq!(
            mutation(r#"{"op":"merge","key":"a","value":{"b":null}}"#),
            Mutation::Merge {
                key: "a".into(),
                json: r#"{"b":null}"#.into()
            }
        );
        assert_eq!(
            mutation(r#"{"op":"appendText","key":"a","pointer":"/t","text":"x\n"}"#),
            Mutation::AppendText {
                key: "a".into(),
                pointer: "/t".into(),
                text: "x\n".into()
            }
        );
        assert_eq!(
            mutation(r#"{"op":"appendItem","key":"a","pointer":"","value":[1]}"#),
            Mutation::AppendItem {
                key: "a".into(),
                pointer: String::new().into(),
                json: "[1]".into()
            }
        );
        assert_eq!(
            mutation(r#"{"op":"remove","key":"a"}"#),
            Mutation::Remove { key: "a".into() }
        );
    }

    #[test]
    fn ids_and_dependencies_are_op_ids() {
        let line = r#"{"op":"remove","key":"a","id":"01890a5d-0000-7000-8000-000000000001","dependsOn":["01890a5d000070008000000000000002"]}"#;
        let op = read(line).unwrap();
        assert_eq!(
            op.id.unwrap().to_string(),
            "01890a5d000070008000000000000001"
        );
        let wanted = "01890a5d000070008000000000000002".parse().unwrap();
        assert!(matches!(op.depends_on[..], [DependsOn::Op(id)] if id == wanted));
    }

    #[track_caller]
    fn refused(line: &str, words: &str) {
        let error = read(line).expect_err("the line is refused").to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn what_is_no_op_is_refused_by_what_is_wrong() {
        refused("nonsense", "not an op");
        refused(r#"{"op":"put"}"#, "missing field `key`");
        refused(r#"{"op":"put","key":"a"}"#, "`put` needs `value`");
        refused(r#"{"op":"poke","key":"a"}"#, "unknown variant `poke`");
        refused(
            r#"{"op":"put","key":"a","value":1,"valve":2}"#,
            "unknown field `valve`",
        );
        refused(
            r#"{"op":"put","key":"a","value":1,"text":"x"}"#,
            "`put` has no `text`",
        );
        refused(
            r#"{"op":"appendText","key":"a","text":"x"}"#,
            "`appendText` needs `pointer`",
        );
        refused(
            r#"{"op":"remove","key":"a","value":1}"#,
            "`remove` has no `value`",
        );
        refused(
            r#"{"op":"remove","key":"a","id":"1"}"#,
            "an op's id is a UUID",
        );
    }
}
