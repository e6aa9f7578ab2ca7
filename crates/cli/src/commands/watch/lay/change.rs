//! A file that an agent session changed.

use ratatui::text::Span;
use serde_json::Value;

use super::{Sheet, diff, json, short_at, text_at};

/// The file diff with this number.
pub(super) fn lay(sheet: &mut Sheet<'_>, changes: &Value, number: &str) {
    let Some(changes) = changes.as_array() else {
        return json::entry(sheet, super::super::place::CHANGES, changes);
    };
    let number = number.parse::<usize>().unwrap_or_default();
    let Some(change) = changes.get(number) else {
        return;
    };
    if number == 0 {
        sheet.paper.blank();
        let title = Span::styled("changes", sheet.paper.theme.heading());
        sheet.paper.line(vec![title]);
    }
    if sheet.head(true, summary(sheet, change)) {
        body(sheet, change);
    }
}

/// The file, and how much of it changed.
pub(super) fn summary(sheet: &Sheet<'_>, change: &Value) -> Vec<Span<'static>> {
    let theme = sheet.paper.theme;
    let file = short_at(change, "/file").unwrap_or_else(|| "a file".to_owned());
    let count = |pointer: &str| change.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    vec![
        Span::raw(file),
        Span::styled(format!("  +{}", count("/additions")), theme.added()),
        Span::styled(format!(" −{}", count("/deletions")), theme.removed()),
    ]
}

/// What changed in the file.
pub(super) fn body(sheet: &mut Sheet<'_>, change: &Value) {
    match text_at(change, "/patch").or_else(|| text_at(change, "/diff")) {
        Some(patch) => diff::lay(sheet, patch),
        None => json::pretty(sheet, change),
    }
}
