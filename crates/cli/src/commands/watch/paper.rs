//! Lines of a width, onto which pieces of text are wrapped.

use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

use super::limits::WatchLimits;
use super::text;
use super::theme::Theme;

/// Bytes of what is one character to a person; more of them are marks piled upon marks.
const GRAPHEME_BYTES_MAX: usize = 64;

/// What an item is laid out on.
#[derive(Debug)]
pub(super) struct Paper {
    pub(super) theme: Theme,
    pub(super) limits: WatchLimits,
    width: usize,
    lines: Vec<Line<'static>>,
}

/// Where a line may be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Breaks {
    /// Between words, if they fit.
    Words,
    /// Anywhere: white space means something.
    Anywhere,
}

/// What stands before the first line of a piece, and before the lines that it is continued on.
#[derive(Debug, Clone, Default)]
pub(super) struct Margin {
    pub(super) first: Vec<Span<'static>>,
    pub(super) rest: Vec<Span<'static>>,
}

impl Margin {
    /// The same before every line.
    pub(super) fn of(text: &'static str, style: Style) -> Self {
        let span = vec![Span::styled(text, style)];
        Self {
            first: span.clone(),
            rest: span,
        }
    }
}

/// One character to a person, and what it takes of a line.
struct Cell<'a> {
    text: &'a str,
    style: Style,
    width: usize,
}

impl Paper {
    pub(super) fn new(theme: Theme, limits: WatchLimits, width: u16) -> Self {
        Self {
            theme,
            limits,
            // So that there is room for a wide character behind a margin.
            width: usize::from(width).max(8),
            lines: Vec::new(),
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are more lines than can be shown.
    pub(super) fn is_full(&self) -> bool {
        self.lines.len() > self.limits.item_lines_max
    }

    /// The lines; where there was no more room, the last one says so.
    pub(super) fn into_lines(mut self) -> Vec<Line<'static>> {
        if self.is_full() {
            self.lines.truncate(self.limits.item_lines_max);
            let words = "… more than can be shown here: `share show` has all of it";
            self.lines
                .push(Line::from(Span::styled(words, self.theme.quiet())));
        }
        self.lines
    }

    /// An empty line, if something stands above it.
    pub(super) fn gap(&mut self) {
        let is_open = self
            .lines
            .last()
            .is_some_and(|line| !line.spans.iter().all(|span| span.content.trim().is_empty()));
        if is_open {
            self.lines.push(Line::default());
        }
    }

    /// An empty line.
    pub(super) fn blank(&mut self) {
        self.lines.push(Line::default());
    }

    /// One line, cut where the paper ends.
    pub(super) fn line(&mut self, spans: Vec<Span<'static>>) {
        self.lines.push(Line::from(fitting(spans, self.width)));
    }

    /// A text as it stands, line by line; of what is too long, how much is left out.
    pub(super) fn verbatim(&mut self, text: &str, style: Style, margin: &Margin) {
        self.text(text, margin, Breaks::Anywhere, |_| style);
    }

    /// A text as it stands, but broken between words.
    pub(super) fn prose(&mut self, text: &str, style: Style, margin: &Margin) {
        self.text(text, margin, Breaks::Words, |_| style);
    }

    /// A text as it stands, each line in a style of its own.
    pub(super) fn verbatim_by(
        &mut self,
        text: &str,
        margin: &Margin,
        style: impl Fn(&str) -> Style,
    ) {
        self.text(text, margin, Breaks::Anywhere, style);
    }

    fn text(&mut self, text: &str, margin: &Margin, breaks: Breaks, style: impl Fn(&str) -> Style) {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let (text, left_out) = text::cut(text, self.limits.text_bytes_max);
        for line in text::lines(text) {
            if self.is_full() {
                return;
            }
            let style = style(&line);
            let span = Span::styled(line.into_owned(), style);
            self.wrapped(&[span], margin, breaks);
        }
        self.left_out(left_out);
    }

    /// Says how much of a text is not shown.
    pub(super) fn left_out(&mut self, bytes: usize) {
        if bytes > 0 {
            let words = format!("… {bytes} bytes more: `share show` has all of it");
            self.line(vec![Span::styled(words, self.theme.quiet())]);
        }
    }

    /// Pieces of one line, on as many lines as they need.
    pub(super) fn wrapped(&mut self, spans: &[Span<'static>], margin: &Margin, breaks: Breaks) {
        let cells: Vec<_> = spans.iter().flat_map(cells).collect();
        let mut rest = &cells[..];
        let mut before = &margin.first;
        loop {
            let room = self.width.saturating_sub(width_of(before)).max(2);
            let (taken, next) = split(rest, room, breaks);
            let mut line = before.clone();
            join(&mut line, taken);
            self.lines.push(Line::from(line));
            rest = next;
            before = &margin.rest;
            if rest.is_empty() || self.is_full() {
                return;
            }
        }
    }
}

/// What pieces of text take of a line.
pub(super) fn width_of(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.content.width()).sum()
}

/// As much of the pieces as fits, with an ellipsis for the rest.
pub(super) fn fitting(spans: Vec<Span<'static>>, width: usize) -> Vec<Span<'static>> {
    if width_of(&spans) <= width {
        return spans;
    }
    let cells: Vec<_> = spans.iter().flat_map(cells).collect();
    let (taken, _) = split(&cells, width.saturating_sub(1), Breaks::Anywhere);
    let mut line = Vec::new();
    join(&mut line, taken);
    line.push(Span::raw("…"));
    line
}

fn cells<'a>(span: &'a Span<'static>) -> impl Iterator<Item = Cell<'a>> {
    let style = span.style;
    span.content.graphemes(true).map(move |text| {
        let text = match text.len() > GRAPHEME_BYTES_MAX {
            true => "\u{fffd}",
            false => text,
        };
        Cell {
            text,
            style,
            width: text.width(),
        }
    })
}

/// What goes onto one line, and what is left.
fn split<'c, 'a>(
    cells: &'c [Cell<'a>],
    room: usize,
    breaks: Breaks,
) -> (&'c [Cell<'a>], &'c [Cell<'a>]) {
    let mut used = 0;
    let fits = |cell: &Cell<'_>| {
        used += cell.width;
        used <= room
    };
    let Some(end) = cells.iter().map(fits).position(|fits| !fits) else {
        return (cells, &[]);
    };
    // Something goes onto every line, or it would never end.
    let end = end.max(1);
    if breaks == Breaks::Words {
        // The character that no longer fits may be the space itself.
        let space = cells[..=end].iter().rposition(|cell| cell.text == " ");
        if let Some(at) = space.filter(|at| *at > 0) {
            return (&cells[..at], &cells[at + 1..]);
        }
    }
    cells.split_at(end)
}

fn join(line: &mut Vec<Span<'static>>, cells: &[Cell<'_>]) {
    for same in cells.chunk_by(|a, b| a.style == b.style) {
        let text: String = same.iter().map(|cell| cell.text).collect();
        line.push(Span::styled(text, same[0].style));
    }
}

#[cfg(test)]
mod tests;
