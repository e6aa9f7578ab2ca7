//! Text of others on its way to the screen: every piece of it passes here.

use std::borrow::Cow;

use crate::printable::printable;

/// What a tab is shown as.
const TAB: &str = "    ";

/// The lines of a text, each safe for a terminal.
pub(super) fn lines(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split('\n')
        .map(|line| shown(line.strip_suffix('\r').unwrap_or(line)))
}

/// A text on one line, safe for a terminal.
pub(super) fn line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\n', '\r']) {
        return shown(text);
    }
    let words: Vec<_> = text.split_whitespace().collect();
    Cow::Owned(shown(&words.join(" ")).into_owned())
}

/// What a line says of something long.
const SHORT_BYTES_MAX: usize = 1024;

/// The beginning of a text, on one line.
pub(super) fn short(text: &str) -> String {
    let (begin, left_out) = cut(text.trim(), SHORT_BYTES_MAX);
    let ellipsis = if left_out > 0 { "…" } else { "" };
    format!("{}{ellipsis}", line(begin))
}

fn shown(line: &str) -> Cow<'_, str> {
    if !line.contains('\t') {
        return printable(line);
    }
    Cow::Owned(printable(&line.replace('\t', TAB)).into_owned())
}

/// At most so many bytes of a text, and how many are left out.
pub(super) fn cut(text: &str, bytes_max: usize) -> (&str, usize) {
    if text.len() <= bytes_max {
        return (text, 0);
    }
    let end = text.floor_char_boundary(bytes_max);
    (&text[..end], text.len() - end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_safe_and_tabs_are_spaces() {
        let all: Vec<_> = lines("a\tb\r\n\u{1b}[2J\n\u{202e}x\n").collect();
        assert_eq!(all, ["a    b", r"\u{1b}[2J", r"\u{202e}x", ""]);
        assert_eq!(line("a\n \u{7} b"), r"a \u{7} b");
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("añb", 2), ("a", 3));
        assert_eq!(cut("añb", 4), ("añb", 0));
    }
}
