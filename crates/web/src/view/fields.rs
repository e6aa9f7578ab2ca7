//! What stands in a value, whatever shape it has.

use std::io;

use anstream::adapter::strip_str;
use serde::Serialize;
use serde_json::Value;
use share_model::Document;

use super::text::{cut, push_attribute, push_plain, push_text};

/// What stands after a text that is not shown wholly.
pub(super) const CUT: &str = "<p class=\"cut\">It goes on; more than this of one text is not shown. \
    <a href=\"#data\">The share's data</a> has all of it.</p>";

pub(super) fn text_at<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

/// The document's entries whose keys begin with `prefix`, from the key `prefix` with `from` on.
pub(super) fn below<'a>(
    document: &'a Document,
    prefix: &str,
    from: &str,
) -> impl Iterator<Item = (&'a str, &'a Value)> {
    document
        .iter_from(&format!("{prefix}{from}"))
        .take_while(move |(key, _)| key.starts_with(prefix))
        .map(|(key, stored)| (key, stored.value()))
}

/// Appends something that stands in one line, apart from the direction of the text around it.
pub(super) fn push_line(html: &mut String, text: &str, bytes_max: usize) {
    let (text, is_cut) = cut(text, bytes_max);
    html.push_str("<bdi>");
    push_text(html, text);
    html.push_str(if is_cut { "…</bdi>" } else { "</bdi>" });
}

/// Appends an element with one line in it.
pub(super) fn push_span(html: &mut String, class: &str, text: &str, bytes_max: usize) {
    html.extend(["<span class=\"", class, "\">"]);
    push_line(html, text, bytes_max);
    html.push_str("</span>");
}

/// Appends a text without what is for terminals, and the words for one that is too long.
pub(super) fn push_pre(html: &mut String, class: &str, text: &str, bytes_max: usize) {
    let (text, is_cut) = printed(text, bytes_max);
    // A line feed right behind the tag is none of the text.
    html.extend(["<pre class=\"", class, "\">\n"]);
    push_plain(html, &text);
    html.push_str("</pre>");
    if is_cut {
        html.push_str(CUT);
    }
}

/// The front of a text without what is for terminals, and whether that is not all.
pub(super) fn printed(text: &str, bytes_max: usize) -> (String, bool) {
    let (front, is_cut) = cut(text, bytes_max);
    (strip_str(front).to_string(), is_cut)
}

/// Appends the value as JSON that a person can read.
pub(super) fn push_json(html: &mut String, class: &str, value: &Value, bytes_max: usize) {
    push_pre(html, class, &pretty(value, bytes_max), bytes_max);
}

/// The front of the JSON of `value`, a little longer than `bytes_max` if that is not all.
fn pretty(value: &Value, bytes_max: usize) -> String {
    let mut front = Front {
        bytes: Vec::new(),
        bytes_max: bytes_max + 4,
    };
    let mut serializer = serde_json::Serializer::pretty(&mut front);
    // It ends early where there is no more room.
    let is_whole = value.serialize(&mut serializer).is_ok();
    debug_assert!(
        is_whole || front.bytes.len() == front.bytes_max,
        "its room is used up"
    );
    String::from_utf8_lossy(&front.bytes).into_owned()
}

/// As much of what is written as there is room for.
struct Front {
    bytes: Vec<u8>,
    bytes_max: usize,
}

impl io::Write for Front {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.bytes_max - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..taken]);
        match taken {
            0 if !bytes.is_empty() => Err(io::ErrorKind::WriteZero.into()),
            taken => Ok(taken),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Appends the start of a link; the caller appends what it says, and its end.
pub(super) fn push_link_start(html: &mut String, url: &str) {
    html.push_str("<a rel=\"noopener noreferrer nofollow ugc\" href=\"");
    push_attribute(html, url);
    html.push_str("\">");
}
