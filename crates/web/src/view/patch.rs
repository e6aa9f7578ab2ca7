//! What changes on a page, as the script in the browser applies it.

use serde::Serialize;

/// One change of a page. As JSON an object that its members tell apart; they are applied in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Patch {
    /// The element is inserted, or replaces the one with that id and moves to this place.
    Put {
        /// The element's id.
        put: String,
        /// What it goes into: `session`, `changes`, or a message's id, which means its `.parts`.
        into: String,
        /// The sibling that it comes after; `null`: it is the first.
        after: Option<String>,
        /// The whole element.
        html: String,
    },
    /// The element with that id is replaced where it stands.
    Swap {
        /// The element's id.
        swap: String,
        /// The whole element.
        html: String,
    },
    /// In the part's `.body` the children from an index on are replaced.
    Blocks {
        /// The part's id.
        blocks: String,
        /// How many children stay.
        from: usize,
        /// The others, one element each.
        html: Vec<String>,
    },
    /// The element's text is cut, and goes on otherwise.
    Text {
        /// The element's id; it has nothing but text in it.
        text: String,
        /// UTF-16 units that stay.
        from: usize,
        /// What follows them: text, no markup.
        add: String,
    },
    /// The element goes.
    Remove {
        /// The element's id.
        remove: String,
    },
    /// Session, changes, title and facts become empty.
    Clear {
        /// True.
        clear: bool,
    },
    /// The title is this text.
    Title {
        /// The text.
        title: String,
    },
    /// The facts below the title are these.
    Facts {
        /// Markup.
        facts: String,
    },
}

/// The id of the element that holds the messages.
pub(crate) const SESSION: &str = "session";

/// The id of the element that holds the session's differences.
pub(crate) const CHANGES: &str = "changes";

impl Patch {
    /// An empty page.
    pub(crate) fn clear() -> Self {
        Self::Clear { clear: true }
    }

    /// About how many bytes it takes.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        let content = match self {
            Self::Put { html, .. } | Self::Swap { html, .. } => html.len(),
            Self::Blocks { html, .. } => html.iter().map(String::len).sum(),
            Self::Text { add, .. } => add.len(),
            Self::Remove { .. } | Self::Clear { .. } => 0,
            Self::Title { title } => title.len(),
            Self::Facts { facts } => facts.len(),
        };
        content + 64
    }
}
