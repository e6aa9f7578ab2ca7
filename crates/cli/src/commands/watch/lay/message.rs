//! The line above a message's parts: who, when, by which model.

use ratatui::text::Span;
use serde_json::Value;

use super::{Sheet, change, json, short_at, text_at};
use crate::commands::watch::figures;
use crate::commands::watch::paper::{Breaks, Margin};
use crate::commands::watch::text;

pub(super) fn lay(sheet: &mut Sheet<'_>, message: &Value) {
    sheet.paper.blank();
    let line = heading(sheet, message);
    sheet.paper.line(line);
    if !message.is_object() {
        return json::pretty(sheet, message);
    }
    error(sheet, message);
    changes(sheet, message);
}

fn heading(sheet: &Sheet<'_>, message: &Value) -> Vec<Span<'static>> {
    let theme = sheet.paper.theme;
    let role = short_at(message, "/role").unwrap_or_else(|| "message".to_owned());
    let style = if role == "user" {
        theme.user()
    } else {
        theme.assistant()
    };
    let mut about = Vec::new();
    let at = |pointer: &str| message.pointer(pointer).and_then(Value::as_u64);
    about.extend(at("/time/created").map(figures::time_of_day));
    about.extend(model(message));
    if let (Some(begin), Some(end)) = (at("/time/created"), at("/time/completed")) {
        about.push(figures::span(end.saturating_sub(begin)));
    }
    let cost = message.pointer("/cost").and_then(Value::as_f64);
    about.extend(cost.filter(|cost| *cost > 0.0).map(figures::cost));
    let about = format!("  {} ", about.join(" · "));
    let used = role.chars().count() + about.chars().count() + 3;
    let rule = "─".repeat(sheet.paper.width().saturating_sub(used));
    vec![
        Span::styled("── ", theme.quiet()),
        Span::styled(role, style),
        Span::styled(about, theme.quiet()),
        Span::styled(rule, theme.quiet()),
    ]
}

/// The model that a message names.
pub(in crate::commands::watch) fn model(message: &Value) -> Option<String> {
    short_at(message, "/modelID").or_else(|| short_at(message, "/model/modelID"))
}

/// Why the agent gave up on it.
fn error(sheet: &mut Sheet<'_>, message: &Value) {
    let Some(error) = message.get("error").filter(|error| !error.is_null()) else {
        return;
    };
    let name = short_at(error, "/name").unwrap_or_else(|| "error".to_owned());
    let words = text_at(error, "/data/message").or_else(|| text_at(error, "/message"));
    let words = text::short(words.unwrap_or_default());
    let style = sheet.paper.theme.bad();
    let span = Span::styled(format!("✗ {name}: {words}"), style);
    sheet
        .paper
        .wrapped(&[span], &Margin::default(), Breaks::Words);
}

/// What was changed in files by what the user asked for.
fn changes(sheet: &mut Sheet<'_>, message: &Value) {
    let diffs = message.pointer("/summary/diffs").and_then(Value::as_array);
    let Some(diffs) = diffs.filter(|diffs| !diffs.is_empty()) else {
        return;
    };
    let theme = sheet.paper.theme;
    let sum = |field: &str| -> u64 {
        let counts = diffs.iter().filter_map(|diff| diff.get(field)?.as_u64());
        counts.fold(0, u64::saturating_add)
    };
    let plural = if diffs.len() == 1 { "" } else { "s" };
    let head = vec![
        Span::styled(
            format!("{} file{plural} changed", diffs.len()),
            theme.quiet(),
        ),
        Span::styled(format!("  +{}", sum("additions")), theme.added()),
        Span::styled(format!(" −{}", sum("deletions")), theme.removed()),
    ];
    if !sheet.head(true, head) {
        return;
    }
    for diff in diffs {
        if sheet.paper.is_full() {
            return;
        }
        let mut line = vec![Span::raw("  ")];
        line.extend(change::summary(sheet, diff));
        sheet.paper.line(line);
        change::body(sheet, diff);
    }
}
