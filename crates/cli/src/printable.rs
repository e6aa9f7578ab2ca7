//! Text of others, made safe for a terminal: what an op holds, and what a server says, may have been
//! written to steer the terminal of whoever reads it.

use std::borrow::Cow;
use std::fmt::Write;

use serde::Serialize;

use crate::error::{CliError, Kind};
use crate::ui;

/// Whether a terminal does something at this character other than show it in its place: controls
/// (DEL and those of eight bits included), line separators, and what turns the direction of text.
fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{061c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// The text on one line, with escapes for what a terminal would not show.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_unsafe(c) {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

/// The text, cut after `max` characters; whether it was.
pub(crate) fn cut(text: &str, max: usize) -> (&str, bool) {
    match text.char_indices().nth(max) {
        None => (text, false),
        Some((at, _)) => (&text[..at], true),
    }
}

/// Writes one value as one line of JSON to stdout: the same value, with escapes for what a terminal
/// would not show.
pub(crate) fn json(value: &impl Serialize) -> Result<(), CliError> {
    let line = serde_json::to_string(value)
        .map_err(|error| CliError::new(Kind::Bug, "render the answer as JSON").caused_by(error))?;
    ui::data(escape_json(&line))
}

/// JSON has such characters in its strings only, where an escape says the same.
fn escape_json(line: &str) -> Cow<'_, str> {
    if !line.contains(is_unsafe) {
        return Cow::Borrowed(line);
    }
    let mut safe = String::with_capacity(line.len() + 16);
    for c in line.chars() {
        if is_unsafe(c) {
            // None of them is beyond the basic plane; writing to a string can't fail.
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    Cow::Owned(safe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_shown_as_an_escape() {
        let steering = "a\u{1b}[2Jb\u{9b}31m\r\n\u{7f}\u{202e}c";
        assert_eq!(
            printable(steering),
            r"a\u{1b}[2Jb\u{9b}31m\r\n\u{7f}\u{202e}c"
        );
        assert_eq!(printable("plain é 漢"), "plain é 漢");
    }

    #[test]
    fn json_says_the_same_without_a_character_that_steers_a_terminal() {
        let text = "a\u{1b}[2J\u{9b}\u{7f}\u{202e}é";
        let line = serde_json::to_string(text).unwrap();
        let safe = escape_json(&line);
        assert_eq!(safe, r#""a\u001b[2J\u009b\u007f\u202eé""#);
        assert_eq!(serde_json::from_str::<String>(&safe).unwrap(), text);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("añb", 2), ("añ", true));
        assert_eq!(cut("añb", 3), ("añb", false));
    }
}
