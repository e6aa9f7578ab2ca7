//! Values as they are: what is no part of an agent session, and what has not the form that it should.

use std::io::{self, Write};

use ratatui::text::Span;
use serde_json::Value;

use super::Sheet;
use crate::commands::watch::paper::Margin;
use crate::commands::watch::text;

/// Bytes of a value that stands beside its key.
const INLINE_BYTES_MAX: usize = 60;

/// An entry of the document: its key and its value.
pub(super) fn entry(sheet: &mut Sheet<'_>, key: &str, value: &Value) {
    let theme = sheet.paper.theme;
    let name = Span::styled(text::short(key), theme.strong());
    let (line, is_cut) = written(value, INLINE_BYTES_MAX, false);
    if !is_cut {
        let line = text::line(&line).into_owned();
        sheet
            .paper
            .line(vec![name, Span::raw("  "), Span::raw(line)]);
        return;
    }
    if sheet.head(false, vec![name]) {
        pretty(sheet, value);
    }
}

/// A value on lines of its own, indented.
pub(super) fn pretty(sheet: &mut Sheet<'_>, value: &Value) {
    let bytes_max = sheet.paper.limits.text_bytes_max;
    let (json, is_cut) = written(value, bytes_max, true);
    let style = sheet.paper.theme.plain();
    let margin = Margin::of("    ", style);
    sheet.paper.verbatim(&json, style, &margin);
    if is_cut {
        let words = "    … more: `share show` has all of it";
        sheet
            .paper
            .line(vec![Span::styled(words, sheet.paper.theme.quiet())]);
    }
}

/// At most so many bytes of a value as JSON, and whether there are more.
fn written(value: &Value, bytes_max: usize, is_pretty: bool) -> (String, bool) {
    let mut out = Bounded {
        bytes: Vec::new(),
        bytes_max,
    };
    let done = match is_pretty {
        true => serde_json::to_writer_pretty(&mut out, value),
        false => serde_json::to_writer(&mut out, value),
    };
    (
        String::from_utf8_lossy(&out.bytes).into_owned(),
        done.is_err(),
    )
}

/// Takes so many bytes and no more.
struct Bounded {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.bytes_max - self.bytes.len();
        if bytes.len() > room {
            self.bytes.extend_from_slice(&bytes[..room]);
            return Err(io::Error::from(io::ErrorKind::WriteZero));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_written_up_to_the_bound_and_one_past_it_is_cut() {
        let value = serde_json::json!(["é", 1]);
        assert_eq!(written(&value, 8, false), ("[\"é\",1]".to_owned(), false));
        assert_eq!(written(&value, 7, false), ("[\"é\",1".to_owned(), true));
        assert_eq!(written(&value, 3, false), ("[\"\u{fffd}".to_owned(), true));
    }
}
