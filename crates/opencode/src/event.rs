//! opencode's events, as its plugins see them, and what each says of a share.
//!
//! | event | says |
//! | --- | --- |
//! | `session.created`, `session.updated` | the item `session` |
//! | `message.updated`, `message.part.updated` | the item `message`, `part` |
//! | `message.part.delta`, with `at` | text that a part's member grew by |
//! | `session.diff` | the item `session_diff` |
//! | `message.removed`, `message.part.removed` | what is gone |
//! | `items` | items as a sync has them: models, or a whole session |
//!
//! `at` and `items` are not opencode's: the plugin of `integrations/opencode` adds them. `at` is how
//! many bytes of UTF-8 stood there before, so that text which is there already is not appended again.

use serde_json::{Map, Value};

use crate::item::{Item, message_key, part_key};

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// Items in their newest state.
    Items(Vec<Item>),
    /// Text that came to a part.
    Delta(Delta),
    /// A message is gone, with its parts.
    MessageRemoved {
        /// Its id.
        message: String,
    },
    /// A part is gone.
    PartRemoved {
        /// The id of its message.
        message: String,
        /// Its id.
        part: String,
    },
    /// Nothing of what a share says.
    Other,
}

/// Text that came to a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The id of the part's message.
    pub message: String,
    /// The part's id.
    pub part: String,
    /// The member that grew.
    pub field: String,
    /// How many bytes stood there before.
    pub at: u64,
    /// What came.
    pub text: String,
}

/// Why an event says nothing that can be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{member}` of the event is missing, or is not {wanted}")]
pub struct EventError {
    /// The member of `properties`.
    pub member: &'static str,
    /// What it should be.
    pub wanted: &'static str,
}

impl Event {
    /// What the event of this type says.
    ///
    /// # Errors
    ///
    /// If a member is missing, or is something else than in opencode's events.
    pub fn read(kind: &str, properties: Value) -> Result<Self, EventError> {
        let Value::Object(mut members) = properties else {
            return Err(EventError {
                member: "properties",
                wanted: "an object",
            });
        };
        let members = &mut members;
        Ok(match kind {
            "session.created" | "session.updated" => Self::item("session", members, "info")?,
            "message.updated" => Self::item("message", members, "info")?,
            "message.part.updated" => Self::item("part", members, "part")?,
            "session.diff" => Self::item("session_diff", members, "diff")?,
            "message.part.delta" => Self::Delta(Delta {
                message: text(members, "messageID")?,
                part: text(members, "partID")?,
                field: text(members, "field")?,
                at: count(members, "at")?,
                text: text(members, "delta")?,
            }),
            "message.removed" => Self::MessageRemoved {
                message: text(members, "messageID")?,
            },
            "message.part.removed" => Self::PartRemoved {
                message: text(members, "messageID")?,
                part: text(members, "partID")?,
            },
            "items" => Self::Items(items(members)?),
            _ => Self::Other,
        })
    }

    fn item(
        kind: &str,
        members: &mut Map<String, Value>,
        member: &'static str,
    ) -> Result<Self, EventError> {
        let data = taken(members, member, "there")?;
        Ok(Self::Items(vec![Item {
            kind: kind.into(),
            data,
        }]))
    }
}

impl Delta {
    /// The key of the part.
    pub fn key(&self) -> String {
        part_key(&self.message, &self.part)
    }
}

/// The key of a message, and how the keys of its parts begin.
pub(crate) fn keys_of_message(message: &str) -> (String, String) {
    (message_key(message), part_key(message, ""))
}

fn taken(
    members: &mut Map<String, Value>,
    member: &'static str,
    wanted: &'static str,
) -> Result<Value, EventError> {
    members.remove(member).ok_or(EventError { member, wanted })
}

fn text(members: &mut Map<String, Value>, member: &'static str) -> Result<String, EventError> {
    let wanted = "a string";
    match taken(members, member, wanted)? {
        Value::String(text) => Ok(text),
        _ => Err(EventError { member, wanted }),
    }
}

fn count(members: &mut Map<String, Value>, member: &'static str) -> Result<u64, EventError> {
    let wanted = "a number of bytes";
    let value = taken(members, member, wanted)?;
    value.as_u64().ok_or(EventError { member, wanted })
}

fn items(members: &mut Map<String, Value>) -> Result<Vec<Item>, EventError> {
    let (member, wanted) = ("items", "an array of `{type, data}`");
    let error = || EventError { member, wanted };
    let Value::Array(items) = taken(members, member, wanted)? else {
        return Err(error());
    };
    let item = |value| match value {
        Value::Object(mut item) => Ok(Item {
            kind: text(&mut item, "type").map_err(|_| error())?,
            data: taken(&mut item, "data", wanted).map_err(|_| error())?,
        }),
        _ => Err(error()),
    };
    items.into_iter().map(item).collect()
}

#[cfg(test)]
mod tests;
