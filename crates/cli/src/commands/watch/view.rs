//! What of a transcript is on the screen: where it begins, what is folded and selected.
//!
//! The screen's first line is a line of an item, not a line of the whole: what is neither seen nor passed is
//! never laid out, however long the session is.

use std::rc::Rc;

use super::folds::Folds;
use super::lay::{self, Laid};
use super::limits::WatchLimits;
use super::paper::Paper;
use super::place::Place;
use super::shelf::Shelf;
use super::theme::Theme;
use super::transcript::Transcript;

/// Items that are looked at for the next one to select.
const LOOK_MAX: usize = 2_000;

/// Where the screen begins, what is folded, and what is kept laid out.
#[derive(Debug)]
pub(super) struct View {
    theme: Theme,
    limits: WatchLimits,
    width: u16,
    height: usize,
    /// The screen's first line; `None`: the first of all.
    top: Option<(Place, usize)>,
    /// The screen ends with the last line, whatever comes.
    is_following: bool,
    selected: Option<Place>,
    folds: Folds,
    shelf: Shelf,
}

/// A line on the screen.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) place: Place,
    pub(super) line: usize,
    pub(super) laid: Rc<Laid>,
}

/// A line of all: an item by its rank, and a line of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Spot {
    rank: usize,
    line: usize,
}

impl Row {
    /// Whether this is the line that folds its item.
    pub(super) fn is_head(&self) -> bool {
        self.laid.head.is_some_and(|head| head.line == self.line)
    }
}

impl View {
    pub(super) fn new(theme: Theme, limits: WatchLimits) -> Self {
        Self {
            theme,
            limits,
            width: 80,
            height: 24,
            top: None,
            is_following: true,
            selected: None,
            folds: Folds::default(),
            shelf: Shelf::default(),
        }
    }

    pub(super) fn resize(&mut self, width: u16, height: u16) {
        if width != self.width {
            self.shelf.clear();
        }
        self.width = width;
        self.height = usize::from(height).max(1);
    }

    pub(super) fn is_following(&self) -> bool {
        self.is_following
    }

    pub(super) fn follow(&mut self, is_following: bool, transcript: &Transcript) {
        // Who stops to follow stays where they are.
        if let Some(row) = self.rows(transcript).first() {
            self.top = Some((row.place.clone(), row.line));
        }
        self.is_following = is_following;
    }

    /// These places are not as they were.
    pub(super) fn forget(&mut self, places: &[Place]) {
        for place in places {
            self.shelf.remove(place);
        }
    }

    /// No place is as it was.
    pub(super) fn forget_all(&mut self) {
        self.shelf.clear();
    }

    /// The lines on the screen.
    pub(super) fn rows(&mut self, transcript: &Transcript) -> Vec<Row> {
        let spot = self.begin(transcript);
        let mut rows = self.rows_from(spot, transcript);
        if rows.len() < self.height && spot != (Spot { rank: 0, line: 0 }) {
            let bottom = self.bottom(transcript);
            rows = self.rows_from(bottom, transcript);
        }
        rows
    }

    /// How many items stand above the screen's first line.
    pub(super) fn rank(&mut self, transcript: &Transcript) -> usize {
        self.begin(transcript).rank
    }

    /// Goes up, or down with a positive number of lines.
    pub(super) fn scroll(&mut self, lines: isize, transcript: &Transcript) {
        let first = self.rows(transcript).into_iter().next();
        let Some(first) = first else { return };
        let spot = Spot {
            rank: transcript.items().rank(&first.place),
            line: first.line,
        };
        let spot = match lines < 0 {
            true => {
                self.is_following = false;
                self.above(spot, lines.unsigned_abs(), transcript)
            }
            false => self.below(spot, lines.unsigned_abs(), transcript),
        };
        self.begin_at(spot, transcript);
    }

    pub(super) fn page(&self) -> isize {
        // A line of the page before stays in sight.
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(isize::MAX)
    }

    pub(super) fn go_to_begin(&mut self) {
        self.is_following = false;
        self.top = None;
    }

    pub(super) fn go_to_end(&mut self) {
        self.is_following = true;
    }

