//! Text that others chose, made fit for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde::Serialize;
use share_model::Origin;

/// Characters of an origin's id that a person is shown.
const ID_CHARS_MAX: usize = 40;

/// The text with its control characters, and what turns the direction of writing, as escapes: they
/// would move the cursor, hide a line or make one up.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_steering) {
        return Cow::Borrowed(text);
    }
    let mut printed = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_steering(c) {
            // Writing to a string never fails.
            let _ = write!(printed, "{}", c.escape_unicode());
        } else {
            printed.push(c);
        }
    }
    Cow::Owned(printed)
}

fn is_steering(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// An origin for a person: kind and id on one short line.
pub(crate) fn origin(origin: &Origin) -> String {
    format!("{} {}", origin.kind().name(), short(origin.id()))
}

/// An id for a person: printable, and cut where it is long.
pub(crate) fn short(id: &str) -> String {
    match id.char_indices().nth(ID_CHARS_MAX) {
        None => printable(id).into_owned(),
        Some((at, _)) => format!("{}…", printable(&id[..at])),
    }
}

/// An origin for a script.
#[derive(Debug, Serialize)]
pub(crate) struct OriginLine<'a> {
    /// user, agent, system or import.
    kind: &'static str,
    id: &'a str,
}

impl<'a> From<&'a Origin> for OriginLine<'a> {
    fn from(origin: &'a Origin) -> Self {
        Self {
            kind: origin.kind().name(),
            id: origin.id(),
        }
    }
}

#[cfg(test)]
mod tests {
    use share_model::OriginKind;

    use super::*;

    #[test]
    fn what_steers_a_terminal_is_written_out() {
        assert_eq!(printable("part/ü"), "part/ü");
        assert_eq!(
            printable("a\u{1b}[2Jb\n\u{9b}\u{202e}"),
            "a\\u{1b}[2Jb\\u{a}\\u{9b}\\u{202e}"
        );
    }

    #[test]
    fn an_origin_takes_one_short_line() {
        let made = |id: String| origin(&Origin::new(OriginKind::Agent, id, 1024).unwrap());
        assert_eq!(made("ses\n1".into()), "agent ses\\u{a}1");
        assert_eq!(made("ü".repeat(40)), format!("agent {}", "ü".repeat(40)));
        assert_eq!(made("ü".repeat(41)), format!("agent {}…", "ü".repeat(40)));
    }
}
