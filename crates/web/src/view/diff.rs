//! Differences of files, line by line in colour.

use serde_json::Value;

use super::fields::{CUT, push_line, text_at};
use super::figures::{count, number};
use super::limits::ViewLimits;
use super::text::{cut, push_plain};

/// Appends a unified diff.
pub(super) fn push_diff(html: &mut String, diff: &str, limits: &ViewLimits) {
    let (diff, is_cut) = cut(diff, limits.text_bytes_max);
    html.push_str("<pre class=\"diff\">\n");
    for line in diff.split_inclusive('\n') {
        match class(line) {
            None => push_plain(html, line),
            Some(class) => {
                html.extend(["<span class=\"", class, "\">"]);
                push_plain(html, line);
                html.push_str("</span>");
            }
        }
    }
    html.push_str("</pre>");
    if is_cut {
        html.push_str(CUT);
    }
}

fn class(line: &str) -> Option<&'static str> {
    let is_head = ["+++", "---", "===", "Index:", "diff ", "index "]
        .iter()
        .any(|front| line.starts_with(front));
    match line.as_bytes().first() {
        _ if is_head => Some("head"),
        Some(b'+') => Some("add"),
        Some(b'-') => Some("del"),
        Some(b'@') => Some("hunk"),
        _ => None,
    }
}

/// The difference of one file, folded.
pub(super) struct FileDiff<'a> {
    pub(super) path: &'a str,
    value: &'a Value,
}

impl<'a> FileDiff<'a> {
    /// The differences in a list; what is none is left out.
    pub(super) fn all(list: Option<&'a Value>) -> impl Iterator<Item = Self> {
        let items = list
            .and_then(Value::as_array)
            .map_or(&[][..], Vec::as_slice);
        items.iter().filter_map(|value| {
            let path = text_at(value, "/file")?;
            Some(Self { path, value })
        })
    }

    /// Appends the element, with `id` if it has one.
    pub(super) fn push(&self, html: &mut String, id: Option<&str>, limits: &ViewLimits) {
        html.push_str("<details class=\"file\"");
        if let Some(id) = id {
            html.extend([" id=\"", id, "\""]);
        }
        html.push_str("><summary>");
        push_line(html, self.path, limits.line_bytes_max);
        for (class, sign, pointer) in [("add", "+", "/additions"), ("del", "−", "/deletions")] {
            if let Some(lines) = number(self.value, pointer) {
                html.extend([
                    " <span class=\"",
                    class,
                    "\">",
                    sign,
                    &count(lines),
                    "</span>",
                ]);
            }
        }
        html.push_str("</summary>");
        if let Some(patch) = text_at(self.value, "/patch") {
            push_diff(html, patch, limits);
        }
        html.push_str("</details>");
    }
}