    /// The selected item: the one that was, if it is on the screen, else one that is.
    pub(super) fn selected<'r>(&self, rows: &'r [Row]) -> Option<&'r Row> {
        let heads = || rows.iter().filter(|row| row.is_head());
        let kept = heads().find(|row| self.selected.as_ref() == Some(&row.place));
        let other = match self.is_following {
            true => heads().next_back(),
            false => heads().next(),
        };
        kept.or(other)
    }

    /// Selects the next item that can be folded, or the one before.
    pub(super) fn select(&mut self, is_next: bool, transcript: &Transcript) {
        let rows = self.rows(transcript);
        let items = transcript.items();
        let from = self.selected(&rows).or(rows.first());
        let Some(from) = from.map(|row| items.rank(&row.place)) else {
            return;
        };
        let ranks: Box<dyn Iterator<Item = usize>> = match is_next {
            true => Box::new(from + 1..items.len()),
            false => Box::new((0..from).rev()),
        };
        for rank in ranks.take(LOOK_MAX) {
            let Some(head) = self.laid(rank, transcript).head else {
                continue;
            };
            let Some(place) = items.get(rank) else { return };
            self.selected = Some(place.clone());
            if !rows.iter().any(|row| row.place == *place && row.is_head()) {
                self.is_following = false;
                let spot = Spot {
                    rank,
                    line: head.line,
                };
                let spot = self.above(spot, self.height / 3, transcript);
                self.begin_at(spot, transcript);
            }
            return;
        }
    }

    /// Folds the selected item, or unfolds it.
    pub(super) fn toggle(&mut self, transcript: &Transcript) {
        let rows = self.rows(transcript);
        if let Some(row) = self.selected(&rows).cloned() {
            self.toggle_at(&row, transcript);
        }
    }

    /// The same by a click on a line of the screen.
    pub(super) fn click(&mut self, line: usize, transcript: &Transcript) {
        let rows = self.rows(transcript);
        if let Some(row) = rows.get(line).filter(|row| row.is_head()) {
            self.toggle_at(row, transcript);
        }
    }

    fn toggle_at(&mut self, row: &Row, transcript: &Transcript) {
        let Some(head) = row.laid.head else { return };
        // What somebody looks into stays where it is.
        self.follow(false, transcript);
        self.folds.fold(&row.place, !head.is_folded);
        self.shelf.remove(&row.place);
        self.selected = Some(row.place.clone());
    }

    pub(super) fn fold_all(&mut self, is_folded: bool, transcript: &Transcript) {
        let rows = self.rows(transcript);
        self.top = rows.first().map(|row| (row.place.clone(), 0));
        self.folds.fold_all(is_folded);
        self.shelf.clear();
    }

    fn begin_at(&mut self, spot: Spot, transcript: &Transcript) {
        let place = transcript.items().get(spot.rank);
        self.top = place.map(|place| (place.clone(), spot.line));
    }

    fn begin(&mut self, transcript: &Transcript) -> Spot {
        if self.is_following {
            return self.bottom(transcript);
        }
        let Some((place, line)) = &self.top else {
            return Spot { rank: 0, line: 0 };
        };
        let items = transcript.items();
        let (rank, line) = (items.rank(place), *line);
        // The item may have gone, or have fewer lines now.
        let line = if items.has(place) { line } else { 0 };
        let lines = self.laid(rank, transcript).lines.len();
        let line = line.min(lines.saturating_sub(1));
        Spot { rank, line }
    }

    /// Where the screen begins that ends with the last line.
    fn bottom(&mut self, transcript: &Transcript) -> Spot {
        // One past the last line.
        let end = Spot {
            rank: transcript.items().len(),
            line: 0,
        };
        self.above(end, self.height, transcript)
    }

    fn above(&mut self, from: Spot, lines: usize, transcript: &Transcript) -> Spot {
        let (mut spot, mut left) = (from, lines);
        while left > spot.line {
            left -= spot.line;
            if spot.rank == 0 {
                return Spot { rank: 0, line: 0 };
            }
            spot.rank -= 1;
            spot.line = self.laid(spot.rank, transcript).lines.len();
        }
        spot.line -= left;
        spot
    }

    fn below(&mut self, from: Spot, lines: usize, transcript: &Transcript) -> Spot {
        let (mut spot, mut left) = (from, lines);
        let count = transcript.items().len();
        while spot.rank < count {
            let room = self
                .laid(spot.rank, transcript)
                .lines
                .len()
                .saturating_sub(spot.line);
            if left < room {
                spot.line += left;
                return spot;
            }
            left -= room;
            spot = Spot {
                rank: spot.rank + 1,
                line: 0,
            };
        }
        self.bottom(transcript)
    }

    fn rows_from(&mut self, spot: Spot, transcript: &Transcript) -> Vec<Row> {
        let mut rows = Vec::with_capacity(self.height);
        let mut skipped = spot.line;
        for rank in spot.rank..transcript.items().len() {
            let Some(place) = transcript.items().get(rank) else {
                break;
            };
            let laid = self.laid(rank, transcript);
            for line in skipped..laid.lines.len() {
                if rows.len() == self.height {
                    return rows;
                }
                rows.push(Row {
                    place: place.clone(),
                    line,
                    laid: Rc::clone(&laid),
                });
            }
            skipped = 0;
        }
        rows
    }

    /// How many items are kept laid out.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        self.shelf.len()
    }

    /// The item with this rank, laid out; nothing where there is none.
    fn laid(&mut self, rank: usize, transcript: &Transcript) -> Rc<Laid> {
        let Some(place) = transcript.items().get(rank) else {
            return Rc::new(Laid {
                lines: Vec::new(),
                head: None,
            });
        };
        if let Some(laid) = self.shelf.get(place) {
            return laid;
        }
        let paper = Paper::new(self.theme, self.limits, self.width);
        let is_folded = |by_itself| self.folds.is_folded(place, by_itself);
        let laid = lay::lay(transcript.document(), place, paper, &is_folded);
        self.shelf.put(place, laid, self.limits.laid_lines_max)
    }
}
