//! A call of a tool: what was asked, how far it is, what came back.

use ratatui::style::Style;
use ratatui::text::Span;
use serde_json::Value;

use super::{Sheet, diff, json, short_at, text_at};
use crate::commands::watch::figures;
use crate::commands::watch::paper::{Breaks, Margin};
use crate::commands::watch::text;

/// Lines that are seen of the output while a tool runs.
const TAIL_LINES: usize = 3;
/// Bytes of such a line.
const TAIL_LINE_BYTES: usize = 512;

pub(super) fn lay(sheet: &mut Sheet<'_>, part: &Value) {
    let none = Value::Null;
    let state = part.get("state").unwrap_or(&none);
    let head = heading(sheet, part, state);
    if sheet.head(true, head) {
        unfolded(sheet, state);
        return;
    }
    match text_at(state, "/status") {
        Some("running") => tail(sheet, output(state).unwrap_or_default()),
        Some("error") => {
            let words = text::short(text_at(state, "/error").unwrap_or_default());
            let style = sheet.paper.theme.bad();
            sheet
                .paper
                .line(vec![Span::styled(format!("    {words}"), style)]);
        }
        _ => {}
    }
}

fn heading(sheet: &Sheet<'_>, part: &Value, state: &Value) -> Vec<Span<'static>> {
    let theme = sheet.paper.theme;
    let name = short_at(part, "/tool").unwrap_or_else(|| "tool".to_owned());
    let status = short_at(state, "/status").unwrap_or_else(|| "unknown".to_owned());
    let style = match &*status {
        "completed" => theme.good(),
        "error" => theme.bad(),
        _ => theme.going(),
    };
    let at = |pointer: &str| state.pointer(pointer).and_then(Value::as_u64);
    let took = at("/time/start").zip(at("/time/end"));
    let took = took.map_or(String::new(), |(begin, end)| {
        format!("  {}", figures::span(end.saturating_sub(begin)))
    });
    let title = title(state).map_or(String::new(), |title| format!("  {title}"));
    vec![
        Span::styled(name, theme.tool()),
        Span::styled(format!("  {status}"), style),
        Span::styled(took, theme.quiet()),
        Span::raw(title),
    ]
}

/// What the tool calls its work, else the first text that it was given.
fn title(state: &Value) -> Option<String> {
    let given = || {
        state
            .get("input")?
            .as_object()?
            .values()
            .find_map(Value::as_str)
    };
    let title = text_at(state, "/title").filter(|title| !title.is_empty());
    title.or_else(given).map(text::short)
}

/// What came back up to now.
fn output(state: &Value) -> Option<&str> {
    text_at(state, "/output").or_else(|| text_at(state, "/metadata/output"))
}

fn unfolded(sheet: &mut Sheet<'_>, state: &Value) {
    if let Some(input) = state.get("input") {
        sheet.label("input");
        given(sheet, input);
    }
    if let Some(patch) = text_at(state, "/metadata/diff") {
        sheet.label("diff");
        diff::lay(sheet, patch);
    }
    let theme = sheet.paper.theme;
    let pieces = [
        ("output", output(state), theme.plain()),
        ("error", text_at(state, "/error"), theme.bad()),
    ];
    for (name, words, style) in pieces {
        if let Some(words) = words.filter(|words| !words.is_empty()) {
            sheet.label(name);
            sheet
                .paper
                .verbatim(words, style, &Margin::of("    ", Style::new()));
        }
    }
}

/// What the tool was given: texts as they are, for a person.
fn given(sheet: &mut Sheet<'_>, input: &Value) {
    let Some(fields) = input.as_object() else {
        return json::pretty(sheet, input);
    };
    let style = sheet.paper.theme.quiet();
    for (name, value) in fields {
        if sheet.paper.is_full() {
            return;
        }
        let name = Span::styled(format!("    {}: ", text::short(name)), style);
        match value {
            Value::String(words) if !words.contains('\n') => {
                let (words, left_out) = text::cut(words, sheet.paper.limits.text_bytes_max);
                let words = Span::raw(text::line(words).into_owned());
                let margin = Margin::of("    ", Style::new());
                let margin = Margin {
                    first: vec![name],
                    ..margin
                };
                sheet.paper.wrapped(&[words], &margin, Breaks::Anywhere);
                sheet.paper.left_out(left_out);
            }
            Value::String(words) => {
                sheet.paper.line(vec![name]);
                let margin = Margin::of("      ", Style::new());
                sheet.paper.verbatim(words, Style::new(), &margin);
            }
            value => {
                sheet.paper.line(vec![name]);
                json::pretty(sheet, value);
            }
        }
    }
}

/// The last lines of an output that grows.
fn tail(sheet: &mut Sheet<'_>, output: &str) {
    let lines = output.trim_end().rsplit('\n').take(TAIL_LINES);
    let mut lines: Vec<_> = lines
        .map(|line| text::cut(line, TAIL_LINE_BYTES).0)
        .collect();
    lines.reverse();
    let style = sheet.paper.theme.quiet();
    for line in lines.into_iter().filter(|line| !line.is_empty()) {
        let line = text::line(line);
        sheet
            .paper
            .line(vec![Span::styled(format!("    {line}"), style)]);
    }
}
