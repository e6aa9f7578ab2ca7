//! The screen: a bar with the title, the session, a bar with how things stand.

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::figures;
use super::keys::HELP;
use super::model::{Connection, Model};
use super::paper::{Breaks, Margin, Paper, fitting, width_of};
use super::replay::Replay;
use super::text;
use crate::printable::printable;

/// What is shown in a cell whose text a terminal would not just show.
const REPLACEMENT: &str = "\u{fffd}";

/// Draws all of it.
pub(super) fn draw(model: &mut Model, frame: &mut Frame<'_>) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.height < 3 || area.width < 8 {
        // No room for anything that makes sense.
        return;
    }
    let (top, bottom) = (area.y, area.y + area.height - 1);
    let body = Rect::new(area.x, top + 1, area.width, area.height - 2);
    let above = title(model);
    bar(
        buffer,
        Rect::new(area.x, top, area.width, 1),
        model,
        above,
        Vec::new(),
    );
    match &model.ended {
        Some(why) => lines(buffer, body, ended(model, why, body.width)),
        None if model.has_help => lines(buffer, body, help(model)),
        None => session(buffer, body, model),
    }
    let (left, right) = status(model);
    bar(
        buffer,
        Rect::new(area.x, bottom, area.width, 1),
        model,
        left,
        right,
    );
    guard(buffer);
}

/// Whatever comes here, a terminal is told nothing but what to show.
fn guard(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if printable(cell.symbol()) != cell.symbol() {
            cell.set_symbol(REPLACEMENT);
        }
    }
}

fn session(buffer: &mut Buffer, area: Rect, model: &mut Model) {
    let replayed = model.replay.as_ref().map(Replay::transcript);
    let shown = replayed.unwrap_or(&model.live);
    let rows = model.view.rows(shown);
    if rows.is_empty() {
        let words = match shown.is_partial() {
            true => "reading the document …",
            false => "nothing was said yet",
        };
        let line = Line::from(Span::styled(words, model.theme.quiet()));
        return lines(buffer, area, vec![line]);
    }
    let selected = model.view.selected(&rows).map(|row| row.place.clone());
    for (y, row) in (area.y..area.y + area.height).zip(&rows) {
        let Some(line) = row.laid.lines.get(row.line) else {
            continue;
        };
        buffer.set_line(area.x, y, line, area.width);
        if row.is_head() && selected.as_ref() == Some(&row.place) {
            let mark = Rect::new(area.x, y, 2, 1);
            buffer.set_style(mark, model.theme.selected());
        }
    }
}

fn lines(buffer: &mut Buffer, area: Rect, lines: Vec<Line<'static>>) {
    for (y, line) in (area.y..area.y + area.height).zip(&lines) {
        buffer.set_line(area.x, y, line, area.width);
    }
}

fn help(model: &Model) -> Vec<Line<'static>> {
    let keys = HELP.iter().map(|(keys, words)| {
        let keys = Span::styled(format!("  {keys:<12}"), model.theme.strong());
        Line::from(vec![keys, Span::raw(*words)])
    });
    std::iter::once(Line::default()).chain(keys).collect()
}

fn ended(model: &Model, why: &str, width: u16) -> Vec<Line<'static>> {
    let mut paper = Paper::new(model.theme, model.limits, width);
    paper.blank();
    let margin = Margin::of("  ", model.theme.plain());
    for line in text::lines(why) {
        let span = Span::styled(line.into_owned(), model.theme.bad());
        paper.wrapped(&[span], &margin, Breaks::Words);
    }
    paper.into_lines()
}

/// A line over the whole width, with something at its left and something at its right.
fn bar(
    buffer: &mut Buffer,
    area: Rect,
    model: &Model,
    left: Vec<Span<'static>>,
    right: Vec<Span<'static>>,
) {
    let width = usize::from(area.width);
    let room = width.saturating_sub(width_of(&right));
    let mut spans = fitting(left, room);
    let gap = room.saturating_sub(width_of(&spans));
    spans.push(Span::raw(" ".repeat(gap)));
    spans.extend(right);
    buffer.set_style(area, model.theme.bar());
    buffer.set_line(area.x, area.y, &Line::from(spans), area.width);
}

fn title(model: &mut Model) -> Vec<Span<'static>> {
    let fallback = format!("share {}", model.share);
    if model.ended.is_some() {
        return vec![Span::raw(format!(" {fallback}"))];
    }
    let shown = match &mut model.replay {
        Some(replay) => replay.transcript_mut(),
        None => &mut model.live,
    };
    let title = shown.facts().title.clone().unwrap_or(fallback);
    vec![Span::styled(format!(" {title}"), model.theme.strong())]
}

fn status(model: &mut Model) -> (Vec<Span<'static>>, Vec<Span<'static>>) {
    if model.ended.is_some() {
        return (vec![Span::raw(" ended")], vec![Span::raw("q quits ")]);
    }
    let connection = match &model.connection {
        Connection::CatchingUp => "catching up".to_owned(),
        Connection::Live => "live".to_owned(),
        Connection::Lost(why) => format!("connecting again: {why}"),
    };
    let mut left = Vec::new();
    let shown = match &mut model.replay {
        Some(replay) => {
            left.push(replay.line());
            let at = replay.transcript().at();
            left.extend(at.map(|at| figures::time_of_day(at.get())));
            if model.connection != Connection::Live {
                left.push(connection);
            }
            replay.transcript_mut()
        }
        None => {
            left.push(connection);
            &mut model.live
        }
    };
    left.extend(shown.facts().line());
    let count = shown.items().len();
    let rank = model.view.rank(shown);
    let place = match model.view.is_following() {
        true => "following".to_owned(),
        false => format!("{}/{count}", (rank + 1).min(count)),
    };
    let left = format!(" {}", left.join(" │ "));
    (
        vec![Span::raw(left)],
        vec![Span::raw(format!(" {place}  ? help "))],
    )
}
