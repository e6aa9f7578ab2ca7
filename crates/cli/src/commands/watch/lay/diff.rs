//! A unified diff, coloured.

use ratatui::style::Style;

use super::Sheet;
use crate::commands::watch::paper::Margin;
use crate::commands::watch::theme::Theme;

pub(super) fn lay(sheet: &mut Sheet<'_>, diff: &str) {
    let theme = sheet.paper.theme;
    let margin = Margin::of("    ", theme.plain());
    sheet
        .paper
        .verbatim_by(diff, &margin, |line| style(theme, line));
}

fn style(theme: Theme, line: &str) -> Style {
    let is_frame = ["+++", "---", "Index:", "===", "diff ", "\\ No newline"];
    match line.chars().next() {
        _ if is_frame.iter().any(|frame| line.starts_with(frame)) => theme.quiet(),
        Some('+') => theme.added(),
        Some('-') => theme.removed(),
        Some('@') => theme.hunk(),
        _ => theme.plain(),
    }
}
