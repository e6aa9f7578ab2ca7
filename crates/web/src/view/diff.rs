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
    // What stands before the first hunk of a file, and names it.
    let mut is_head = true;
    for line in diff.split_inclusive('\n') {
        is_head = match line {
            _ if line.starts_with("@@") => false,
            _ if line.starts_with("diff ") || line.starts_with("Index: ") => true,
            _ => is_head,
        };
        let class = match line.as_bytes().first() {
            _ if is_head => "head",
            Some(b'+') => "add",
            Some(b'-') => "del",
            Some(b'@') => "hunk",
            _ => "",
        };
        if class.is_empty() {
            push_plain(html, line);
        } else {
            html.extend(["<span class=\"", class, "\">"]);
            push_plain(html, line);
            html.push_str("</span>");
        }
    }
    html.push_str("</pre>");
    if is_cut {
        html.push_str(CUT);
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

    /// Appends the element, with `id` if it has one, and with the difference if that is shown.
    pub(super) fn push(
        &self,
        html: &mut String,
        id: Option<&str>,
        is_shown: bool,
        limits: &ViewLimits,
    ) {
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
        match text_at(self.value, "/patch") {
            Some(patch) if is_shown => push_diff(html, patch, limits),
            Some(_) => html.push_str(CUT),
            None => {}
        }
        html.push_str("</details>");
    }
}
