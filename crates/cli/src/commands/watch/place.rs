//! Where an item stands among all that is shown.

use std::sync::Arc;

/// Place of an item, from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) section: Section,
    /// Of a message or a part: when the message was made, in milliseconds since 1970. A part whose message is
    /// not there stands behind all others.
    pub(super) created: u64,
    /// The message's id; of another entry its key.
    pub(super) name: Arc<str>,
    /// A part's id; empty at the message's own line. Of a diff, its number.
    pub(super) part: Arc<str>,
}

/// What stands together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Section {
    /// Messages and their parts.
    Messages,
    /// The file diffs of the agent session.
    Changes,
    /// What is no part of an agent session as opencode has it.
    Others,
}

/// What a key of the document means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key<'k> {
    Session,
    Message(&'k str),
    Part { message: &'k str, part: &'k str },
    Changes,
    Model,
    Other,
}

/// The key of the agent session's file diffs.
pub(super) const CHANGES: &str = "session_diff";

impl<'k> Key<'k> {
    pub(super) fn of(key: &'k str) -> Self {
        match key.split_once('/') {
            None if key == "session" => Self::Session,
            None if key == CHANGES => Self::Changes,
            Some(("message", id)) if !id.is_empty() => Self::Message(id),
            Some(("part", rest)) => match rest.split_once('/') {
                Some((message, part)) if !message.is_empty() && !part.is_empty() => {
                    Self::Part { message, part }
                }
                _ => Self::Other,
            },
            Some(("model", _)) => Self::Model,
            _ => Self::Other,
        }
    }
}

impl Place {
    pub(super) fn message(created: u64, id: &str) -> Self {
        Self::part(created, id, "")
    }

    pub(super) fn part(created: u64, message: &str, part: &str) -> Self {
        Self {
            section: Section::Messages,
            created,
            name: message.into(),
            part: part.into(),
        }
    }

    /// The `number`-th file diff.
    pub(super) fn change(number: usize) -> Self {
        Self {
            section: Section::Changes,
            created: 0,
            name: CHANGES.into(),
            // So that the tenth comes after the ninth.
            part: format!("{number:08}").into(),
        }
    }

    pub(super) fn other(key: &str) -> Self {
        Self {
            section: Section::Others,
            created: 0,
            name: key.into(),
            part: "".into(),
        }
    }

    /// The document's key that the item is made of.
    pub(super) fn key(&self) -> String {
        match (self.section, &*self.part) {
            (Section::Messages, "") => format!("message/{}", self.name),
            (Section::Messages, part) => format!("part/{}/{part}", self.name),
            (Section::Changes | Section::Others, _) => self.name.to_string(),
        }
    }
}
