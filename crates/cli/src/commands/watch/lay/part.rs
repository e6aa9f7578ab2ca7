//! A part of a message.

use ratatui::text::Span;
use serde_json::Value;

use super::{Sheet, json, short_at, text_at, tool};
use crate::commands::watch::markdown;
use crate::commands::watch::paper::Margin;
use crate::commands::watch::text;

pub(super) fn lay(sheet: &mut Sheet<'_>, part: &Value) {
    let theme = sheet.paper.theme;
    match text_at(part, "/type") {
        Some("text") => said(sheet, part),
        Some("reasoning") => reasoning(sheet, part),
        Some("tool") => tool::lay(sheet, part),
        Some("file") => {
            let name = short_at(part, "/filename").unwrap_or_else(|| "a file".to_owned());
            let kind = short_at(part, "/mime").map_or(String::new(), |mime| format!("  {mime}"));
            let kind = Span::styled(kind, theme.quiet());
            sheet.paper.line(vec![Span::raw(format!("▪ {name}")), kind]);
        }
        Some("patch") => {
            let files = part.get("files").and_then(Value::as_array);
            let files = files.into_iter().flatten().filter_map(Value::as_str);
            let names: Vec<_> = files.take(FILES_MAX).map(text::short).collect();
            let words = format!("▪ changed {}", names.join(", "));
            sheet.paper.line(vec![Span::styled(words, theme.quiet())]);
        }
        // The agent's own bookkeeping.
        Some("step-start" | "step-finish" | "snapshot") => {}
        other => {
            let name = text::short(other.unwrap_or("part"));
            if sheet.head(true, vec![Span::styled(name, theme.quiet())]) {
                json::pretty(sheet, part);
            }
        }
    }
}

/// Files that are named on one line.
const FILES_MAX: usize = 64;

/// What a person or the agent said.
fn said(sheet: &mut Sheet<'_>, part: &Value) {
    let words = text_at(part, "/text").unwrap_or_default();
    if words.trim().is_empty() {
        return;
    }
    // What opencode puts into a prompt besides what was typed.
    if part.get("synthetic") == Some(&Value::Bool(true)) {
        let style = sheet.paper.theme.quiet();
        let head = Span::styled(format!("added: {}", text::short(words)), style);
        if sheet.head(true, vec![head]) {
            let margin = Margin::of("  ", style);
            sheet.paper.prose(words, style, &margin);
        }
        return;
    }
    sheet.paper.blank();
    markdown::lay(&mut sheet.paper, words);
}

fn reasoning(sheet: &mut Sheet<'_>, part: &Value) {
    let words = text_at(part, "/text").unwrap_or_default();
    let style = sheet.paper.theme.quiet();
    let is_over = part.pointer("/time/end").is_some();
    let mut name = if is_over {
        "Reasoning"
    } else {
        "Reasoning …"
    }
    .to_owned();
    let begin = words.lines().find(|line| !line.trim().is_empty());
    if let Some(begin) = begin {
        name = format!("{name}  {}", text::short(begin));
    }
    if sheet.head(true, vec![Span::styled(name, style)]) {
        let margin = Margin::of("  ", style);
        sheet.paper.prose(words, style, &margin);
    }
}
