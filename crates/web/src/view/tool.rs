//! A tool's call: what it was given, what it said, what it changed.

use serde_json::Value;

use super::diff::push_diff;
use super::fields::{CUT, printed, push_json, push_pre, push_span, text_at};
use super::figures::push_duration;
use super::limits::ViewLimits;
use super::part::{self, Names, Sketch, Source, section};
use super::text::push_plain;

pub(super) fn sketch<'v>(value: &'v Value, names: &Names, limits: &ViewLimits) -> Sketch<'v> {
    let state = text_at(value, "/state/status").unwrap_or("unknown");
    // Content can't choose a class.
    let class = match state {
        "pending" => "tool pending",
        "running" => "tool running",
        "completed" => "tool completed",
        "error" => "tool error",
        _ => "tool",
    };
    let mut head = section(class, names);
    head.push_str("<details>");
    summary(&mut head, value, state, limits);
    input(&mut head, value, limits);
    if let Some(diff) = text_at(value, "/state/metadata/diff") {
        head.push_str("<h4>Changes</h4>");
        push_diff(&mut head, diff, limits);
    }
    if let Some(error) = text_at(value, "/state/error") {
        head.push_str("<h4>Error</h4>");
        push_pre(&mut head, "error", error, limits.text_bytes_max);
    }
    let mut tail = String::new();
    let body = output(value, names, limits, (&mut head, &mut tail));
    files(&mut tail, value, limits);
    tail.push_str("</details></section>");
    Sketch { head, body, tail }
}

fn summary(html: &mut String, value: &Value, state: &str, limits: &ViewLimits) {
    let name = text_at(value, "/tool").unwrap_or("tool");
    html.push_str("<summary>");
    push_span(html, "name", name, limits.line_bytes_max);
    html.push(' ');
    let title = text_at(value, "/state/title")
        .filter(|title| !title.is_empty())
        .or_else(|| text_at(value, "/state/input/description"))
        .or_else(|| text_at(value, "/state/input/filePath"));
    if let Some(title) = title {
        push_span(html, "title", title, limits.line_bytes_max);
        html.push(' ');
    }
    push_span(html, "state", state, limits.line_bytes_max);
    push_duration(html, value, "/state/time/start", "/state/time/end");
    html.push_str("</summary>");
}

/// A command or a file's content as such, anything else as JSON.
fn input(html: &mut String, value: &Value, limits: &ViewLimits) {
    let Some(input) = value.pointer("/state/input") else {
        return;
    };
    if input.as_object().is_some_and(serde_json::Map::is_empty) {
        return;
    }
    html.push_str("<h4>Input</h4>");
    let plain = match text_at(value, "/tool") {
        Some("bash") => text_at(input, "/command"),
        Some("write") => text_at(input, "/content"),
        _ => None,
    };
    match plain {
        Some(text) => push_pre(html, "input", text, limits.text_bytes_max),
        None => push_json(html, "input", input, limits.text_bytes_max),
    }
}

/// What the tool said so far.
fn output<'v>(
    value: &Value,
    names: &Names,
    limits: &ViewLimits,
    (head, tail): (&mut String, &mut String),
) -> Source<'v> {
    let output =
        text_at(value, "/state/output").or_else(|| text_at(value, "/state/metadata/output"));
    let Some(output) = output else {
        return Source::Nothing;
    };
    let id = names.style(limits).output_id();
    let (text, is_cut) = printed(output, limits.text_bytes_max);
    head.extend(["<h4>Output</h4><pre class=\"output\" id=\"", &id, "\">\n"]);
    tail.push_str("</pre>");
    tail.push_str(if is_cut { CUT } else { "" });
    let mut html = String::new();
    push_plain(&mut html, &text);
    Source::Text(html)
}

/// What came with the output.
fn files(html: &mut String, value: &Value, limits: &ViewLimits) {
    let files = value
        .pointer("/state/attachments")
        .and_then(Value::as_array);
    let files = files.map_or(&[][..], Vec::as_slice);
    if files.is_empty() {
        return;
    }
    html.push_str("<ul>");
    for attached in files.iter().take(limits.files_max) {
        html.push_str("<li>");
        part::file(html, attached, limits);
        html.push_str("</li>");
    }
    html.push_str("</ul>");
}
