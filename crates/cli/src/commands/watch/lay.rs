//! What an item looks like: lines of a width, made when somebody looks at it.

mod change;
mod diff;
mod json;
mod message;
mod part;
mod tool;

pub(super) use message::model as model_of;

use ratatui::text::{Line, Span};
use share_model::Document;

use super::paper::Paper;
use super::place::{Place, Section};
use super::text;

/// An item, laid out.
#[derive(Debug)]
pub(super) struct Laid {
    pub(super) lines: Vec<Line<'static>>,
    /// The line that folds it, if it can be folded.
    pub(super) head: Option<Head>,
}

/// A line that folds what is below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) line: usize,
    pub(super) is_folded: bool,
}

/// Lays out the item at a place. `fold` answers whether it is folded, from whether it is by itself.
pub(super) fn lay(
    document: &Document,
    place: &Place,
    paper: Paper,
    fold: &dyn Fn(bool) -> bool,
) -> Laid {
    let mut sheet = Sheet {
        paper,
        head: None,
        fold,
    };
    if let Some(stored) = document.get(&place.key()) {
        let value = stored.value();
        match (place.section, &*place.part) {
            (Section::Messages, "") => message::lay(&mut sheet, value),
            (Section::Messages, _) => part::lay(&mut sheet, value),
            (Section::Changes, number) => change::lay(&mut sheet, value, number),
            (Section::Others, _) => json::entry(&mut sheet, &place.name, value),
        }
    }
    Laid {
        head: sheet.head,
        lines: sheet.paper.into_lines(),
    }
}

/// Paper with one place at which it can be folded.
struct Sheet<'f> {
    paper: Paper,
    head: Option<Head>,
    fold: &'f dyn Fn(bool) -> bool,
}

impl Sheet<'_> {
    /// Writes the line that folds what follows; whether that is to be shown.
    fn head(&mut self, is_folded: bool, spans: Vec<Span<'static>>) -> bool {
        let is_folded = (self.fold)(is_folded);
        self.head = Some(Head {
            line: self.paper.height(),
            is_folded,
        });
        let mark = if is_folded { "▸ " } else { "▾ " };
        let mark = Span::styled(mark, self.paper.theme.quiet());
        let spans = std::iter::once(mark).chain(spans).collect();
        self.paper.line(spans);
        !is_folded
    }

    /// Writes what stands above a piece of what was unfolded.
    fn label(&mut self, name: &'static str) {
        let style = self.paper.theme.quiet();
        self.paper
            .line(vec![Span::styled(format!("  {name}"), style)]);
    }
}

/// The text at a pointer.
fn text_at<'v>(value: &'v serde_json::Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer).and_then(serde_json::Value::as_str)
}

/// The beginning of the text at a pointer, on one line.
fn short_at(value: &serde_json::Value, pointer: &str) -> Option<String> {
    text_at(value, pointer).map(text::short)
}
